import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { PROBE_TIMEOUT_MS } from './limits.ts'

export interface PeerHeartbeatOptions {
  readonly clock: Clock
  readonly output: {
    /** In the channel, not yet taken by the kernel. */
    readonly pendingBytes: number
    /** Given to the channel so far. */
    readonly writtenBytes: number
  }
  /** Whether this side has not read for a while, since it was asked last. */
  readonly hasWaited: () => boolean
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly ping: () => void
  readonly stale: (silentMs: number) => void
}

/**
 * Asks a hub at once and then in steady intervals, whatever the traffic: the round trip decides which
 * region is near. Anything heard after a PING proves that the peer is there.
 *
 * Silence proves that it is gone only where this side was listening, and the peer had the question: so it is
 * waited for anew when nothing was read meanwhile because others had their turn, and as long as the
 * peer still takes what was written before the PING. And what the loop was too busy to read is read first.
 */
export class PeerHeartbeat {
  readonly #options: PeerHeartbeatOptions
  #heardMs: number
  #pingedMs: number | undefined
  #roundTripMs: number | undefined
  #takenBytes = 0
  #isBacklogged = false
  #cancelPing: Cancel | undefined
  #cancelJudge: Cancel | undefined

  constructor(options: PeerHeartbeatOptions) {
    this.#options = options
    this.#heardMs = options.clock.monotonicMs()
  }

  /** Milliseconds from the last PING to its PONG; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  start(): void {
    this.#ask(this.#options.timeoutMs)
  }

  stop(): void {
    this.#cancelPing?.()
    this.#cancelJudge?.()
  }

  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs()
  }

  pong(): void {
    if (this.#pingedMs === undefined) return
    this.#roundTripMs = this.#options.clock.monotonicMs() - this.#pingedMs
    this.#pingedMs = undefined
  }

  /** There is reason to doubt: asks now, and waits for the answer less long. */
  probe(): void {
    this.#ask(PROBE_TIMEOUT_MS)
  }

  #ask(timeoutMs: number): void {
    const { clock, intervalMs, ping } = this.#options
    this.stop()
    const askedMs = clock.monotonicMs()
    this.#pingedMs = askedMs
    this.#cancelPing = clock.after(intervalMs, () => this.#ask(this.#options.timeoutMs))
    this.#options.hasWaited()
    this.#noteBacklog()
    this.#expect(askedMs, timeoutMs)
    ping()
  }

  #expect(askedMs: number, timeoutMs: number): void {
    this.#cancelJudge = this.#options.clock.after(timeoutMs, () => this.#judge(askedMs, timeoutMs))
  }

  #judge(askedMs: number, timeoutMs: number): void {
    if (this.#heardMs >= askedMs) return
    const isTaking = this.#isBacklogged && this.#taken() > this.#takenBytes
    this.#noteBacklog()
    if (this.#options.hasWaited() || isTaking) {
      this.#expect(askedMs, timeoutMs)
      return
    }
    let isAwaited = true
    this.#cancelJudge = () => {
      isAwaited = false
    }
    this.#options.clock.soon(() => {
      if (isAwaited && this.#heardMs < askedMs) this.#giveUp()
    })
  }

  #giveUp(): void {
    this.stop()
    this.#options.stale(this.#options.clock.monotonicMs() - this.#heardMs)
  }

  #noteBacklog(): void {
    this.#isBacklogged = this.#options.output.pendingBytes > 0
    this.#takenBytes = this.#taken()
  }

  #taken(): number {
    const { output } = this.#options
    return output.writtenBytes - output.pendingBytes
  }
}
