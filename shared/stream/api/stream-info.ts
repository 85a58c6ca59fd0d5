import { SubjectFilter } from '../../subject/index.ts'
import { consumerApiLevel } from '../config/consumer-config.ts'
import { streamApiLevel, wireStreamConfig } from '../config/stream-config.ts'
import type { Consumer } from '../consumer/consumer.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { SUBJECT_DETAILS_PAGE } from '../limits.ts'
import type { Stream } from '../stream.ts'
import { formatTime } from '../timestamp.ts'
import { type ApiLevel, answeredMetadata } from './api-level.ts'

/** StreamInfo as the API answers it. */
export function streamInfo(
  stream: Stream,
  domain: string,
  level: ApiLevel,
  nowMs: number,
): Record<string, unknown> {
  const metadata = answeredMetadata(stream.config.metadata, level, streamApiLevel(stream.config))
  return {
    config: { ...wireStreamConfig(stream.config), ...(metadata === undefined ? {} : { metadata }) },
    created: formatTime(stream.store.createdMs),
    state: streamState(stream),
    ...(domain === '' ? {} : { domain }),
    ts: formatTime(nowMs),
  }
}

/** StreamState with the subjects that match, one page of them. Throws 10117. */
export function stateWithSubjects(stream: Stream, filterText: string, offset: number) {
  const filter = new SubjectFilter(filterText)
  const found = stream.store.subjects(filter, offset + SUBJECT_DETAILS_PAGE + 1)
  if (offset > found.size) throw new JetStreamError(10117)
  const all = [...found].sort(([a], [b]) => (a < b ? -1 : 1))
  const page = all.slice(offset, offset + SUBJECT_DETAILS_PAGE)
  return {
    state: { ...streamState(stream), subjects: Object.fromEntries(page) },
    paging: { total: all.length, offset, limit: SUBJECT_DETAILS_PAGE },
  }
}

export function consumerInfo(consumer: Consumer, level: ApiLevel): Record<string, unknown> {
  const info = consumer.info()
  const metadata = answeredMetadata(
    consumer.config.metadata,
    level,
    consumerApiLevel(consumer.config),
  )
  return metadata === undefined ? info : { ...info, config: { ...consumer.config, metadata } }
}

/** `state` of StreamInfo, without the subjects. */
export function streamState({ store, consumers }: Stream): Record<string, unknown> {
  const { state } = store
  return {
    messages: state.messages,
    bytes: state.bytes,
    first_seq: state.firstSeq,
    first_ts: formatTime(state.messages === 0 ? 0 : state.firstTimeMs),
    last_seq: state.lastSeq,
    last_ts: formatTime(state.lastTimeMs),
    ...(state.subjects > 0 ? { num_subjects: state.subjects } : {}),
    ...(state.deleted > 0 ? { num_deleted: state.deleted } : {}),
    consumer_count: consumers.size,
  }
}
