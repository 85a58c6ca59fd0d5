import { COMPACT_LIVES_FOR_MS, COMPACT_SETTLE_MS } from './limits.ts'
import type { Segment } from './segment.ts'

/**
 * Whether a sparse segment is to be rewritten now. From what is being emptied the rest often goes as well: so it is
 * looked at once more, a while later. What dies so slowly that it would be here for long is not waited for: in a
 * bucket that is written to, something always dies.
 */
export function isSettled(segment: Segment, nowMs: number): boolean {
  const { liveBytes, liveSeen, liveSeenMs } = segment
  const waitedMs = nowMs - liveSeenMs
  if (liveSeen >= 0 && waitedMs < COMPACT_SETTLE_MS) return false
  segment.liveSeen = liveBytes
  segment.liveSeenMs = nowMs
  if (liveSeen < 0) return false
  const livesForMs = (waitedMs * liveBytes) / Math.max(1, liveSeen - liveBytes)
  return livesForMs >= COMPACT_LIVES_FOR_MS
}
