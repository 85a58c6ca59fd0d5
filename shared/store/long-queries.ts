/**
 * Questions about very many subjects, answered in steps, others in between. What has been there all the
 * time is in the answer; what came or went meanwhile may be or not.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { PLAN_RECORDS_MAX } from './limits.ts'
import type { StreamIndex } from './stream-index.ts'

type Turn = () => Promise<void>

/** Subjects that match with their message counts. */
export async function countsInTurns(
  { subjects }: StreamIndex,
  filter: SubjectFilter,
  turn: Turn,
): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const walk = subjects.walk(filter)
  const note = (id: number): void => {
    found.set(Buffer.from(subjects.bytes(id)).toString(), subjects.count(id))
  }
  while (!walk.step(note)) await turn()
  return found
}

/**
 * The newest sequence, up to and with `throughSeq`, of each subject that matches one of the filters, rising;
 * undefined when there are more than `max`. Some of them may be gone by then.
 */
export async function lastSeqsInTurns(
  index: StreamIndex,
  filters: readonly SubjectFilter[],
  throughSeq: number,
  max: number,
  turn: Turn,
): Promise<number[] | undefined> {
  const seqs = new Set<number>()
  // Of subjects that have come since then the id may be another's, which has nothing that old.
  const later = new Set<number>()
  const note = (id: number): void => {
    const seq = index.lastSeqOf(id)
    if (seq > throughSeq) later.add(id)
    else seqs.add(seq)
  }
  for (const filter of filters) {
    const walk = index.subjects.walk(filter)
    while (!walk.step(note)) {
      if (seqs.size > max) return undefined
      await turn()
    }
  }
  let nextSeq = Math.min(throughSeq, index.lastSeq)
  while (later.size > 0 && nextSeq > 0 && seqs.size <= max) {
    await turn()
    let left = PLAN_RECORDS_MAX
    let reached = 0
    index.walkBack(nextSeq, (span, ordinal) => {
      if (left-- === 0) {
        reached = span.seqAt(ordinal)
        return false
      }
      if (later.delete(span.subjectIds.get(ordinal))) seqs.add(span.seqAt(ordinal))
      return later.size > 0 && seqs.size <= max
    })
    nextSeq = reached
  }
  return seqs.size > max ? undefined : [...Float64Array.from(seqs).sort()]
}
