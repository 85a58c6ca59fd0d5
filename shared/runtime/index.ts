/** The machine as dependencies: clock, chance, disk, background work, and the one error class. */
export { AppendFile } from './append-file.ts'
export { BcryptThread, type PasswordHashes } from './bcrypt-thread.ts'
export {
  type Cancel,
  type Clock,
  every,
  PLAUSIBLE_WALL_MS,
  SystemClock,
  wait,
} from './clock.ts'
export { Deadline } from './deadline.ts'
export type { Disk, DiskFile, FileOptions, SyncedFile } from './disk.ts'
export { collectGarbage } from './garbage.ts'
export { invariant } from './invariant.ts'
export { codeOf, messageOf, PetioleError } from './petiole-error.ts'
export { type Random, SeededRandom, SystemRandom } from './random.ts'
export { type ScratchFile, SystemScratchFile } from './scratch-file.ts'
export { readSecretFile } from './secret-file.ts'
export { crcTables, slicedCrc } from './sliced-crc.ts'
export { SystemDisk } from './system-disk.ts'
export { Tasks } from './tasks.ts'
