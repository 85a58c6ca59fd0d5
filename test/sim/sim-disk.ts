import {
  type Disk,
  type DiskFile,
  PetioleError,
  type Random,
  type ScratchFile,
  type SyncedFile,
} from '../../shared/runtime/index.ts'
import { SimScratch } from './sim-scratch.ts'
import { type FileNode, SimVolume, type VolumeOperation } from './sim-volume.ts'
import { systemError } from './system-error.ts'

export interface SimDiskOptions {
  readonly random: Random
  /** Calls `fn` when an operation is done: a simulated disk's time passes here. Default: next turn. */
  readonly turn?: (call: string, path: string, fn: () => void) => void
  readonly volume?: SimVolume
  /** Keeps every change, so that `powerCutAt` can go back to any point. */
  readonly isRecording?: boolean
}

/** Faults to come. Numbers count down as they strike. */
export interface DiskFaults {
  /** The next syncs that fail with EIO. */
  syncs: number
  /** The next reads that fail with EIO. */
  reads: number
  /** The next gather writes that fail with EIO, some of it written. */
  writes: number
}

/**
 * One incarnation's view of a simulated disk. Usable on its own, with real promises:
 *
 *     const disk = new SimDisk({ random: new SeededRandom(seed) })
 *     await disk.makeDirectory('/data'); await disk.syncDirectory('/') …
 *     const after = disk.powerCut()      // `disk` is dead: its promises never settle again
 *
 * `/data` is there and durable from the start.
 */
export class SimDisk implements Disk {
  readonly faults: DiskFaults = { syncs: 0, reads: 0, writes: 0 }
  /** Room for all files together. */
  quotaBytes = Number.POSITIVE_INFINITY
  /** Of it, what scratch files take. */
  scratchBytes = 0
  readonly #random: Random
  readonly #turn: (call: string, path: string, fn: () => void) => void
  readonly #volume: SimVolume
  readonly #isRecording: boolean
  readonly #locks = new Set<string>()
  /** The power went; nothing answers any more. */
  isDead = false

  constructor(options: SimDiskOptions) {
    this.#random = options.random
    this.#turn = options.turn ?? ((_call, _path, fn) => setImmediate(fn))
    this.#isRecording = options.isRecording ?? false
    this.#volume = options.volume ?? formatted(this.#isRecording)
  }

  open(path: string, access: 'read' | 'write'): Promise<DiskFile> {
    return this.run('open', path, () => {
      const file = this.#volume.fileAt(path, 'open')
      return new SimFile(this, file, path, access)
    })
  }

  openSynced(path: string): Promise<SyncedFile | undefined> {
    return this.run('open', path, () => {
      const file = new SimFile(this, this.#volume.fileAt(path, 'open'), path, 'write')
      return {
        writev: (chunks: readonly Uint8Array[], position: number) =>
          file.writeSynced(chunks, position),
        close: () => file.close(),
      }
    })
  }

  create(path: string): Promise<DiskFile> {
    return this.run('create', path, () => {
      this.apply({ type: 'create', path, kind: 'file' })
      return new SimFile(this, this.#volume.fileAt(path, 'open'), path, 'write')
    })
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.run('read', path, () => {
      const file = this.#volume.fileAt(path, 'open')
      this.strike('reads', 'read', path)
      if (file.content.unreadable.length > 0) throw systemError('EIO', 'read', path)
      return file.content.bytes.slice()
    })
  }

  async writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
    const temp = `${path}.tmp`
    await this.remove(temp)
    const file = await this.create(temp)
    await file.writev([bytes], 0)
    await file.datasync()
    await file.close()
    await this.rename(temp, path)
    await this.syncDirectory(parentOf(path))
  }

  list(directory: string): Promise<readonly string[]> {
    return this.run('list', directory, () =>
      [...this.#volume.directory(directory).names.keys()].sort(),
    )
  }

  async makeDirectory(path: string): Promise<void> {
    const names = path.split('/').filter((part) => part !== '')
    await this.run('mkdir', path, () => {
      let at = ''
      for (const name of names) {
        at = `${at}/${name}`
        const node = this.#volume.find(at)
        if (node === undefined) this.apply({ type: 'create', path: at, kind: 'directory' })
        else if (node.kind !== 'directory') throw systemError('EEXIST', 'mkdir', at)
      }
    })
    for (let depth = names.length - 1; depth >= 0; depth--) {
      await this.syncDirectory(`/${names.slice(0, depth).join('/')}`)
    }
  }

  syncDirectory(path: string): Promise<void> {
    const changes = this.#volume.find(path) === undefined ? 0 : this.#volume.directory(path).changes
    return this.run('fsync', path, () => {
      this.#volume.directory(path)
      this.strike('syncs', 'fsync', path)
      this.apply({ type: 'syncDirectory', path, changes })
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.run('rename', from, () => this.apply({ type: 'rename', from, to }))
  }

  remove(path: string): Promise<void> {
    return this.run('unlink', path, () => {
      if (this.#volume.find(path) !== undefined) this.apply({ type: 'remove', path })
    })
  }

  freeBytes(path: string): Promise<number> {
    return this.run('statfs', path, () => this.room())
  }

  /** Locks die with their incarnation, as those of a dead process do. */
  async lock(path: string): Promise<() => Promise<void>> {
    if (this.#locks.has(path)) {
      throw new PetioleError('PETIOLE_STORE_LOCKED', `${path} is held by this process`)
    }
    this.#locks.add(path)
    await this.remove(path)
    await (await this.create(path)).close()
    return async () => {
      this.#locks.delete(path)
      await this.remove(path)
    }
  }

  scratch(path: string, blockBytes: number): ScratchFile {
    return new SimScratch(this, path, blockBytes)
  }

  /** The disk as it is when the power comes back after a cut now. This one is dead from now on. */
  powerCut(random: Random = this.#random): SimDisk {
    this.die()
    return this.#successor(this.#volume.afterPowerCut(random), random)
  }

  /** The disk after the process was killed: the system wrote its cache all the same. */
  kill(): SimDisk {
    this.die()
    return this.#successor(this.#volume, this.#random)
  }

  /** Changes recorded so far; each is a point where the power may be cut. */
  get recorded(): number {
    return this.#volume.operations.length
  }

  /** The disk after a power cut behind the first `operations` recorded changes. This one lives on. */
  powerCutAt(operations: number, random: Random): SimDisk {
    const then = SimVolume.replay(this.#volume.operations.slice(0, operations))
    return new SimDisk({ random, turn: this.#turn, volume: then.afterPowerCut(random) })
  }

  /** Flips bits of a stored byte, in the cache and on the platter. */
  corrupt(path: string, at: number, mask: number): void {
    this.#volume.fileAt(path, 'corrupt').content.corrupt(at, mask)
  }

  /** From now on reads of these bytes fail with EIO, after restarts too; those of the rest do not. */
  spoil(path: string, from: number, to: number): void {
    this.#volume.fileAt(path, 'spoil').content.unreadable.push({ from, to })
  }

  /** A file's bytes as a program would read them now. */
  bytesOf(path: string): Uint8Array {
    return this.#volume.fileAt(path, 'open').content.bytes.slice()
  }

  usedBytes(): number {
    return this.#volume.usedBytes()
  }

  room(): number {
    if (this.quotaBytes === Number.POSITIVE_INFINITY) return this.quotaBytes
    return Math.max(0, this.quotaBytes - this.usedBytes() - this.scratchBytes)
  }

  /** From now on no promise of this disk settles and no change happens. */
  die(): void {
    this.isDead = true
  }

  /** Does `work` when the operation's time has passed; never when the disk has died by then. */
  run<Result>(call: string, path: string, work: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.isDead) return
      this.#turn(call, path, () => {
        if (this.isDead) return
        try {
          resolve(work())
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  apply(operation: VolumeOperation): void {
    this.#volume.apply(operation)
  }

  strike(fault: keyof DiskFaults, call: string, path: string): void {
    if (this.faults[fault] <= 0) return
    this.faults[fault]--
    throw systemError('EIO', call, path)
  }

  /** How many of `size` bytes to write before a failing write fails. */
  someOf(size: number): number {
    return this.#random.below(size + 1)
  }

  #successor(volume: SimVolume, random: Random): SimDisk {
    const disk = new SimDisk({ random, turn: this.#turn, volume })
    disk.quotaBytes = this.quotaBytes
    return disk
  }
}

class SimFile implements DiskFile {
  readonly path: string
  readonly #disk: SimDisk
  readonly #file: FileNode
  readonly #access: 'read' | 'write'
  #isClosed = false

  constructor(disk: SimDisk, file: FileNode, path: string, access: 'read' | 'write') {
    this.#access = access
    this.path = path
    this.#disk = disk
    this.#file = file
  }

  size(): Promise<number> {
    return this.#run('fstat', () => this.#file.content.size)
  }

  /** The bytes are in the cache at once; a failing write leaves a part of them there. */
  writev(chunks: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = Buffer.concat(chunks)
    return this.#change('write', () => {
      const growth = Math.max(0, position + bytes.length - this.#file.content.size)
      const room = this.#disk.room()
      if (growth > room) {
        this.#write(bytes.subarray(0, bytes.length - growth + room), position)
        throw systemError('ENOSPC', 'write', this.path)
      }
      if (this.#disk.faults.writes > 0) {
        this.#write(bytes.subarray(0, this.#disk.someOf(bytes.length)), position)
        this.#disk.strike('writes', 'write', this.path)
      }
      this.#write(bytes, position)
    })
  }

  /** The power may fail between the write and its sync: for the disk these are two. */
  async writeSynced(chunks: readonly Uint8Array[], position: number): Promise<void> {
    await this.writev(chunks, position)
    const bytes = Buffer.concat(chunks)
    const file = this.#file.id
    await this.#run('fdatasync', () => {
      if (this.#disk.faults.syncs > 0) this.#disk.apply({ type: 'failSync', file })
      this.#disk.strike('syncs', 'fdatasync', this.path)
      this.#disk.apply({ type: 'syncRange', file, at: position, bytes })
    })
  }

  datasync(): Promise<void> {
    const file = this.#file.id
    const { changes } = this.#file.content
    return this.#run('fdatasync', () => {
      if (this.#disk.faults.syncs > 0) this.#disk.apply({ type: 'failSync', file })
      this.#disk.strike('syncs', 'fdatasync', this.path)
      this.#disk.apply({ type: 'sync', file, changes })
    })
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#run('read', () => this.#read(target, position))
  }

  readNow(target: Uint8Array, position: number): number {
    if (this.#isClosed || this.#disk.isDead) throw systemError('EBADF', 'read', this.path)
    return this.#read(target, position)
  }

  truncate(size: number): Promise<void> {
    return this.#change('ftruncate', () => {
      this.#disk.apply({ type: 'truncate', file: this.#file.id, size })
    })
  }

  close(): Promise<void> {
    return this.#run('close', () => {
      this.#isClosed = true
    })
  }

  #write(bytes: Uint8Array, at: number): void {
    if (bytes.length > 0) this.#disk.apply({ type: 'write', file: this.#file.id, at, bytes })
  }

  #change(call: string, work: () => void): Promise<void> {
    return this.#run(call, () => {
      if (this.#access === 'read') throw systemError('EBADF', call, this.path)
      work()
    })
  }

  #read(target: Uint8Array, position: number): number {
    this.#disk.strike('reads', 'read', this.path)
    const { content } = this.#file
    const end = position + target.length
    if (content.unreadable.some(({ from, to }) => from < end && position < to)) {
      throw systemError('EIO', 'read', this.path)
    }
    const bytes = content.bytes.subarray(position, end)
    target.set(bytes)
    return bytes.length
  }

  #run<Result>(call: string, work: () => Result): Promise<Result> {
    return this.#disk.run(call, this.path, () => {
      if (this.#isClosed) throw systemError('EBADF', call, this.path)
      return work()
    })
  }
}

function formatted(isRecording: boolean): SimVolume {
  const volume = new SimVolume(isRecording)
  volume.apply({ type: 'create', path: '/data', kind: 'directory' })
  volume.apply({ type: 'syncDirectory', path: '/', changes: 1 })
  return volume
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
