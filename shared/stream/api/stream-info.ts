import { consumerApiLevel } from '../config/consumer-config.ts'
import { streamApiLevel, wireStreamConfig } from '../config/stream-config.ts'
import type { Consumer } from '../consumer/consumer.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { DELETED_DETAILS_MAX, DETAILS_TURN_MESSAGES } from '../limits.ts'
import type { Stream } from '../stream.ts'
import { formatTime } from '../timestamp.ts'
import type { ApiContext } from './api-context.ts'
import { type ApiLevel, answeredMetadata, listedMetadata } from './api-level.ts'

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
    ...stream.feeds.info(),
    ...(domain === '' ? {} : { domain }),
    ts: formatTime(nowMs),
  }
}

/** The same as a list of streams shows it. */
export function listedStream(stream: Stream, context: ApiContext): Record<string, unknown> {
  const { domain, level } = context
  const metadata = listedMetadata(stream.config.metadata, level, streamApiLevel(stream.config))
  const info = streamInfo(stream, domain, level, context.nowMs())
  return { ...info, config: { ...wireStreamConfig(stream.config), ...(metadata && { metadata }) } }
}

export function listedConsumer(consumer: Consumer, { level }: ApiContext): Record<string, unknown> {
  const { config } = consumer
  const metadata = listedMetadata(config.metadata, level, consumerApiLevel(config))
  return { ...consumer.info(), config: { ...config, ...(metadata && { metadata }) } }
}

/** The sequences between the first and the last that are gone. Throws 10117 when they are too many to list. */
export async function deletedSeqs(
  { store }: Stream,
  turn: () => Promise<void>,
): Promise<readonly number[]> {
  if (store.state.deleted > DELETED_DETAILS_MAX) throw new JetStreamError(10117)
  const { firstSeq, lastSeq } = store.state
  const deleted: number[] = []
  if (store.state.deleted === 0) return deleted
  for (let seq = firstSeq; seq <= lastSeq && deleted.length <= DELETED_DETAILS_MAX; seq++) {
    if (!store.has(seq)) deleted.push(seq)
    if (seq % DETAILS_TURN_MESSAGES === 0) await turn()
  }
  return deleted
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

/** `state` of StreamInfo. @param subjects those that are shown one by one */
export function streamState(
  { store, consumers, beginsAt }: Stream,
  subjects?: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { state } = store
  return {
    messages: state.messages,
    bytes: state.bytes,
    // A stream that was made to begin somewhere says so from the beginning, any other once it has had a message.
    first_seq: Math.max(state.firstSeq, beginsAt),
    first_ts: formatTime(state.messages === 0 ? 0 : state.firstTimeMs),
    last_seq: state.lastSeq,
    last_ts: formatTime(state.lastTimeMs),
    ...(state.subjects > 0 ? { num_subjects: state.subjects } : {}),
    ...(subjects === undefined ? {} : { subjects }),
    ...(state.deleted > 0 ? { num_deleted: state.deleted } : {}),
    consumer_count: consumers.listedSize,
  }
}
