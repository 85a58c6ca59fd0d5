import type { Random } from '../../shared/runtime/index.ts'
import type { BatchReply } from '../../shared/sync/index.ts'
import type { LeafBuffer } from '../buffers/index.ts'
import { BatchCutter, type Cut } from './batch-cutter.ts'
import { REFUSED_RETRY_MAX_MS, REFUSED_RETRY_MS, RETRY_PAUSE_MS } from './limits.ts'

export interface Refusal {
  readonly subject: string
  readonly reason: string
}

/** A batch on its way. */
export interface Flight {
  readonly cut: Cut
  /** The rewinds of its buffer before it was cut: what an answer to an older one says is no news. */
  readonly round: number
  /** It asks whether a refusal still holds. */
  readonly isProbe: boolean
}

/** What an answer asks of the session. */
export type AnswerEffect = 'go on' | 'hello again'

/**
 * Draining one buffer within one session: from the hub's watermark on, without waiting for answers.
 * An answer moves the buffer's confirmed sequence; any that is not "stored" sends the cutter back to
 * what the hub says it has.
 */
export class BufferDrain {
  readonly buffer: LeafBuffer
  refusal: Refusal | undefined
  blockedUntilMs = 0
  readonly #random: Random
  readonly #cutter: BatchCutter
  #round = 0
  #refusals = 0
  #retriedMs = Number.NEGATIVE_INFINITY
  #isProbing = false
  #bytesSinceConfirm = 0
  /** The last watermark that the hub told. */
  #hubSeq: number

  /** @param watermark where the hub is */
  constructor(buffer: LeafBuffer, watermark: number, random: Random) {
    this.buffer = buffer
    this.#random = random
    this.#hubSeq = watermark
    this.#cutter = new BatchCutter(buffer, watermark + 1)
  }

  isReady(nowMs: number): boolean {
    return nowMs >= this.blockedUntilMs && !this.#isProbing && this.#cutter.hasMore
  }

  async cut(bytesMax: number): Promise<Flight | undefined> {
    // After a refusal one small batch asks whether it is mended; the rest waits for the answer.
    const isProbe = this.refusal !== undefined
    const cut = await this.#cutter.cut(isProbe ? 1 : bytesMax)
    if (cut === undefined) return undefined
    this.#isProbing = isProbe
    this.#bytesSinceConfirm += cut.bytes
    return { cut, round: this.#round, isProbe }
  }

  answered(flight: Flight, reply: BatchReply, nowMs: number): AnswerEffect {
    if (flight.isProbe) this.#isProbing = false
    if (reply.status === 'hello') return 'hello again'
    this.#confirm(reply.watermark)
    switch (reply.status) {
      case 'stored':
      case 'repeat':
        if (flight.round === this.#round) this.#accepted()
        return 'go on'
      case 'gap':
      case 'later':
        if (flight.round === this.#round) this.#rewind()
        return 'go on'
      case 'refused':
        // It waits at the hub for what lies before it, and the gaps that it leaves may be told earlier.
        if (flight.round === this.#round || this.#isNews(reply, nowMs)) this.#refused(reply, nowMs)
        return 'go on'
      case 'invalid':
        if (flight.round === this.#round) this.#refused(reply, nowMs)
        return 'go on'
    }
  }

  /** The link cannot carry a record: nothing but a change of configuration helps. */
  blockOn(refusal: Refusal, nowMs: number): void {
    this.#isProbing = false
    this.#rewind()
    this.#block(refusal, REFUSED_RETRY_MS, nowMs)
  }

  /** Ends the wait after a refusal, and lets the next one be as short as the first; false when it was asked to just before. */
  retry(nowMs: number): boolean {
    if (nowMs - this.#retriedMs < RETRY_PAUSE_MS) return false
    this.#retriedMs = nowMs
    this.#refusals = 0
    this.blockedUntilMs = 0
    return true
  }

  /** A late refusal of the very record that would be sent next. */
  #isNews({ watermark }: BatchReply, nowMs: number): boolean {
    return watermark === this.#hubSeq && nowMs >= this.blockedUntilMs
  }

  #confirm(watermark: number | null): void {
    if (watermark === null) return
    this.#hubSeq = Math.max(this.#hubSeq, watermark)
    if (watermark <= this.buffer.syncedSeq) return
    this.buffer.confirm(watermark, this.#bytesSinceConfirm)
    this.#bytesSinceConfirm = 0
  }

  #accepted(): void {
    this.refusal = undefined
    this.#refusals = 0
  }

  #refused(reply: BatchReply, nowMs: number): void {
    this.#rewind()
    this.#block({ subject: reply.subject, reason: reply.reason }, reply.retry_ms, nowMs)
  }

  #block(refusal: Refusal, retryMs: number, nowMs: number): void {
    this.refusal = refusal
    const waitMs = Math.max(retryMs, REFUSED_RETRY_MS) * 1.5 ** this.#refusals
    if (waitMs < REFUSED_RETRY_MAX_MS) this.#refusals++
    const jitter = 0.75 + this.#random.float() / 2
    this.blockedUntilMs = nowMs + Math.min(REFUSED_RETRY_MAX_MS, waitMs) * jitter
  }

  #rewind(): void {
    this.#round++
    this.#cutter.rewind(this.#hubSeq + 1)
  }
}
