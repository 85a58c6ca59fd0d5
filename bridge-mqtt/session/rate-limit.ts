import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { RATE_BURST_MS, RATE_PAUSE_MS } from '../limits.ts'
import type { InputGate } from './input-gate.ts'

/**
 * Holds one client to so many publishes a second. It is not told and loses nothing: its input is paused, so that TCP
 * slows it down, and what it has sent already waits where it is. Who was quiet may send a burst, of as many as a
 * second allows.
 *
 * The bucket of tokens is one time: when the last publish would have come at an even pace. It may lag behind the
 * clock by the burst and no more; where it runs ahead of it, the client has to wait. The clock is the monotonic one.
 */
export class RateLimit {
  readonly #clock: Clock
  readonly #gate: Pick<InputGate, 'close' | 'open'>
  #intervalMs = 0
  #burstMs = 0
  #paceMs = Number.NEGATIVE_INFINITY
  #cancel: Cancel | undefined

  /** @param perSecond publishes; from 1 */
  constructor(clock: Clock, gate: Pick<InputGate, 'close' | 'open'>, perSecond: number) {
    this.#clock = clock
    this.#gate = gate
    this.change(perSecond)
  }

  /** After a reload: counts from the next publish on. */
  change(perSecond: number): void {
    this.#intervalMs = 1_000 / perSecond
    this.#burstMs = Math.max(RATE_BURST_MS, this.#intervalMs)
  }

  /** One more was read; the gate is closed when that was the last for now. */
  spend(): void {
    const nowMs = this.#clock.monotonicMs()
    const pace = Math.max(this.#paceMs, nowMs - this.#burstMs) + this.#intervalMs
    this.#paceMs = pace
    // Up to here the next one would still be in time.
    const waitMs = pace + this.#intervalMs - nowMs
    if (waitMs <= 0 || this.#cancel !== undefined) return
    this.#gate.close('rate')
    this.#cancel = this.#clock.after(Math.max(waitMs, RATE_PAUSE_MS), () => {
      this.#cancel = undefined
      this.#gate.open('rate')
    })
  }

  /** The connection has ended. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
