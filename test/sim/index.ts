/** The simulator's substrate: a world of machines with fake clocks, disks and networks, from one seed. */
export { type DiskFaults, SimDisk, type SimDiskOptions } from './sim-disk.ts'
