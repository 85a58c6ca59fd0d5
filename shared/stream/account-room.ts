/**
 * How much of what an account may store is taken, kept up to date with each commit, so that a publish
 * costs one comparison, and only where there is a limit. What is admitted counts at once, by what the
 * message is long; the commit puts that right.
 */
import { type AccountLimits, tierOf } from './account-limits.ts'
import type { StreamConfig } from './config/stream-config.ts'
import { JetStreamError } from './jetstream-error.ts'
import { RECORD_OVERHEAD_BYTES } from './limits.ts'
import type { CapturedMessage } from './port.ts'

type Storage = StreamConfig['storage']

export class AccountRoom {
  readonly #limits: AccountLimits
  readonly #usedBytes: Record<Storage, number> = { file: 0, memory: 0 }
  /** Infinity: no limit. */
  #mostBytes: Readonly<Record<Storage, number>> = UNBOUNDED
  /** Infinity: no limit. */
  #serverMostMemory = Infinity
  #hasTier = true

  constructor(limits: AccountLimits) {
    this.#limits = limits
    this.#refresh()
  }

  /** Throws 10002, 10023 or 10120 when account or server have no room for a message of this many bytes. */
  take(storage: Storage, bytes: number): void {
    if (this.#refusal(storage, bytes) !== 0) {
      // Limits may have been raised while nothing was stored.
      this.#refresh()
      const refusal = this.#refusal(storage, bytes)
      if (refusal !== 0) throw new JetStreamError(refusal)
    }
    this.#usedBytes[storage] += bytes
    if (storage === 'memory') this.#limits.server.held.memory += bytes
  }

  /** A stream holds so much more, or less, than was known of it. */
  settle(storage: Storage, difference: number): void {
    this.#usedBytes[storage] += difference
    if (storage === 'memory') this.#limits.server.held.memory += difference
    // Limits change while streams are at work.
    this.#refresh()
  }

  /** The number of the error, 0 when there is room. */
  #refusal(storage: Storage, bytes: number): number {
    // As in nats-server, the message that goes beyond what the server has is still taken.
    const { memory } = this.#limits.server.held
    if (storage === 'memory' && memory > this.#serverMostMemory) return 10023
    if (!this.#hasTier) return 10120
    return this.#usedBytes[storage] + bytes > this.#mostBytes[storage] ? 10002 : 0
  }

  #refresh(): void {
    const { memoryBytesMax } = this.#limits.server
    this.#serverMostMemory = memoryBytesMax > 0 ? memoryBytesMax : Infinity
    try {
      const [, { max_memory, max_storage }] = tierOf(this.#limits, 1)
      this.#mostBytes = { file: bound(max_storage), memory: bound(max_memory) }
      this.#hasTier = true
    } catch {
      // No tier any more: what is there stays, and nothing is added to it.
      this.#hasTier = false
    }
  }
}

/** One stream's part of it. */
type Sized = Pick<CapturedMessage, 'subjectBytes' | 'headers' | 'payload'>

export class StreamRoom {
  readonly #room: AccountRoom
  readonly #storage: Storage
  #countedBytes = 0
  #storedBytes = 0

  constructor(room: AccountRoom, storage: Storage) {
    this.#room = room
    this.#storage = storage
  }

  /** What was taken since the last commit, nearly. */
  get waitingBytes(): number {
    return this.#countedBytes - this.#storedBytes
  }

  /** Throws 10002, 10023 or 10120. */
  take({ subjectBytes, headers, payload }: Sized): void {
    const bytes = subjectBytes.length + headers.length + payload.length + RECORD_OVERHEAD_BYTES
    this.#room.take(this.#storage, bytes)
    this.#countedBytes += bytes
  }

  /** What the stream holds by now; 0 when it is gone. */
  settle(bytes: number): void {
    this.#room.settle(this.#storage, bytes - this.#countedBytes)
    this.#countedBytes = bytes
    this.#storedBytes = bytes
  }
}

const UNBOUNDED: Readonly<Record<Storage, number>> = { file: Infinity, memory: Infinity }

function bound(limit: number): number {
  return limit < 0 ? Infinity : limit
}
