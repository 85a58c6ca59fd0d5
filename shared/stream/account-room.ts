/**
 * How much of what an account may store is taken, kept up to date so that a publish costs one
 * comparison. What waits for the disk counts from when it has its sequence. The store alone knows what
 * that is, and takes it back by itself where it does not get to be stored: a stream's part of the room
 * is never added up here, but always what its store says that it holds.
 */
import type { StagedBytes } from '../store/index.ts'
import { type AccountLimits, tierOf } from './account-limits.ts'
import type { StreamConfig } from './config/stream-config.ts'
import { JetStreamError } from './jetstream-error.ts'
import { MESSAGE_OVERHEAD } from './limits.ts'
import type { CapturedMessage } from './port.ts'

type Storage = StreamConfig['storage']

export class AccountRoom {
  readonly #limits: AccountLimits
  readonly #usedBytes: Record<Storage, number> = { file: 0, memory: 0 }
  /** Infinity: no limit. */
  readonly #mostBytes: Record<Storage, number> = { file: Infinity, memory: Infinity }
  /** Infinity: no limit. */
  #serverMostMemory = Infinity
  #hasTier = true

  constructor(limits: AccountLimits) {
    this.#limits = limits
    this.#refresh()
  }

  /** Throws 10002, 10023 or 10120 when account or server have no room for a message of this many bytes. */
  check(storage: Storage, bytes: number): void {
    if (this.#refusal(storage, bytes) === 0) return
    // Limits may have been raised while nothing was stored.
    this.#refresh()
    const refusal = this.#refusal(storage, bytes)
    if (refusal !== 0) throw new JetStreamError(refusal)
  }

  /** So much more is taken, or less. */
  count(storage: Storage, difference: number): void {
    this.#usedBytes[storage] += difference
    if (storage === 'memory') this.#limits.server.held.memory += difference
  }

  /** The same of what is stored. */
  settle(storage: Storage, difference: number): void {
    this.count(storage, difference)
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
      this.#mostBytes.file = bound(max_storage)
      this.#mostBytes.memory = bound(max_memory)
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
  readonly #staged: StagedBytes
  readonly #stopListening: () => void
  #countedBytes = 0
  #isClosed = false

  constructor(room: AccountRoom, storage: Storage, staged: StagedBytes) {
    this.#room = room
    this.#storage = storage
    this.#staged = staged
    this.#stopListening = staged.onTakenBack(() => this.update())
  }

  /** Throws 10002, 10023 or 10120 when there is none for this message; takes nothing yet. */
  check({ subjectBytes, headers, payload }: Sized): void {
    const { always, withHeaders } = MESSAGE_OVERHEAD[this.#storage]
    const overhead = headers.length > 0 ? always + withHeaders : always
    const bytes = subjectBytes.length + headers.length + payload.length + overhead
    this.#room.check(this.#storage, bytes)
  }

  /** Something was appended, or taken back. */
  update(): void {
    this.#room.count(this.#storage, this.#difference())
  }

  /** Something was committed. */
  settle(): void {
    this.#room.settle(this.#storage, this.#difference())
  }

  /** The stream is gone, and with it all that it held. */
  close(): void {
    this.#isClosed = true
    this.#stopListening()
    this.settle()
  }

  #difference(): number {
    const held = this.#isClosed ? 0 : this.#staged.heldBytes
    const difference = held - this.#countedBytes
    this.#countedBytes = held
    return difference
  }
}

function bound(limit: number): number {
  return limit < 0 ? Infinity : limit
}
