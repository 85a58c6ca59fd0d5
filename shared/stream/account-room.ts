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

  constructor(limits: AccountLimits) {
    this.#limits = limits
    this.#refresh()
  }

  /** Throws 10002 when the account has no room for a message of this many bytes. */
  take(storage: Storage, bytes: number): void {
    if (this.#usedBytes[storage] + bytes > this.#mostBytes[storage]) throw new JetStreamError(10002)
    this.#usedBytes[storage] += bytes
  }

  /** A stream holds so much more, or less, than was known of it. */
  settle(storage: Storage, difference: number): void {
    this.#usedBytes[storage] += difference
    // Limits change while streams are at work.
    this.#refresh()
  }

  #refresh(): void {
    try {
      const [, { max_memory, max_storage }] = tierOf(this.#limits, 1)
      this.#mostBytes = { file: bound(max_storage), memory: bound(max_memory) }
    } catch {
      // No tier any more: what is there goes on, and nothing new is made.
      this.#mostBytes = UNBOUNDED
    }
  }
}

/** One stream's part of it. */
type Sized = Pick<CapturedMessage, 'subjectBytes' | 'headers' | 'payload'>

export class StreamRoom {
  readonly #room: AccountRoom
  readonly #storage: Storage
  #countedBytes = 0

  constructor(room: AccountRoom, storage: Storage) {
    this.#room = room
    this.#storage = storage
  }

  /** Throws 10002. */
  take({ subjectBytes, headers, payload }: Sized): void {
    const bytes = subjectBytes.length + headers.length + payload.length + RECORD_OVERHEAD_BYTES
    this.#room.take(this.#storage, bytes)
    this.#countedBytes += bytes
  }

  /** What the stream holds by now; 0 when it is gone. */
  settle(bytes: number): void {
    this.#room.settle(this.#storage, bytes - this.#countedBytes)
    this.#countedBytes = bytes
  }
}

const UNBOUNDED: Readonly<Record<Storage, number>> = { file: Infinity, memory: Infinity }

function bound(limit: number): number {
  return limit < 0 ? Infinity : limit
}
