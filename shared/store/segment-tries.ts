/**
 * Work on segments, some of which fail for reasons of their own, such as a bad place of the disk. Those are
 * left alone for a while, longer each time, so that the others are looked after. When a segment cannot be read in
 * many tries over a long time, that is damage: it is said to be, so that what needs the segment comes to an end.
 */
import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, codeOf, messageOf } from '../runtime/index.ts'
import { HOUSEKEEPING_RETRY_MS, SEGMENT_READ_TRIES, SEGMENT_RETRY_MS_MAX } from './limits.ts'
import { isUnreadable } from './read-around.ts'
import { isOutOfFiles } from './room.ts'
import type { Segment } from './segment.ts'

interface Failures {
  tries: number
  /** Of them, those that could not read it. */
  reads: number
  dueMs: number
  cancel: Cancel
}

export interface SegmentTriesParts {
  readonly clock: Clock
  readonly log: Log
  /** Called when it is time for a segment that failed. */
  readonly wake: () => void
}

export class SegmentTries {
  readonly #parts: SegmentTriesParts
  readonly #failures = new Map<Segment, Failures>()
  #isStopped = false

  constructor(parts: SegmentTriesParts) {
    this.#parts = parts
  }

  stop(): void {
    this.#isStopped = true
    for (const { cancel } of this.#failures.values()) cancel()
  }

  /** Whether it is time to work on the segment. */
  isDue(segment: Segment): boolean {
    const failures = this.#failures.get(segment)
    return failures === undefined || failures.dueMs <= this.#parts.clock.monotonicMs()
  }

  /** Whether it could not be read often enough to go on with what can be. */
  isGivenUp(segment: Segment): boolean {
    return (this.#failures.get(segment)?.reads ?? 0) >= SEGMENT_READ_TRIES
  }

  /** Does the work if it is time; false when it was not done. Rejects for what is wrong with more than the segment. */
  async run(segment: Segment, work: () => Promise<void>): Promise<boolean> {
    if (!this.isDue(segment)) return false
    try {
      await work()
      this.#failures.get(segment)?.cancel()
      this.#failures.delete(segment)
      return true
    } catch (error) {
      if (isOfStore(error)) throw error
      this.#failed(segment, error)
      return false
    }
  }

  #failed(segment: Segment, error: unknown): void {
    if (this.#isStopped) return
    const { clock, log, wake } = this.#parts
    const before = this.#failures.get(segment)
    before?.cancel()
    const tries = (before?.tries ?? 0) + 1
    const reads = (before?.reads ?? 0) + (isUnreadable(error) ? 1 : 0)
    const isLast = reads === SEGMENT_READ_TRIES && reads > (before?.reads ?? 0)
    const laterMs = Math.min(HOUSEKEEPING_RETRY_MS * 2 ** (tries - 1), SEGMENT_RETRY_MS_MAX)
    const retryMs = isLast ? HOUSEKEEPING_RETRY_MS : laterMs
    const dueMs = clock.monotonicMs() + retryMs
    this.#failures.set(segment, { tries, reads, dueMs, cancel: clock.after(retryMs, wake) })
    const where = { segment: segment.id, tries, retryMs, err: messageOf(error) }
    if (!isLast) {
      log.warn(where, 'segment cannot be worked on, it is tried again later, others first')
      return
    }
    log.error(where, 'segment cannot be read whole, what cannot be read of it is given up')
    segment.damage = 'found'
  }
}

/** No room, no file handles, or a store that takes no records: other segments would meet that too. */
function isOfStore(error: unknown): boolean {
  const code = codeOf(error)
  const isFull = code === 'ENOSPC' || code === 'EDQUOT'
  return isFull || isOutOfFiles(error) || code.startsWith('PETIOLE_')
}
