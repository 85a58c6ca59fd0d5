import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { joinedFilters } from '../joined-filters.ts'
import { FIRST_SEQ_MAX, LAST_PER_SUBJECT_MAX } from '../limits.ts'
import { parseTime } from '../timestamp.ts'

/** Where a new consumer begins. */
export interface StartPoint {
  /** The first sequence that is read on from. */
  readonly seq: number
  /** For `last_per_subject`: the sequences that come before that, ascending. */
  readonly listed?: readonly number[]
}

/** @param maxPerSubject the stream's `max_msgs_per_subject` */
export async function startPoint(
  config: ConsumerConfig,
  store: StreamStore,
  maxPerSubject: number,
): Promise<StartPoint> {
  const { firstSeq, lastSeq } = store.state
  const within = (seq: number): number => Math.min(Math.max(seq, firstSeq, 1), lastSeq + 1)
  switch (config.deliver_policy) {
    case 'all':
      return { seq: within(firstSeq) }
    case 'new':
      return { seq: lastSeq + 1 }
    case 'by_start_sequence':
      return { seq: comingSeq(Math.max(config.opt_start_seq ?? 1, firstSeq, 1), store) }
    case 'by_start_time': {
      const timeMs = parseTime(config.opt_start_time ?? '') ?? 0
      return { seq: within(await store.seqAtTime(timeMs)) }
    }
    case 'last': {
      const filters = filtersFor(config)
      if (filters.length === 0) return { seq: within(lastSeq) }
      const newest = filters.map((filter) => store.lastSeqMatching(filter))
      return { seq: within(Math.max(...newest)) }
    }
    case 'last_per_subject': {
      // Where a subject has one message only, all of them are wanted.
      if (maxPerSubject === 1) return { seq: within(firstSeq) }
      const listed = listedOf(
        await store.lastSeqsInTurns(filtersFor(config), {
          throughSeq: lastSeq,
          max: LAST_PER_SUBJECT_MAX,
        }),
      )
      return listed.length === 0 ? { seq: within(lastSeq) } : { seq: lastSeq + 1, listed }
    }
  }
}

/** `seq` may be one that is still to come, and what comes before it is not the consumer's; but some never come. */
export function comingSeq(seq: number, { state }: StreamStore): number {
  return Math.min(seq, Math.max(FIRST_SEQ_MAX, state.lastSeq + 1))
}

function listedOf(seqs: readonly number[] | undefined): readonly number[] {
  if (seqs !== undefined) return seqs
  const problem = `filters match more than ${LAST_PER_SUBJECT_MAX} subjects: narrow them`
  throw new JetStreamError(10012, problem)
}

function filtersFor(config: ConsumerConfig): readonly SubjectFilter[] {
  return joinedFilters(filtersOf(config).map((filter) => new SubjectFilter(filter)))
}
