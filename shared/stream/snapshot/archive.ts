/**
 * The archive inside a backup as nats-server makes it since 2.15 (server/archive): the state of the stream,
 * its consumers, its messages, and an entry of nothing for the end.
 *
 *   "NATSARC1", then for each entry
 *   uvarint name length | varint time in ns | uvarint sequence | uvarint header length | uvarint payload length
 *   | name | headers | payload
 */

import { RESTORED_SEQ_MAX } from '../limits.ts'
import { ByteQueue } from './byte-queue.ts'
import { corrupt } from './s2-block.ts'

export const ARCHIVE_MAGIC = 'NATSARC1'

export interface ArchiveEntry {
  readonly name: string
  readonly timeNs: bigint
  readonly seq: number
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** The message of this sequence, which came before, is gone: in backups of the old kind. */
  readonly isDeletion?: boolean
  /** So many bytes were damaged before they came into a backup of the old kind; the sequence may be part of that. */
  readonly damagedBytes?: number
}

const NOTHING = new Uint8Array(0)
const UVARINT_BYTES_MAX = 10
/** All five numbers of an entry. */
const NUMBERS_BYTES_MAX = 5 * UVARINT_BYTES_MAX
const NAME_BYTES_MAX = 1024 * 1024

export const ARCHIVE_END: ArchiveEntry = {
  name: '',
  timeNs: 0n,
  seq: 0,
  headers: NOTHING,
  payload: NOTHING,
}

export function isArchiveEnd({ seq, timeNs, headers, payload }: ArchiveEntry): boolean {
  return seq === 0 && timeNs === 0n && headers.length === 0 && payload.length === 0
}

/** One entry's bytes; the magic comes before the first. */
export function encodeEntry({ name, timeNs, seq, headers, payload }: ArchiveEntry): Uint8Array {
  const nameBytes = Buffer.from(name)
  const zigzag = timeNs < 0n ? -2n * timeNs - 1n : 2n * timeNs
  const numbers = [
    BigInt(nameBytes.length),
    zigzag,
    BigInt(seq),
    BigInt(headers.length),
    BigInt(payload.length),
  ]
  return Buffer.concat([Buffer.from(numbers.flatMap(uvarint)), nameBytes, headers, payload])
}

function uvarint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) + 128)
  bytes.push(Number(rest))
  return bytes
}

interface Numbers {
  readonly bytes: number
  readonly nameLength: number
  readonly timeNs: bigint
  readonly seq: number
  readonly headerLength: number
  readonly payloadLength: number
}

export class ArchiveReader {
  readonly #queue = new ByteQueue()
  readonly #entryBytesMax: number
  #hasBegun = false

  constructor(entryBytesMax: number) {
    this.#entryBytesMax = entryBytesMax
  }

  /** The entries that are whole by now. Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<ArchiveEntry> {
    const queue = this.#queue
    queue.push(bytes)
    if (!this.#hasBegun) {
      if (queue.length < ARCHIVE_MAGIC.length) return
      const magic = Buffer.from(queue.take(ARCHIVE_MAGIC.length)).toString('latin1')
      if (magic !== ARCHIVE_MAGIC) corrupt('another archive')
      this.#hasBegun = true
    }
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) yield entry
  }

  #next(): ArchiveEntry | undefined {
    const queue = this.#queue
    const numbers = readNumbers(queue.peek(NUMBERS_BYTES_MAX))
    if (numbers === undefined) return undefined
    const { bytes, nameLength, timeNs, seq, headerLength, payloadLength } = numbers
    const length = nameLength + headerLength + payloadLength
    if (nameLength > NAME_BYTES_MAX || length > this.#entryBytesMax) corrupt('too large an entry')
    if (queue.length < bytes + length) return undefined
    queue.drop(bytes)
    const body = queue.take(length)
    const headersAt = nameLength + headerLength
    return {
      name: Buffer.from(body.subarray(0, nameLength)).toString(),
      timeNs,
      seq,
      headers: body.subarray(nameLength, headersAt),
      payload: body.subarray(headersAt),
    }
  }
}

/** undefined when they are not whole. */
function readNumbers(bytes: Uint8Array): Numbers | undefined {
  const values: bigint[] = []
  let at = 0
  while (values.length < 5) {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) return undefined
      if (shift >= 70n) corrupt('too long a number')
      value |= BigInt(byte & 127) << shift
      if (byte < 128) break
    }
    values.push(value)
  }
  const [name = 0n, zigzag = 0n, seq = 0n, headers = 0n, payload = 0n] = values
  const most = BigInt(RESTORED_SEQ_MAX)
  if ([name, seq, headers, payload].some((value) => value > most)) corrupt('too large a number')
  return {
    bytes: at,
    nameLength: Number(name),
    timeNs: (zigzag & 1n) === 1n ? -(zigzag + 1n) / 2n : zigzag / 2n,
    seq: Number(seq),
    headerLength: Number(headers),
    payloadLength: Number(payload),
  }
}
