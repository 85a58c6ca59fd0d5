import type { Cancel, Clock, Random } from '../runtime/index.ts'

export interface PingOptions {
  readonly pingIntervalMs: number
  readonly firstPingMs: number
  readonly pingsOutMax: number
}

export interface PingedInput {
  /** Whether nothing was read for a while since this was asked last. */
  hasWaited(): boolean
}

/** Asks the other side whether it is there: `sendPing` asks, `stale` gives up. */
export interface PingEffects {
  sendPing(): void
  stale(): void
}

/**
 * The liveness of one connection, by nats-server's rules. Input within an interval is an answer too,
 * so that a busy connection is not asked; a PONG alone is not, so that an idle one is asked each time. Until
 * CONNECT has come the first question waits a whole interval; then it comes soon, for the round trip.
 *
 * Who was not read is not taken for silent, and what came while the loop was busy is read before he is
 * given up.
 */
export class PingTimer {
  /** The last measured round trip; undefined before there is one. */
  roundTripMs: number | undefined
  readonly #clock: Clock
  readonly #options: PingOptions
  readonly #input: PingedInput
  readonly #effects: PingEffects
  #hadInput = false
  #hadInputBefore = false
  #pingsOut = 0
  #sentAtMs = 0
  readonly #random: Random
  readonly #madeMs: number
  #cancel: Cancel | undefined
  #isStopped = false

  constructor(
    clock: Clock,
    random: Random,
    options: PingOptions,
    input: PingedInput,
    effects: PingEffects,
  ) {
    this.#clock = clock
    this.#options = options
    this.#input = input
    this.#effects = effects
    this.#random = random
    this.#madeMs = clock.monotonicMs()
    this.#arm()
  }

  /** The client has answered INFO: its first round trip, and the first question waits anew. */
  connected(): void {
    this.roundTripMs ??= this.#clock.monotonicMs() - this.#madeMs
    this.#armFirst()
  }

  /** Input has come; what it is will be told next. */
  heard(): void {
    this.#hadInputBefore = this.#hadInput
    this.#hadInput = true
  }

  pong(): void {
    this.#hadInput = this.#hadInputBefore
    if (this.#pingsOut > 0) this.roundTripMs = this.#clock.monotonicMs() - this.#sentAtMs
    this.#pingsOut = 0
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  #armFirst(): void {
    this.#cancel?.()
    const { firstPingMs, pingIntervalMs } = this.#options
    const firstMs = Math.min(firstPingMs, pingIntervalMs) * (1 + this.#random.float() * JITTER)
    this.#cancel = this.#clock.after(firstMs, () => this.#first())
  }

  #first(): void {
    this.#ask()
    this.#arm()
  }

  #arm(): void {
    this.#hadInput = false
    this.#cancel = this.#clock.after(this.#options.pingIntervalMs, () => this.#tick())
  }

  #tick(): void {
    const hasWaited = this.#input.hasWaited()
    if (this.#hadInput || hasWaited) this.#pingsOut = 0
    if (this.#pingsOut >= this.#options.pingsOutMax) this.#clock.soon(() => this.#giveUp())
    else {
      const isDue = this.#clock.monotonicMs() - this.#sentAtMs > ROUND_TRIP_AGE_MAX_MS
      if (!this.#hadInput || isDue) this.#ask()
      this.#arm()
    }
  }

  #giveUp(): void {
    if (this.#isStopped) return
    if (this.#hadInput || this.#pingsOut === 0) this.#tick()
    else this.#effects.stale()
  }

  #ask(): void {
    this.#pingsOut++
    this.#sentAtMs = this.#clock.monotonicMs()
    this.#effects.sendPing()
  }
}

/** Round trips are measured anew after an hour, as nats-server does. */
const ROUND_TRIP_AGE_MAX_MS = 3_600_000

/** Connections that were made together should not be asked together. */
const JITTER = 0.2
