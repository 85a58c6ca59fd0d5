/** The message ids that one stream knows, how many it may, and what is said when it is to know more: see DedupWindow. */
import type { Log } from '../../log/index.ts'
import type { Clock, Random } from '../../runtime/index.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { DEDUP_FULL_TOLD_MS } from '../limits.ts'
import { DedupWindow } from './dedup-window.ts'

export interface MessageIdsParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: {
    readonly server: {
      readonly messageIdsMax: number
      readonly refused: { messageIds: number }
    }
  }
}

export class MessageIds {
  readonly #stream: string
  readonly #parts: MessageIdsParts
  readonly #window: DedupWindow
  readonly #idsMax: number
  #toldMs = Number.NEGATIVE_INFINITY

  constructor(stream: string, parts: MessageIdsParts, windowMs: number) {
    this.#stream = stream
    this.#parts = parts
    this.#idsMax = parts.limits.server.messageIdsMax
    this.#window = new DedupWindow(windowMs, this.#idsMax, parts.random)
  }

  set windowMs(windowMs: number) {
    this.#window.windowMs = windowMs
  }

  /** The sequence under which this id is stored or being stored. */
  find(id: string): number | undefined {
    return this.#window.find(id, this.#parts.clock.monotonicMs())
  }

  /** Throws when it could be remembered only by forgetting another, which was promised not to be. */
  requireRoom(): void {
    const { clock, log, limits } = this.#parts
    const nowMs = clock.monotonicMs()
    if (!this.#window.isFull(nowMs)) return
    limits.server.refused.messageIds++
    if (nowMs - this.#toldMs >= DEDUP_FULL_TOLD_MS) {
      this.#toldMs = nowMs
      log.warn({ stream: this.#stream, ids: this.#idsMax }, 'duplicate window is full')
    }
    const problem = `the duplicate window holds ${this.#idsMax} message ids, no more are taken until some leave it`
    throw new JetStreamError(10077, problem)
  }

  /** @param agoMs how long it has been known */
  remember(id: string, seq: number, agoMs = 0): void {
    this.#window.remember(id, seq, this.#parts.clock.monotonicMs() - agoMs)
  }

  /** The message of this id was not stored after all. */
  forget(id: string, seq: number): void {
    this.#window.forget(id, seq)
  }
}
