/** The simulator's substrate: a world of machines with fake clocks, disks and networks, from one seed. */
export { SimClock, SimWallClock } from './sim-clock.ts'
export { type DiskFaults, SimDisk, type SimDiskOptions } from './sim-disk.ts'
export { LAN, type LinkQuality, NARROW } from './sim-link.ts'
export { type RunOptions, SimLoop } from './sim-loop.ts'
export { type CrashKind, type SimNode, SimWorld, type SimWorldOptions } from './sim-world.ts'
