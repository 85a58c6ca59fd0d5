/**
 * A purge: a new floor when it takes all up to a sequence, else a list of sequences. A long list is found in
 * steps and removed in steps, each with a commit, others in between; a crash in the middle leaves the rest.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { PLAN_RECORDS_MAX, PURGE_STEP_MESSAGES } from './limits.ts'
import type { Span } from './span.ts'
import type { StreamIndex } from './stream-index.ts'
import { countFrom } from './stream-queries.ts'
import type { Committed } from './stream-store.ts'
import type { StreamSubjects } from './stream-subjects.ts'

export interface Purge {
  readonly throughSeq?: number
  readonly filter?: SubjectFilter
  readonly keep?: number
}

/** What a purge needs of its stream. */
export interface PurgeHost {
  readonly index: StreamIndex
  readonly turns: {
    /** Lets others go on. */
    turn(): Promise<void>
    /** So that matching subjects on disk are told without going through them. */
    prepare(subjects: StreamSubjects, filter: SubjectFilter): Promise<void>
  }
  /** Throws when the stream is gone. */
  checkOpen(): void
  isStaged(seq: number): boolean
  stageFloor(floor: number, committed: Committed): void
  stageDeletes(seqs: readonly number[], committed: Committed): void
  barrier(committed: Committed): void
}

/** Returns how many messages go. */
export async function carryOut(
  purge: Purge & { throughSeq: number },
  host: PurgeHost,
  committed?: Committed,
): Promise<number> {
  const { index } = host
  const { throughSeq, filter, keep = 0 } = purge
  if (filter === undefined || index.subjects.isWhole(filter)) {
    const through = keep === 0 ? throughSeq : seqBeforeNewest(index, throughSeq, keep)
    const isNew = through > index.floor
    const messages = isNew ? index.messages - countFrom(index, through + 1) : 0
    await staged((done) => (isNew ? host.stageFloor(through, done) : host.barrier(done)), committed)
    return messages
  }
  const isLong = index.messages > PLAN_RECORDS_MAX
  const seqs = isLong
    ? await foundInTurns(host, filter, throughSeq)
    : found(index, index.subjects.matching(filter), 1, throughSeq, Infinity).seqs
  seqs.length = Math.max(0, seqs.length - keep)
  let messages = 0
  for (let at = 0; at === 0 || at < seqs.length; at += PURGE_STEP_MESSAGES) {
    host.checkOpen()
    const part = seqs.slice(at, at + PURGE_STEP_MESSAGES)
    const left = part.filter((seq) => index.has(seq) && !host.isStaged(seq))
    const isLast = at + PURGE_STEP_MESSAGES >= seqs.length
    const stage = (done: Committed): void =>
      left.length === 0 ? host.barrier(done) : host.stageDeletes(left, done)
    await staged(stage, isLast ? committed : undefined)
    messages += left.length
  }
  return messages
}

function staged(stage: (done: Committed) => void, committed: Committed | undefined): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    stage((error, seq) => {
      committed?.(error, seq)
      if (error === undefined) resolve()
      else reject(error)
    })
  })
}

/** All sequences up to and with `throughSeq` that match. Nothing that comes meanwhile is as old. */
async function foundInTurns(
  { index, turns }: PurgeHost,
  filter: SubjectFilter,
  throughSeq: number,
): Promise<number[]> {
  const seqs: number[] = []
  let fromSeq = 1
  do {
    await turns.prepare(index.subjects, filter)
    const matches = index.subjects.matcher(filter)
    const step = found(index, matches, fromSeq, throughSeq, PLAN_RECORDS_MAX)
    for (const seq of step.seqs) seqs.push(seq)
    fromSeq = step.nextSeq
  } while (fromSeq <= throughSeq)
  return seqs
}

/** Of so many messages; `nextSeq` is behind `throughSeq` when that were all. */
function found(
  index: StreamIndex,
  matches: (subjectId: number) => boolean,
  fromSeq: number,
  throughSeq: number,
  messagesMax: number,
): { readonly seqs: number[]; readonly nextSeq: number } {
  const seqs: number[] = []
  let left = messagesMax
  let nextSeq = throughSeq + 1
  index.walk(fromSeq, (span, ordinal) => {
    const seq = span.seqAt(ordinal)
    if (seq > throughSeq) return false
    if (left-- <= 0) {
      nextSeq = seq
      return false
    }
    if (matches(span.subjectIds.get(ordinal))) seqs.push(seq)
    return true
  })
  return { seqs, nextSeq }
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
