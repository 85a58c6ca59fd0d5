/**
 * Whether the store takes writes. `full` is left by itself when there is room again, `failed` never.
 * Messages are refused while a reserve is still free, so that deletes and purges, which make room,
 * can always be written.
 */
import { codeOf, PetioleError } from '../runtime/index.ts'
import type { StoreCondition } from './store.ts'

export interface RoomLimits {
  /** Quota for the whole store, 0 for none. */
  readonly bytesMax: number
  readonly reserveBytes: number
  readonly gatheredBytesMax: number
}

export class Room {
  /** Bytes in the store's files. */
  usedBytes = 0
  /** Bytes of the commit that is being written: neither waiting nor in the files yet. */
  underWayBytes = 0
  /** As the file system said when it was last asked, less what was written since. */
  freeBytes = Number.POSITIVE_INFINITY
  /** Bytes of the reserve file that upkeep uses for now: not for messages. */
  lentBytes = 0
  /** A commit found no space although messages were refused already: what frees room cannot be written. */
  isStarved = false
  readonly #directory: string
  readonly #limits: RoomLimits
  #bytesMax: number
  readonly #listeners = new Set<(condition: StoreCondition) => void>()
  #condition: StoreCondition = { name: 'open' }
  #isClosed = false

  constructor(directory: string, limits: RoomLimits) {
    this.#directory = directory
    this.#limits = limits
    this.#bytesMax = limits.bytesMax
  }

  /** Another quota for the whole store, 0 for none. */
  limit(bytesMax: number): void {
    this.#bytesMax = bytesMax
  }

  /** What the store can still grow by, before the reserve is touched. */
  get leftBytes(): number {
    const { reserveBytes } = this.#limits
    const onDisk = this.freeBytes - reserveBytes - this.lentBytes
    const bytesMax = this.#bytesMax
    if (bytesMax === 0) return Math.max(0, onDisk)
    const inQuota = bytesMax - Math.min(reserveBytes, bytesMax / 4) - this.usedBytes
    return Math.max(0, Math.floor(Math.min(onDisk, inQuota)))
  }

  get condition(): StoreCondition {
    return this.#condition
  }

  get isFailed(): boolean {
    return this.#condition.name === 'failed'
  }

  onCondition(listener: (condition: StoreCondition) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  check(bytes: number, urge: 'message' | 'upkeep'): void {
    if (this.#isClosed) {
      throw new PetioleError('PETIOLE_STORE_CLOSED', `the store ${this.#directory} is closed`)
    }
    if (this.#condition.name === 'failed') throw this.#condition.error
    if (bytes > this.#limits.gatheredBytesMax) {
      throw new PetioleError(
        'PETIOLE_STORE_BUSY',
        `${bytes} bytes wait for the disk of ${this.#directory}: it is too slow, send less`,
      )
    }
    if (urge === 'upkeep') return
    const shortage = this.#shortage(bytes)
    if (shortage === undefined && this.#condition.name === 'open') return
    if (shortage !== undefined) this.becomeFull(shortage)
    throw fullError(this.#condition.name === 'full' ? this.#condition.reason : '')
  }

  /** Why so many more bytes do not fit; undefined when they do. */
  #shortage(waitingBytes: number): string | undefined {
    const { reserveBytes } = this.#limits
    const bytesMax = this.#bytesMax
    const bytes = waitingBytes + this.underWayBytes
    if (bytesMax > 0 && this.usedBytes + bytes > bytesMax - Math.min(reserveBytes, bytesMax / 4)) {
      return `${this.#directory} holds ${this.usedBytes} of ${bytesMax} bytes, ${bytes} more wait for the disk: raise max_file, or purge streams`
    }
    if (this.freeBytes - bytes < reserveBytes + this.lentBytes) {
      return `the file system of ${this.#directory} has ${this.freeBytes} bytes left, ${bytes} wait for the disk: free some, or purge streams`
    }
    return undefined
  }

  hasRoomFor(bytes: number): boolean {
    return this.#shortage(bytes) === undefined
  }

  /** Takes writes again when at least `bytes` fit. */
  reopen(bytes: number): boolean {
    if (this.#condition.name !== 'full' || !this.hasRoomFor(bytes)) return false
    this.#enter({ name: 'open' })
    return true
  }

  /** What the file system says now; a full store goes on saying what is true. */
  measured(freeBytes: number): void {
    this.freeBytes = freeBytes
    const shortage = this.#shortage(0)
    if (shortage === undefined) return
    if (this.#condition.name === 'full') this.#condition = { name: 'full', reason: shortage }
    else this.becomeFull(shortage)
  }

  becomeFull(reason: string): void {
    if (this.#condition.name === 'open') this.#enter({ name: 'full', reason })
  }

  fail(cause: unknown, what: string): PetioleError {
    if (this.#condition.name === 'failed') return this.#condition.error
    const error = new PetioleError(
      'PETIOLE_STORE_FAILED',
      `${what} in ${this.#directory}: what was not acknowledged may be lost, nothing more is written; check the disk and start again`,
      { cause },
    )
    this.#enter({ name: 'failed', error })
    return error
  }

  /**
   * For what is done on a timer, or for a commit that is on disk already: nobody is there to be told that
   * the store has failed, and its condition says so. Throws everything else.
   */
  absorb(error: unknown): void {
    if (!this.isFailed) throw error
  }

  close(): void {
    this.#isClosed = true
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  #enter(condition: StoreCondition): void {
    this.#condition = condition
    for (const listener of this.#listeners) listener(condition)
  }
}

/** Opening a file failed for want of handles, which pass: nothing has happened on the disk. */
export function isOutOfFiles(error: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(codeOf(error))
}

export function isOutOfSpace(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error))
}

export function fullError(reason: string): PetioleError {
  return new PetioleError('PETIOLE_STORE_FULL', reason)
}
