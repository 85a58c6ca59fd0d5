/** A stream as a backup, piece by piece: framed, and never more of it in memory than one read of the store. */

import type { Clock } from '../../runtime/index.ts'
import type { StreamState } from '../../store/index.ts'
import { streamState } from '../api/stream-info.ts'
import { decodeConsumerState } from '../consumer/consumer-state.ts'
import { READ_AHEAD_BYTES, READ_AHEAD_MESSAGES } from '../limits.ts'
import { backupPlaces } from '../sourcing/restored-places.ts'
import type { Stream } from '../stream.ts'
import { ARCHIVE_END, ARCHIVE_MAGIC, type ArchiveEntry, encodeEntry } from './archive.ts'
import { ackWaitMsOf, nsOf } from './backup-times.ts'
import { backupState } from './consumer-backup.ts'
import { s2Begin, s2Frames } from './s2-frames.ts'

/** In `state.json`, beside what nats-server has there and reads. */
export const PLACES_FIELD = 'petiole_sources'

export interface SnapshotOptions {
  readonly hasConsumers: boolean
  /** Resolves when all that was written before is on disk. */
  readonly settled: () => Promise<void>
}

/** The state comes first, then the consumers, then the messages there were when it began. */
export async function* snapshotOf(
  stream: Stream,
  clock: Clock,
  { hasConsumers, settled }: SnapshotOptions,
): AsyncIterable<Uint8Array> {
  const places = backupPlaces(stream.config, stream.store.states, stream.store.assignedSeq)
  // What they say to have come may be on its way to the disk still, and must be in the backup.
  if (places !== undefined) await settled()
  const { state } = stream.store
  const consumers = hasConsumers ? stream.consumers.list() : []
  const wallMs = clock.wallMs()
  const json = (name: string, value: object): ArchiveEntry => ({
    ...ARCHIVE_END,
    name,
    timeNs: nsOf(wallMs),
    payload: Buffer.from(JSON.stringify(value)),
  })
  const stored = {
    ...streamState(stream),
    consumer_count: consumers.length,
    ...(places === undefined ? {} : { [PLACES_FIELD]: places }),
  }
  yield s2Begin()
  yield s2Frames(Buffer.from(ARCHIVE_MAGIC))
  yield framed([json('state.json', stored)])
  const now = { wallMs, monotonicMs: clock.monotonicMs() }
  for (const consumer of consumers) {
    const { config } = consumer
    const known = decodeConsumerState(consumer.encodeState(), now.monotonicMs)
    const held = backupState(known, state.lastSeq, ackWaitMsOf(config), now)
    yield framed([json(`consumers/${consumer.name}`, { config, state: held })])
  }
  yield* messagesOf(stream, state)
  yield framed([ARCHIVE_END])
}

async function* messagesOf({ store }: Stream, { firstSeq, lastSeq }: StreamState) {
  for (let seq = Math.max(1, firstSeq); seq <= lastSeq; ) {
    const { messages, nextSeq } = await store.read({
      fromSeq: seq,
      messagesMax: READ_AHEAD_MESSAGES,
      bytesMax: READ_AHEAD_BYTES,
    })
    const entries = messages.filter((message) => message.seq <= lastSeq)
    if (entries.length > 0) {
      yield framed(
        entries.map(({ seq, subject, timeMs, headers, payload }) => ({
          name: subject,
          seq,
          timeNs: nsOf(timeMs),
          headers,
          payload,
        })),
      )
    }
    seq = nextSeq
  }
}

function framed(entries: readonly ArchiveEntry[]): Uint8Array {
  return s2Frames(Buffer.concat(entries.map(encodeEntry)))
}
