import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { PROBE_TIMEOUT_MS } from './limits.ts'

export interface PeerHeartbeatOptions {
  readonly clock: Clock
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly ping: () => void
  readonly stale: (silentMs: number) => void
}

/**
 * Asks a hub at once and then in steady intervals, whatever the traffic: the round trip decides which
 * region is near. Anything heard after a PING proves that the peer is there.
 */
export class PeerHeartbeat {
  readonly #options: PeerHeartbeatOptions
  #heardMs: number
  #pingedMs: number | undefined
  #roundTripMs: number | undefined
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
    this.#cancelJudge = clock.after(timeoutMs, () => this.#judge(askedMs))
    ping()
  }

  #judge(askedMs: number): void {
    if (this.#heardMs >= askedMs) return
    this.stop()
    this.#options.stale(this.#options.clock.monotonicMs() - this.#heardMs)
  }
}
