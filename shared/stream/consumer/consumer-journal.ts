/**
 * Writes one consumer's state down: soon after it changed, never once per acknowledgement. One
 * write is on its way at a time and the next gathers what changes meanwhile, so a burst of acks
 * that wait for the disk (double acks) shares a few writes.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf, type PetioleError } from '../../runtime/index.ts'
import type { StateTable } from '../../store/index.ts'
import { CONSUMER_STATE_DELAY_MS } from '../limits.ts'

export class ConsumerJournal {
  readonly #states: StateTable
  readonly #key: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #encode: () => Uint8Array
  #isDirty = false
  #isWriting = false
  #isClosed = false
  #isPromised = false
  #waiters: (() => void)[] = []
  #cancelDelay: Cancel | undefined

  constructor(states: StateTable, key: string, clock: Clock, log: Log, encode: () => Uint8Array) {
    this.#states = states
    this.#key = key
    this.#clock = clock
    this.#log = log
    this.#encode = encode
  }

  /** The state has changed. */
  touch(): void {
    this.#isDirty = true
    if (this.#isWriting || this.#isClosed) return
    this.#cancelDelay ??= this.#clock.after(CONSUMER_STATE_DELAY_MS, () => this.write())
  }

  /** Calls `onDisk` when the state as it is now is on disk; never when it can not be written. */
  touchAndTell(onDisk: () => void): void {
    this.#isDirty = true
    this.#waiters.push(onDisk)
    if (this.#isWriting || this.#isPromised || this.#isClosed) return
    this.#isPromised = true
    this.#clock.soon(() => {
      this.#isPromised = false
      this.write()
    })
  }

  /** Writes now what has changed. */
  write(): void {
    if (!this.#isDirty || this.#isWriting || this.#isClosed) return
    this.#cancelDelay?.()
    this.#cancelDelay = undefined
    this.#isDirty = false
    this.#isWriting = true
    const waiters = this.#waiters
    this.#waiters = []
    try {
      this.#states.set(this.#key, this.#encode(), (error) => this.#written(error, waiters))
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Writes a last time and stops. The store's own drain makes it durable. */
  close(): void {
    if (this.#isClosed) return
    this.#isWriting = false
    this.write()
    this.destroy()
  }

  /** Stops without writing. */
  destroy(): void {
    this.#isClosed = true
    this.#cancelDelay?.()
    this.#waiters = []
  }

  #written(error: PetioleError | undefined, waiters: readonly (() => void)[]): void {
    if (error !== undefined) {
      this.#failed(error)
      return
    }
    this.#isWriting = false
    for (const waiter of waiters) waiter()
    if (this.#isClosed || !this.#isDirty) return
    if (this.#waiters.length > 0) this.write()
    else this.touch()
  }

  /** Clients that wait for a double ack are not answered and ask again; the state stays dirty. */
  #failed(error: unknown): void {
    this.#isWriting = false
    this.#log.warn({ err: messageOf(error) }, 'consumer state not written')
    this.touch()
  }
}
