import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { LAST_PER_SUBJECT_MAX } from '../limits.ts'
import { parseTime } from '../timestamp.ts'

/** Where a new consumer begins. */
export interface StartPoint {
  /** The first sequence that is read on from. */
  readonly seq: number
  /** For `last_per_subject`: the sequences that come before that, ascending. */
  readonly listed?: readonly number[]
}

export async function startPoint(config: ConsumerConfig, store: StreamStore): Promise<StartPoint> {
  const { firstSeq, lastSeq } = store.state
  const within = (seq: number): number => Math.min(Math.max(seq, firstSeq, 1), lastSeq + 1)
  switch (config.deliver_policy) {
    case 'all':
      return { seq: within(firstSeq) }
    case 'new':
      return { seq: lastSeq + 1 }
    case 'by_start_sequence':
      return { seq: within(config.opt_start_seq ?? 1) }
    case 'by_start_time': {
      const timeMs = parseTime(config.opt_start_time ?? '') ?? 0
      return { seq: within(await store.seqAtTime(timeMs)) }
    }
    case 'last': {
      const filters = filtersOf(config)
      if (filters.length === 0) return { seq: within(lastSeq) }
      const last = lastPerSubject(filters, store, 1, lastSeq).at(-1)
      return { seq: last ?? lastSeq + 1 }
    }
    case 'last_per_subject':
      return {
        seq: lastSeq + 1,
        listed: lastPerSubject(filtersOf(config), store, 1, lastSeq),
      }
  }
}

/**
 * The newest sequence of each subject that matches, within [from, through], ascending. Throws 10012
 * when the filters match more subjects than can be listed.
 */
export function lastPerSubject(
  filters: readonly string[],
  store: StreamStore,
  from: number,
  through: number,
): number[] {
  const seqs = new Set<number>()
  for (const text of filters) {
    const filter = new SubjectFilter(text)
    const subjects = filter.isLiteral
      ? [text]
      : store.subjects(filter, LAST_PER_SUBJECT_MAX + 1).keys()
    for (const subject of subjects) {
      const seq = store.lastSeqOf(subject)
      if (seq >= from && seq <= through && seq > 0) seqs.add(seq)
    }
    if (seqs.size > LAST_PER_SUBJECT_MAX) {
      throw new JetStreamError(
        10012,
        `filter ${text} matches more than ${LAST_PER_SUBJECT_MAX} subjects: narrow it`,
      )
    }
  }
  return [...seqs].sort((a, b) => a - b)
}
