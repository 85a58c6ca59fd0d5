import type { Gap, GapCause } from '../../shared/sync/index.ts'

export interface SeqRange {
  readonly firstSeq: number
  readonly lastSeq: number
}

/** What a buffer knows about sequences that have no record any more. */
export interface HoleFacts {
  /** What the hub has confirmed once. */
  readonly syncedSeq: number
  /** The first sequence that is stored. */
  readonly firstSeq: number
  /** Ranges that the store has reported as damaged; ascending. */
  readonly damaged: readonly SeqRange[]
}

/**
 * Explains a hole, sequence by sequence. Sequences are gapless, so whatever is not there has been
 * there. What the hub had confirmed was purged because of that, so a hub that asks for it again has
 * forgotten it. What lies before the first record was dropped by the quota, unless the store has said
 * that it was damaged. Nobody may delete single messages of a buffer, so what is missing between
 * records was damaged, whether the store has said so or not.
 */
export function explainHole(hole: SeqRange, facts: HoleFacts): Gap[] {
  const gaps: Gap[] = []
  let from = hole.firstSeq
  for (const range of facts.damaged) {
    const first = Math.max(range.firstSeq, from)
    const last = Math.min(range.lastSeq, hole.lastSeq)
    if (last < first) continue
    explainUnreported(gaps, from, first - 1, facts)
    push(gaps, first, last, 'damaged')
    from = last + 1
  }
  explainUnreported(gaps, from, hole.lastSeq, facts)
  return gaps
}

function explainUnreported(gaps: Gap[], first: number, last: number, facts: HoleFacts): void {
  const { syncedSeq, firstSeq } = facts
  push(gaps, first, Math.min(last, syncedSeq), 'forgotten')
  const unsynced = Math.max(first, syncedSeq + 1)
  push(gaps, unsynced, Math.min(last, firstSeq - 1), 'evicted')
  push(gaps, Math.max(unsynced, firstSeq), last, 'damaged')
}

function push(gaps: Gap[], firstSeq: number, lastSeq: number, cause: GapCause): void {
  if (lastSeq >= firstSeq) gaps.push({ firstSeq, lastSeq, cause })
}

/** Adds a range; keeps the list ascending and merged. */
export function withRange(ranges: readonly SeqRange[], added: SeqRange): SeqRange[] {
  const all = [...ranges, added].sort((a, b) => a.firstSeq - b.firstSeq)
  const merged: SeqRange[] = []
  for (const range of all) {
    const last = merged.at(-1)
    if (last === undefined || range.firstSeq > last.lastSeq + 1) merged.push(range)
    else if (range.lastSeq > last.lastSeq) {
      merged[merged.length - 1] = { firstSeq: last.firstSeq, lastSeq: range.lastSeq }
    }
  }
  return merged
}

/** One range fewer: the two with the least between them become one, as does what is between them. */
export function withClosestJoined(ranges: readonly SeqRange[]): SeqRange[] {
  let closest = -1
  let least = Number.POSITIVE_INFINITY
  for (const [i, { firstSeq }] of ranges.entries()) {
    const distance = firstSeq - (ranges[i - 1]?.lastSeq ?? Number.NEGATIVE_INFINITY)
    if (distance < least) [closest, least] = [i, distance]
  }
  const [first, second] = [ranges[closest - 1], ranges[closest]]
  if (first === undefined || second === undefined) return [...ranges]
  const joined = { firstSeq: first.firstSeq, lastSeq: second.lastSeq }
  return [...ranges.slice(0, closest - 1), joined, ...ranges.slice(closest + 1)]
}
