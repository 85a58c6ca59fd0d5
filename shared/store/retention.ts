/**
 * The limits of a stream, kept by taking the oldest messages. An eviction takes effect in memory at
 * once; its record follows with the next commit. If that never happens, the limits are enforced
 * again after the next start, with the same result: so the record costs no sync of its own.
 */
import type { EvictionLog } from './eviction-log.ts'
import type { StreamIndex } from './stream-index.ts'
import type { Eviction, StreamLimits } from './stream-store.ts'

/**
 * @param ageNowMs the time by which messages are aged, undefined while no clock can be trusted
 * @param fromSeq the first message whose subject may have grown, undefined when each may be over the limit.
 *   Messages, not subjects: a subject may be gone again by now, and its id be another's.
 */
export function evictOverLimits(
  index: StreamIndex,
  limits: StreamLimits,
  ageNowMs: number | undefined,
  log: EvictionLog,
  fromSeq: number | undefined,
): void {
  const perSubjectMax = limits.messagesPerSubjectMax
  if (perSubjectMax > 0 && fromSeq === undefined) {
    // Each has one at least. When the one that has all the others is within the limit, no subject is looked at.
    const largestCount = index.messages - index.subjects.size + 1
    if (largestCount > perSubjectMax) {
      for (const id of index.subjects.ids()) evictFromSubject(index, id, perSubjectMax, log)
    }
  } else if (perSubjectMax > 0 && fromSeq !== undefined) {
    index.walk(fromSeq, (span, ordinal) => {
      evictFromSubject(index, span.subjectIds.get(ordinal), perSubjectMax, log)
      return true
    })
  }
  // What refuses new messages takes no old ones, also where it has more than a limit that is new.
  if (limits.discard === 'old') {
    const surplus = limits.messagesMax > 0 ? index.messages - limits.messagesMax : 0
    if (surplus > 0) evictOldest(index, log, surplus)
    const isOver = limits.bytesMax > 0 && index.bytes > limits.bytesMax
    if (isOver) evictBytes(index, limits.bytesMax, log)
  }
  if (limits.ageMaxMs > 0 && ageNowMs !== undefined) {
    evictOlderThan(index, ageNowMs - limits.ageMaxMs, log)
  }
}

/** Takes the oldest of one subject until it has no more than its share. */
function evictFromSubject(
  index: StreamIndex,
  subjectId: number,
  countMax: number,
  log: EvictionLog,
): void {
  while (index.subjects.count(subjectId) > countMax) {
    const place = index.firstOf(subjectId)
    const seq = place.span.seqAt(place.ordinal)
    index.killAt(place)
    log.kills.push(seq)
    log.report({ firstSeq: seq, lastSeq: seq, messages: 1, cause: 'subject' })
  }
}

function evictOldest(index: StreamIndex, log: EvictionLog, surplus: number): void {
  let left = surplus
  let through = 0
  index.walk(0, (span, ordinal) => {
    through = span.seqAt(ordinal)
    return --left > 0
  })
  raiseFloor(index, through, 'messages', log)
}

function evictBytes(index: StreamIndex, bytesMax: number, log: EvictionLog): void {
  let surplus = index.bytes - bytesMax
  let through = 0
  index.walk(0, (span, ordinal) => {
    through = span.seqAt(ordinal)
    surplus -= index.bytesAt({ span, ordinal })
    return surplus > 0
  })
  raiseFloor(index, through, 'bytes', log)
}

function evictOlderThan(index: StreamIndex, beforeMs: number, log: EvictionLog): void {
  let through = 0
  index.walk(0, (span, ordinal) => {
    if (index.timeAt({ span, ordinal }) > beforeMs) return false
    through = span.seqAt(ordinal)
    return true
  })
  if (through > 0) raiseFloor(index, through, 'age', log)
}

function raiseFloor(
  index: StreamIndex,
  through: number,
  cause: Eviction['cause'],
  log: EvictionLog,
): void {
  const firstSeq = index.firstSeq
  const messages = index.raiseFloor(through)
  if (messages === 0) return
  log.isFloorToLog = true
  log.report({ firstSeq, lastSeq: through, messages, cause })
}
