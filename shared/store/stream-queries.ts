/**
 * Questions about subjects that the index of a stream answers from memory. A few subjects are looked
 * up one by one; for many the records are gone through from where the answer is expected, and what is
 * found out of a subject is remembered by its id.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { FEW_SUBJECTS_MAX } from './limits.ts'
import type { StreamIndex } from './stream-index.ts'

export function subjectCounts(
  { subjects }: StreamIndex,
  filter: SubjectFilter,
  subjectsMax: number,
): Map<string, number> {
  const found = new Map<string, number>()
  if (subjectsMax <= 0) return found
  subjects.visit(filter, (id) => {
    found.set(Buffer.from(subjects.bytes(id)).toString(), subjects.count(id))
    return found.size < subjectsMax
  })
  return found
}

export function countFrom(index: StreamIndex, fromSeq: number, filter?: SubjectFilter): number {
  if (filter === undefined || index.subjects.isWhole(filter))
    return index.countLive(fromSeq, undefined)
  if (fromSeq <= index.firstSeq) {
    let total = 0
    index.subjects.visit(filter, (id) => {
      total += index.subjects.count(id)
      return true
    })
    return total
  }
  // Of few messages it is asked for each; else of all subjects at once.
  const isFew = index.lastSeq - fromSeq < index.subjects.size
  const matches = isFew ? index.subjects.matcher(filter) : index.subjects.matching(filter)
  return index.countLive(fromSeq, matches)
}

/** The newest sequence up to and with `throughSeq` on a subject that matches; 0 when there is none. */
export function lastSeqMatching(
  index: StreamIndex,
  filter: SubjectFilter,
  throughSeq: number,
): number {
  if (index.subjects.isWhole(filter)) return lastWhere(index, throughSeq, 0, () => true)
  const ids = fewMatching(index, filter)
  if (ids === undefined) return lastWhere(index, throughSeq, 0, index.subjects.matcher(filter))
  let last = 0
  const later = new Set<number>()
  for (const id of ids) {
    const seq = index.lastSeqOf(id)
    if (seq > throughSeq) later.add(id)
    else last = Math.max(last, seq)
  }
  if (later.size === 0) return last
  return Math.max(
    last,
    lastWhere(index, throughSeq, last, (id) => later.has(id)),
  )
}

/** The first sequence from `fromSeq` on on a subject that matches; 0 when there is none. */
export function firstSeqMatching(
  index: StreamIndex,
  filter: SubjectFilter,
  fromSeq: number,
): number {
  if (index.subjects.isWhole(filter)) return firstWhere(index, fromSeq, index.lastSeq, () => true)
  const ids = fewMatching(index, filter)
  if (ids === undefined)
    return firstWhere(index, fromSeq, index.lastSeq, index.subjects.matcher(filter))
  let first = 0
  const earlier = new Set<number>()
  for (const id of ids) {
    const { span, ordinal } = index.firstOf(id)
    const seq = span.seqAt(ordinal)
    if (seq >= fromSeq) first = first === 0 ? seq : Math.min(first, seq)
    else if (index.lastSeqOf(id) >= fromSeq) earlier.add(id)
  }
  if (earlier.size === 0) return first
  const found = firstWhere(index, fromSeq, first === 0 ? index.lastSeq : first, (id) =>
    earlier.has(id),
  )
  return found === 0 ? first : found
}

/** undefined when there are many. */
function fewMatching({ subjects }: StreamIndex, filter: SubjectFilter): number[] | undefined {
  const ids: number[] = []
  subjects.visit(filter, (id) => {
    ids.push(id)
    return ids.length <= FEW_SUBJECTS_MAX
  })
  return ids.length > FEW_SUBJECTS_MAX ? undefined : ids
}

function lastWhere(
  index: StreamIndex,
  throughSeq: number,
  aboveSeq: number,
  isWanted: (subjectId: number) => boolean,
): number {
  let found = 0
  index.walkBack(throughSeq, (span, ordinal) => {
    const seq = span.seqAt(ordinal)
    if (seq <= aboveSeq) return false
    if (!isWanted(span.subjectIds.get(ordinal))) return true
    found = seq
    return false
  })
  return found
}

function firstWhere(
  index: StreamIndex,
  fromSeq: number,
  throughSeq: number,
  isWanted: (subjectId: number) => boolean,
): number {
  let found = 0
  index.walk(fromSeq, (span, ordinal) => {
    const seq = span.seqAt(ordinal)
    if (seq > throughSeq) return false
    if (!isWanted(span.subjectIds.get(ordinal))) return true
    found = seq
    return false
  })
  return found
}
