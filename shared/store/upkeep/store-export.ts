/** `petiole store export`: what can be read of a store's streams, out of a store that no server has open. */
import * as path from 'node:path'
import { PetioleError, SystemRandom } from '../../runtime/index.ts'
import type { Catalog } from '../catalog.ts'
import { Keyring } from '../encryption/keyring.ts'
import { missingKeys } from '../encryption/missing-keys.ts'
import type { JournalStream } from '../journal-stream.ts'
import { EXPORT_MESSAGES, READ_BYTES } from '../limits.ts'
import { JOURNAL_GONE } from '../store-directory.ts'
import type { StoredMessage } from '../stream-store.ts'
import { isOrphan, nameOf } from './lost-messages.ts'
import { lockOffline } from './offline-lock.ts'
import { readOffline } from './offline-store.ts'
import type { UpkeepOptions } from './store-check.ts'

export interface ExportOptions extends UpkeepOptions {
  /** Streams by the store's key, or by their own name in whatever account; all when there are none. */
  readonly streams: readonly string[]
  /**
   * `json`: a line for each message, `{ stream, seq, time, subject, headers, payload }`, headers (as they
   * are on the wire) and payload in base64. `raw`: payloads one behind the other, nothing in between.
   */
  readonly format: 'json' | 'raw'
  /** Resolves when there is room for more. */
  readonly write: (bytes: Uint8Array) => Promise<void>
}

export interface ExportSummary {
  readonly streams: number
  readonly messages: number
  /** Messages that are gone with damaged records. */
  readonly lost: number
}

export async function exportStore(options: ExportOptions): Promise<ExportSummary> {
  const unlock = await lockOffline(options)
  try {
    const reading = await readOffline(options)
    if (reading.locked.size > 0) throw await keysNeeded(options)
    if (reading.isJournalGone) throw journalGone(options.directory)
    const streams = choose(reading.catalog, options.streams)
    let messages = 0
    let lost = 0
    for (const stream of streams) {
      messages += await exportStream(stream, options)
      lost += reading.lost.get(stream.id)?.length ?? 0
    }
    await reading.close()
    return { streams: streams.length, messages, lost }
  } finally {
    await unlock()
  }
}

const ADVICE =
  'give the file that has that key with --key-file, or with --prev-key-file beside a newer one'

function keysNeeded({ disk, directory, encryption = {} }: ExportOptions): Promise<PetioleError> {
  const keys = new Keyring(encryption, new SystemRandom())
  return missingKeys(disk, path.join(directory, 'journal'), keys, ADVICE)
}

function journalGone(directory: string): PetioleError {
  return new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${path.join(directory, 'journal')} ${JOURNAL_GONE}`,
  )
}

function choose(
  { streams, streamsById }: Catalog,
  wanted: readonly string[],
): readonly JournalStream[] {
  const all = [...streams.values(), ...[...streamsById.values()].filter(isOrphan)]
  const isNamed = (stream: JournalStream, text: string): boolean =>
    nameOf(stream) === text || nameOf(stream).endsWith(`/${text}`)
  for (const text of wanted) {
    if (all.some((stream) => isNamed(stream, text))) continue
    const known = all.map(nameOf).join(', ')
    throw new PetioleError(
      'PETIOLE_STREAM_REMOVED',
      `the store has no stream ${text}, only: ${known}`,
    )
  }
  if (wanted.length === 0) return all
  return all.filter((stream) => wanted.some((text) => isNamed(stream, text)))
}

async function exportStream(stream: JournalStream, options: ExportOptions): Promise<number> {
  let exported = 0
  const { lastSeq } = stream.index
  for (let fromSeq = 1; fromSeq <= lastSeq; ) {
    const batch = await stream.read({
      fromSeq,
      messagesMax: EXPORT_MESSAGES,
      bytesMax: READ_BYTES,
    })
    const isRaw = options.format === 'raw'
    const parts = batch.messages.map((one) => (isRaw ? one.payload : lineOf(stream, one)))
    await options.write(Buffer.concat(parts))
    exported += batch.messages.length
    fromSeq = batch.nextSeq
  }
  return exported
}

function lineOf(stream: JournalStream, message: StoredMessage): Uint8Array {
  const { seq, timeMs, subject, headers, payload } = message
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const line = {
    stream: nameOf(stream),
    seq,
    time: new Date(timeMs).toISOString(),
    subject,
    headers: base64(headers),
    payload: base64(payload),
  }
  return Buffer.from(`${JSON.stringify(line)}\n`)
}
