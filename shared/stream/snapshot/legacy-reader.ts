/**
 * Backups as nats-server made them until 2.14: a tar of its file store. The same entries come of it as of an
 * archive, but that consumers come last, and that what was deleted comes too, with its deletion behind it.
 *
 *   meta.inf                    the stream's configuration
 *   msgs/<n>.blk                records, see below; msgs/index.db, which says again what they say
 *   obs/<name>/meta.inf, o.dat  a consumer's configuration and state
 *
 *   record  u32 length, its top bit for headers | u64 sequence | i64 time in ns | u16 subject length | subject
 *           | u32 header length and headers, if any | payload | u64 checksum
 *           The top bit of a sequence: erased. The one below it: a tombstone, the deletion of that sequence.
 *
 *   The checksum is a HighwayHash of sequence, time, subject, headers and payload, with a key of the stream's name
 *   and the block's number.
 *
 * Facts from nats-server's filestore.go. The frames around it have checksums of their own, but what was
 * damaged on the disk before it came into the backup only the records' tell: such a one is passed over and told.
 */
import { createHash } from 'node:crypto'
import { isObject } from '../json-fields.ts'
import { ARCHIVE_END, type ArchiveEntry } from './archive.ts'
import { HighwayHash } from './highway-hash.ts'
import { decodeLegacyState } from './legacy-consumer-state.ts'
import { corrupt } from './s2-block.ts'
import { type TarFile, TarReader } from './tar-reader.ts'

/** The name of the first entry of such a backup: the state of its stream stands beside it, not in it. */
export const LEGACY_BEGIN = 'meta.inf'

const HEAD_BYTES = 22
const CHECKSUM_BYTES = 8
const HAS_HEADERS = 2 ** 31
const ERASED = 1n << 63n
const TOMBSTONE = 1n << 62n

export class LegacyReader {
  readonly #files: TarReader
  readonly #configs = new Map<string, unknown>()
  #streamName = ''

  constructor(fileBytesMax: number) {
    this.#files = new TarReader(fileBytesMax)
  }

  /** Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<ArchiveEntry> {
    const wasEnded = this.#files.isEnded
    for (const file of this.#files.push(bytes)) yield* this.#entries(file)
    if (this.#files.isEnded && !wasEnded) yield ARCHIVE_END
  }

  *#entries({ name, bytes }: TarFile): IterableIterator<ArchiveEntry> {
    const [folder = '', file = '', part = ''] = name.split('/')
    if (name === LEGACY_BEGIN) {
      this.#streamName = nameIn(bytes)
      yield { ...ARCHIVE_END, name, timeNs: 1n }
    } else if (folder === 'msgs' && /^\d+\.blk$/.test(file)) {
      const hash = hashOf(this.#streamName, Number.parseInt(file, 10))
      yield* recordsIn(Buffer.from(bytes), hash)
    } else if (folder === 'obs' && part === 'meta.inf') this.#configs.set(file, configIn(bytes))
    else if (folder === 'obs' && part === 'o.dat') {
      const state = decodeLegacyState(bytes)
      yield jsonEntry(`consumers/${file}`, { config: this.#configs.get(file), state })
      this.#configs.delete(file)
    } else if (name === 'errors.txt') corrupt(Buffer.from(bytes).toString())
  }
}

function jsonEntry(name: string, value: object): ArchiveEntry {
  return { ...ARCHIVE_END, name, timeNs: 1n, payload: Buffer.from(JSON.stringify(value)) }
}

function nameIn(bytes: Uint8Array): string {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (isObject(value) && typeof value['name'] === 'string') return value['name']
  } catch {
    // Not JSON: the same as JSON without a name.
  }
  return corrupt('a stream without a name')
}

function hashOf(stream: string, block: number): HighwayHash {
  return new HighwayHash(createHash('sha256').update(`${stream}-${block}`).digest())
}

/** Beside the configuration stands when the consumer was made. */
function configIn(bytes: Uint8Array): unknown {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    corrupt('a consumer without configuration')
  }
  if (!isObject(value)) return corrupt('a consumer without configuration')
  const { created: _, Created: __, ...config } = value
  return config
}

function* recordsIn(block: Buffer, hash: HighwayHash): IterableIterator<ArchiveEntry> {
  let at = 0
  while (at + HEAD_BYTES + CHECKSUM_BYTES <= block.length) {
    const lengthWord = block.readUInt32LE(at)
    const hasHeaders = lengthWord >= HAS_HEADERS
    const length = hasHeaders ? lengthWord - HAS_HEADERS : lengthWord
    const end = at + length - CHECKSUM_BYTES
    const subjectAt = at + HEAD_BYTES
    const headersAt = subjectAt + block.readUInt16LE(at + 20)
    if (end > block.length - CHECKSUM_BYTES || headersAt + (hasHeaders ? 4 : 0) > end) {
      corrupt('a record beyond the end of its block')
    }
    const seq = block.readBigUInt64LE(at + 4)
    const number = Number(seq & (TOMBSTONE - 1n))
    const hashed = [
      block.subarray(at + 4, at + 20),
      block.subarray(subjectAt, headersAt),
      block.subarray(hasHeaders ? headersAt + 4 : headersAt, end),
    ]
    const checksum = block.subarray(end, end + CHECKSUM_BYTES)
    // What was erased was overwritten with chance, and nobody reads it.
    const isErased = (seq & ERASED) !== 0n
    if (!isErased && !hash.digest(Buffer.concat(hashed)).equals(checksum)) {
      yield { ...ARCHIVE_END, seq: number, damagedBytes: length }
    } else if ((seq & TOMBSTONE) !== 0n) yield { ...ARCHIVE_END, seq: number, isDeletion: true }
    else if (!isErased && number > 0) {
      const bodyAt = hasHeaders ? headersAt + 4 : headersAt
      const payloadAt = hasHeaders ? bodyAt + block.readUInt32LE(headersAt) : bodyAt
      if (payloadAt > end) corrupt('headers beyond the end of their record')
      yield {
        name: block.toString('utf8', subjectAt, headersAt),
        seq: number,
        timeNs: block.readBigInt64LE(at + 12),
        headers: block.subarray(bodyAt, payloadAt),
        payload: block.subarray(payloadAt, end),
      }
    }
    at += length
  }
  if (at !== block.length) corrupt('a block that ends in the middle')
}
