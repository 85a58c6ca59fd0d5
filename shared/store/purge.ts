/** Which sequences a purge takes: a new floor when it takes all of them, else a list. */
import type { SubjectFilter } from '../subject/index.ts'
import type { Span } from './span.ts'
import type { StreamIndex } from './stream-index.ts'
import { countFrom } from './stream-queries.ts'

export interface Purge {
  readonly throughSeq?: number
  readonly filter?: SubjectFilter
  readonly keep?: number
}

export interface PurgePlan {
  /** 0: no new floor. */
  readonly floor: number
  readonly seqs: number[]
  readonly messages: number
}

export function seqsToPurge(index: StreamIndex, purge: Purge & { throughSeq: number }): PurgePlan {
  const { throughSeq, filter, keep = 0 } = purge
  if (filter === undefined || index.subjects.isWhole(filter)) {
    const through = keep === 0 ? throughSeq : seqBeforeNewest(index, throughSeq, keep)
    if (through <= index.floor) return { floor: 0, seqs: [], messages: 0 }
    const messages = index.messages - countFrom(index, through + 1)
    return { floor: through, seqs: [], messages }
  }
  const seqs: number[] = []
  const matches = index.subjects.matching(filter)
  index.walk(0, (span, ordinal) => {
    const seq = span.seqAt(ordinal)
    if (seq > throughSeq) return false
    if (matches(span.subjectIds.get(ordinal))) seqs.push(seq)
    return true
  })
  seqs.length = Math.max(0, seqs.length - keep)
  return { floor: 0, seqs, messages: seqs.length }
}

/** What is stored on one subject (no wildcards) up to and with `throughSeq`, rising. */
export function seqsOn(index: StreamIndex, subject: Uint8Array, throughSeq: number): number[] {
  const seqs: number[] = []
  const id = index.subjects.find(subject, 0, subject.length)
  let left = id < 0 ? 0 : index.subjects.count(id)
  if (left === 0) return seqs
  const first = index.firstOf(id)
  let from = first.ordinal
  for (let s = index.spans.indexOf(first.span); left > 0 && s < index.spans.length; s++) {
    const span = index.spans[s] as Span
    for (
      let i = span.subjectIds.indexOf(id, from);
      i >= 0;
      i = span.subjectIds.indexOf(id, i + 1)
    ) {
      if (!span.isLive(i)) continue
      const seq = span.seqAt(i)
      if (seq > throughSeq) return seqs
      seqs.push(seq)
      left--
    }
    from = 0
  }
  return seqs
}

/** The seq below the newest `keep` messages up to and with `throughSeq`. */
function seqBeforeNewest(index: StreamIndex, throughSeq: number, keep: number): number {
  const messages = index.messages - countFrom(index, throughSeq + 1)
  let skip = messages - keep
  if (skip <= 0) return 0
  let through = 0
  index.walk(0, (span, ordinal) => {
    through = span.seqAt(ordinal)
    return --skip > 0
  })
  return through
}
