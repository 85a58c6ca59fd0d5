import type { Cancel, Clock } from '../runtime/index.ts'
import { FIRST_PING_MS, KERNEL_BYTES_MAX, SLOWEST_BYTES_PER_SECOND } from './limits.ts'

/**
 * Finds out whether the other end of a link is still there. Anything heard proves it; a link that
 * was silent for `intervalMs` is asked with a PING and is stale when nothing comes in time.
 *
 * On a slow link the PING stands behind what was written before it, so the patience for an answer
 * follows what is still on its way: as long as the channel's backlog shrinks the other end takes it,
 * and what the kernel holds is given the time that the slowest link needs for it. Nor does silence prove
 * anything where this side has not read, since others had their turn; and what came while the loop was
 * busy is read before the link is given up.
 */
export interface HeartbeatOutput {
  /** In the channel, not yet taken by the kernel. */
  readonly channelPendingBytes: number
  /** Given to the channel so far. */
  readonly writtenBytes: number
}

export class Heartbeat {
  readonly #clock: Clock
  readonly #output: HeartbeatOutput
  readonly #intervalMs: number
  readonly #timeoutMs: number
  readonly #hasWaited: () => boolean
  readonly #ping: () => void
  readonly #stale: (silentMs: number) => void
  #cancel: Cancel | undefined
  #heardMs: number
  #pingedMs = 0
  #isAsked = false
  #roundTripMs: number | undefined
  /** What was written when we last knew that all before it had arrived. */
  #arrivedBytes = 0
  #takenBytes = 0

  constructor(options: {
    readonly clock: Clock
    readonly output: HeartbeatOutput
    readonly intervalMs: number
    readonly timeoutMs: number
    /** Whether this side has not read for a while, since it was asked last. */
    readonly hasWaited: () => boolean
    readonly ping: () => void
    readonly stale: (silentMs: number) => void
  }) {
    this.#clock = options.clock
    this.#output = options.output
    this.#intervalMs = options.intervalMs
    this.#timeoutMs = options.timeoutMs
    this.#hasWaited = options.hasWaited
    this.#ping = options.ping
    this.#stale = options.stale
    this.#heardMs = options.clock.monotonicMs()
  }

  start(): void {
    this.#heardMs = this.#clock.monotonicMs()
    this.#cancel = this.#clock.after(Math.min(FIRST_PING_MS, this.#intervalMs), () => this.#ask())
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Milliseconds from the last PING to its PONG; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  heard(): void {
    this.#heardMs = this.#clock.monotonicMs()
  }

  pong(): void {
    if (!this.#isAsked) return
    this.#isAsked = false
    this.#roundTripMs = this.#clock.monotonicMs() - this.#pingedMs
  }

  #look(): void {
    const silentMs = this.#clock.monotonicMs() - this.#heardMs
    if (silentMs < this.#intervalMs) {
      this.#cancel = this.#clock.after(this.#intervalMs - silentMs, () => this.#look())
      return
    }
    this.#ask()
  }

  #ask(): void {
    this.#isAsked = true
    this.#pingedMs = this.#clock.monotonicMs()
    this.#takenBytes = this.#taken()
    this.#hasWaited()
    this.#ping()
    this.#cancel = this.#clock.after(this.#timeoutMs, () => this.#judge())
  }

  /** Some time after a PING: answered, to be waited for, or stale. */
  #judge(): void {
    if (this.#heardMs >= this.#pingedMs) {
      this.#arrivedBytes = this.#takenBytes
      this.#look()
      return
    }
    const now = this.#clock.monotonicMs()
    const taken = this.#taken()
    const isMoving = taken > this.#takenBytes
    const onTheWay = Math.min(taken - this.#arrivedBytes, KERNEL_BYTES_MAX)
    const patienceMs = this.#timeoutMs + (onTheWay / SLOWEST_BYTES_PER_SECOND) * 1_000
    const isBacklogged = this.#output.channelPendingBytes > 0
    const mayBeOnTheWay = !isBacklogged && now - this.#pingedMs < patienceMs
    if (this.#hasWaited() || isMoving || mayBeOnTheWay) {
      this.#takenBytes = taken
      this.#cancel = this.#clock.after(this.#timeoutMs, () => this.#judge())
      return
    }
    this.#readFirst()
  }

  #readFirst(): void {
    let isAwaited = true
    this.#cancel = () => {
      isAwaited = false
    }
    this.#clock.soon(() => {
      if (!isAwaited) return
      if (this.#heardMs >= this.#pingedMs) this.#judge()
      else this.#stale(this.#clock.monotonicMs() - this.#heardMs)
    })
  }

  #taken(): number {
    return this.#output.writtenBytes - this.#output.channelPendingBytes
  }
}
