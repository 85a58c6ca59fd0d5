/**
 * Takes messages out of a log that no session needs any more. What a session is done with is a candidate;
 * candidates gather for a moment, so that a message that went to thousands is asked about once. A message
 * is out of sight at once and leaves the disk lazily, while what sessions are done with is written on its own:
 * after a crash the one may be there without the other, and a walk over the whole log at each start, and when
 * a session has ended or lost a filter, finds what nobody needs.
 */
import type { Log } from '../../shared/log/index.ts'
import { type Cancel, type Clock, messageOf } from '../../shared/runtime/index.ts'
import type { StreamStore } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { SWEEP_CANDIDATES_MAX, SWEEP_DELAY_MS, SWEEP_TURN_MESSAGES } from './limits.ts'
import { SeqPile } from './seq-pile.ts'

export interface LogSweepParts {
  readonly stream: StreamStore
  readonly clock: Clock
  readonly log: Log
  /** Whether a session needs the message on this subject. */
  readonly isNeeded: (seq: number, subject: Uint8Array) => boolean
}

const EVERYTHING = new SubjectFilter('>')

export class LogSweep {
  readonly #parts: LogSweepParts
  readonly #candidates = new SeqPile()
  #isWalkOwed = false
  #isRunning = false
  #isClosed = false
  #cancel: Cancel | undefined

  constructor(parts: LogSweepParts) {
    this.#parts = parts
  }

  /** Somebody needs it no more. */
  done(seq: number): void {
    this.#candidates.push(seq)
    if (this.#candidates.size >= SWEEP_CANDIDATES_MAX) this.#begin(0)
    else this.#begin(SWEEP_DELAY_MS)
  }

  /** Any of them may be needed by nobody any more. */
  walk(): void {
    this.#isWalkOwed = true
    this.#begin(SWEEP_DELAY_MS)
  }

  close(): void {
    this.#isClosed = true
    this.#cancel?.()
  }

  #begin(delayMs: number): void {
    if (this.#isRunning || this.#isClosed) return
    if (delayMs === 0) this.#cancel?.()
    else if (this.#cancel !== undefined) return
    this.#isRunning = delayMs === 0
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      this.#cancel = undefined
      this.#isRunning = true
      this.#run().catch((error: unknown) => {
        this.#isRunning = false
        this.#parts.log.warn({ err: messageOf(error) }, 'messages that nobody needs not removed')
      })
    })
  }

  async #run(): Promise<void> {
    while (!this.#isClosed && (this.#isWalkOwed || this.#candidates.size > 0)) {
      if (this.#isWalkOwed) {
        this.#isWalkOwed = false
        this.#candidates.clear()
        await this.#walk()
      } else {
        await this.#sweep(this.#candidates.take())
      }
    }
    this.#isRunning = false
  }

  async #sweep(candidates: Float64Array): Promise<void> {
    let asked = 0
    for (const seq of candidates) {
      this.#sweepOne(seq)
      if (++asked % SWEEP_TURN_MESSAGES === 0 && !(await this.#turn())) return
    }
  }

  async #walk(): Promise<void> {
    const { stream } = this.#parts
    const { lastSeq } = stream
    let asked = 0
    let seq = stream.firstSeqMatching(EVERYTHING, 1)
    while (seq > 0 && seq <= lastSeq) {
      this.#sweepOne(seq)
      if (++asked % SWEEP_TURN_MESSAGES === 0 && !(await this.#turn())) return
      seq = stream.firstSeqMatching(EVERYTHING, seq + 1)
    }
  }

  #sweepOne(seq: number): void {
    const { stream, isNeeded } = this.#parts
    const subject = stream.subjectBytesOf(seq)
    if (subject !== undefined && !isNeeded(seq, subject)) stream.removeLazily(seq)
  }

  /** False when it is to end. */
  async #turn(): Promise<boolean> {
    await new Promise<void>((resolve) => this.#parts.clock.soon(resolve))
    return !this.#isClosed
  }
}
