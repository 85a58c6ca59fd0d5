import { BATCH_BYTES_MAX, BATCH_BYTES_MIN } from '../../shared/sync/index.ts'
import {
  ANSWER_DEADLINE_MAX_MS,
  ANSWER_DEADLINE_MIN_MS,
  ANSWER_DEADLINE_START_MS,
  COMPRESS_BELOW_BYTES_PER_S,
  QUEUE_DELAY_MS,
  SLOW_DELAY_MS,
  WINDOW_MAX_BYTES,
  WINDOW_MIN_BYTES,
  WINDOW_START_BYTES,
} from './limits.ts'

const SHRINK = 0.7
/** A quarter of the window per batch keeps the line busy while answers come back. */
const BATCHES_PER_WINDOW = 4
const SMOOTHING = 1 / 8

/**
 * How many bytes may be on the way at a time. The window grows while answers come back as fast as
 * they ever did, and shrinks when they take longer: then it is our own batches that wait in a queue
 * somewhere on the link, and heartbeats and live messages wait behind them.
 */
export class FlightWindow {
  #bytes = WINDOW_START_BYTES
  #inFlight = 0
  #isStarting = true
  #shortestMs = Number.POSITIVE_INFINITY
  #smoothedMs = 0
  #lastShrinkMs = Number.NEGATIVE_INFINITY
  readonly #bytesMax: number

  /** @param creditBytes what the hub grants */
  constructor(creditBytes: number) {
    this.#bytesMax = Math.max(WINDOW_MIN_BYTES, Math.min(creditBytes, WINDOW_MAX_BYTES))
    this.#bytes = Math.min(this.#bytes, this.#bytesMax)
  }

  get bytes(): number {
    return this.#bytes
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Something is always allowed on an empty line, whatever its size. */
  get hasRoom(): boolean {
    return this.#inFlight === 0 || this.#inFlight + this.batchBytes <= this.#bytes
  }

  /** The size that the next batch should have. */
  get batchBytes(): number {
    const share = Math.floor(this.#bytes / BATCHES_PER_WINDOW)
    return Math.min(BATCH_BYTES_MAX, Math.max(BATCH_BYTES_MIN, share))
  }

  /** How long to wait for an answer before the home counts as gone. */
  get deadlineMs(): number {
    if (this.#smoothedMs === 0) return ANSWER_DEADLINE_START_MS
    const deadlineMs = 2_000 + 8 * this.#smoothedMs
    return Math.min(ANSWER_DEADLINE_MAX_MS, Math.max(ANSWER_DEADLINE_MIN_MS, deadlineMs))
  }

  /** Whether the link is so slow that batches should be compressed. */
  get isSlow(): boolean {
    if (this.#smoothedMs === 0 || this.#isStarting) return false
    return (this.#bytes * 1_000) / this.#smoothedMs < COMPRESS_BELOW_BYTES_PER_S
  }

  sent(bytes: number): void {
    this.#inFlight += bytes
  }

  /** An answer came after `delayMs`, whatever it said. */
  answered(bytes: number, delayMs: number, nowMs: number): void {
    this.#inFlight -= bytes
    this.#shortestMs = Math.min(this.#shortestMs, delayMs)
    this.#smoothedMs += (delayMs - this.#smoothedMs) * (this.#smoothedMs === 0 ? 1 : SMOOTHING)
    if (delayMs > this.#delayMaxMs) this.#shrink(delayMs, nowMs)
    else this.#grow(bytes)
  }

  /**
   * What a delay may be before it counts as a queue. The shortest one seen includes the time that a
   * batch itself takes on the line, so on a slow line it is only found by making batches smaller.
   */
  get #delayMaxMs(): number {
    const shortest = this.#shortestMs
    return Math.min(2 * shortest + QUEUE_DELAY_MS, Math.max(SLOW_DELAY_MS, 1.25 * shortest))
  }

  #grow(bytes: number): void {
    const step = this.#isStarting ? bytes : (bytes * this.batchBytes) / this.#bytes
    this.#bytes = Math.min(this.#bytesMax, this.#bytes + step)
  }

  /** Once per round trip: what is on the way was sent with the old window. */
  #shrink(delayMs: number, nowMs: number): void {
    if (nowMs - this.#lastShrinkMs < delayMs) return
    this.#lastShrinkMs = nowMs
    this.#isStarting = false
    this.#bytes = Math.max(WINDOW_MIN_BYTES, Math.floor(this.#bytes * SHRINK))
  }
}
