/**
 * Writes one consumer's state down: soon after it changed, never once per acknowledgement. One
 * write is on its way at a time and the next gathers what changes meanwhile, so a burst of acks
 * that wait for the disk (double acks) shares a few writes. It is kept twice [state-copies.ts], but a
 * long one that changes all the time is written once each time.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, messageOf, type PetioleError } from '../../runtime/index.ts'
import type { Committed, StateTable } from '../../store/index.ts'
import {
  CONSUMER_STATE_DELAY_MS,
  CONSUMER_STATE_RETRY_MAX_MS,
  CONSUMER_STATE_TWICE_BYTES,
} from '../limits.ts'
import { evenOut, storeState } from './state-copies.ts'

export interface ConsumerJournalParts {
  readonly states: StateTable
  readonly stream: string
  readonly name: string
  readonly clock: Clock
  readonly log: Log
  readonly encode: () => Uint8Array
}

export class ConsumerJournal {
  readonly #states: StateTable
  readonly #name: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #stream: string
  readonly #encode: () => Uint8Array
  #isDirty = false
  /** Of the two copies one is newer. */
  #isUneven = false
  #isWriting = false
  #isClosed = false
  #isPromised = false
  /** How long the next try waits; longer after each that failed. */
  #delayMs = CONSUMER_STATE_DELAY_MS
  #waiters: (() => void)[] = []
  #cancelDelay: Cancel | undefined

  constructor(parts: ConsumerJournalParts) {
    this.#states = parts.states
    this.#name = parts.name
    this.#stream = parts.stream
    this.#clock = parts.clock
    this.#log = parts.log
    this.#encode = parts.encode
  }

  /** The state has changed. */
  touch(): void {
    this.#isDirty = true
    this.#writeLater()
  }

  /** Those that `touchAndTell` has not told yet, and that no write on its way will. */
  get waiting(): number {
    return this.#waiters.length
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
  write(isLast = false): void {
    const isAny = this.#isDirty || this.#isUneven
    if (!isAny || this.#isWriting || this.#isClosed) return
    this.#cancelDelay?.()
    this.#cancelDelay = undefined
    const isChanged = this.#isDirty
    this.#isDirty = false
    this.#isWriting = true
    const waiters = this.#waiters
    this.#waiters = []
    const committed: Committed = (error) => this.#written(error, waiters)
    try {
      if (isChanged) this.#store(waiters.length > 0 || isLast, committed)
      else {
        this.#isUneven = false
        evenOut(this.#states, this.#name, committed)
      }
    } catch (error) {
      this.#failed(error)
    }
  }

  /** Writes a last time and stops. The store's own drain makes it durable. */
  close(): void {
    if (this.#isClosed) return
    this.#isWriting = false
    this.write(true)
    this.destroy()
  }

  /** Stops without writing. */
  destroy(): void {
    this.#isClosed = true
    this.#cancelDelay?.()
    this.#waiters = []
  }

  #store(isTold: boolean, committed: Committed): void {
    const state = this.#encode()
    const areBoth = isTold || state.length <= CONSUMER_STATE_TWICE_BYTES
    this.#isUneven = !areBoth
    storeState(this.#states, this.#name, state, areBoth ? 'both' : 'older', committed)
  }

  #writeLater(): void {
    if (this.#isWriting || this.#isClosed) return
    this.#cancelDelay ??= this.#clock.after(this.#delayMs, () => this.write())
  }

  #written(error: PetioleError | undefined, waiters: readonly (() => void)[]): void {
    if (error !== undefined) {
      this.#failed(error)
      return
    }
    this.#isWriting = false
    this.#recovered()
    for (const waiter of waiters) waiter()
    if (this.#waiters.length > 0) this.write()
    else if (this.#isDirty || this.#isUneven) this.#writeLater()
  }

  /**
   * Clients that wait for a double ack are not answered and ask again; the state stays dirty. Told once:
   * a disk that has failed fails each of many consumers again and again.
   */
  #failed(error: unknown): void {
    this.#isWriting = false
    if (this.#delayMs === CONSUMER_STATE_DELAY_MS) {
      const names = { stream: this.#stream, consumer: this.#name }
      this.#log.warn({ ...names, err: messageOf(error) }, 'consumer state not written')
    }
    this.#delayMs = Math.min(2 * this.#delayMs, CONSUMER_STATE_RETRY_MAX_MS)
    this.touch()
  }

  #recovered(): void {
    if (this.#delayMs === CONSUMER_STATE_DELAY_MS) return
    this.#delayMs = CONSUMER_STATE_DELAY_MS
    this.#log.info({ stream: this.#stream, consumer: this.#name }, 'consumer state written again')
  }
}
