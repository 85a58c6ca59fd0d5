/**
 * Which sequences damaged records had. Those in front of others leave a gap, but the last of a stream leaves none, and its
 * sequence would be given to another message: whoever copies the stream would take that for the one he has.
 *
 * The fixed fields are believed when they were not hit. One changed byte is found by the checksum: of each byte
 * it says by what it would differ if that had changed. So a field that one byte was changed in is known again; nothing
 * else of the record is, for what is given to somebody must not rest on that.
 */
import type { Catalog } from './catalog.ts'
import { crc32 } from './crc.ts'
import type { JournalStream } from './journal-stream.ts'
import { CLAIM_AHEAD_MAX, CLAIM_FIND_BYTES_MAX, CLAIMS_FOUND_MAX, CLAIMS_MAX } from './limits.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor, RecordType } from './record.ts'
import { type ByteRange, isOnlyLengthWrong } from './segment-scan.ts'

export interface Claim {
  readonly streamId: number
  readonly seq: number
}

const CHECKSUM_AT = 4
const FIELDS_AT = 8

export class ClaimedSeqs {
  #claims: Claim[] = []
  /** Records that a changed byte was looked for in: a lost page has many, and none with one byte only. */
  #looked = 0

  /** Takes what the damaged places of a segment seem to have been. */
  note(chunk: Chunk, damaged: readonly ByteRange[], salt: number): void {
    const cursor = new RecordCursor(chunk)
    for (const { from, to } of damaged) {
      for (let at = from; at + RECORD_HEADER_BYTES <= to; at += cursor.length) {
        cursor.at = at
        const { length } = cursor
        const isWhole = length >= RECORD_HEADER_BYTES && at + length <= to
        this.#noteOne(chunk, { from: at, to: isWhole ? at + length : to }, salt)
        if (!isWhole) break
      }
    }
    if (this.#claims.length > CLAIMS_MAX) this.#claims = this.#claims.slice(-CLAIMS_MAX / 2)
  }

  /** Streams go on behind what they claim; `lost` is told of messages that nothing says to be deleted. */
  take(catalog: Catalog, lost: (stream: JournalStream, seq: number) => void): void {
    for (const { streamId, seq } of this.#claims) {
      const stream = catalog.streamsById.get(streamId)
      if (stream === undefined) continue
      const { lastSeq, lastTimeMs } = stream.index
      if (seq <= lastSeq || seq > lastSeq + CLAIM_AHEAD_MAX) continue
      stream.index.restoreLast(seq, lastTimeMs)
      stream.stage.skipped(seq + 1)
      stream.stage.reached(seq)
      if (!stream.absentDeletes.has(seq)) lost(stream, seq)
    }
  }

  #noteOne(chunk: Chunk, range: ByteRange, salt: number): void {
    const size = Math.min(range.to - range.from, RECORD_HEADER_BYTES)
    const fields = new Chunk(new Uint8Array(chunk.bytes.subarray(range.from, range.from + size)))
    const changed = this.#changedByte(chunk, range, salt)
    if (changed !== undefined) fields.bytes[changed.at] = changed.value
    const { type, streamId, seq } = new RecordCursor(fields)
    if (type === RecordType.message && seq > 0) this.#claims.push({ streamId, seq })
  }

  /** The one fixed field's byte that makes the checksum right, and what it was. */
  #changedByte(chunk: Chunk, { from, to }: ByteRange, salt: number): ChangedByte | undefined {
    const length = to - from
    if (length > CLAIM_FIND_BYTES_MAX || this.#looked >= CLAIMS_FOUND_MAX) return undefined
    if (isOnlyLengthWrong(chunk, from, to, salt)) return undefined
    this.#looked++
    const stored = chunk.view.getUint32(from + CHECKSUM_AT, true)
    const found = crc32(chunk.bytes, from + FIELDS_AT, to, (salt ^ length) >>> 0)
    const difference = (stored ^ found) >>> 0
    const scratch = new Uint8Array(length - FIELDS_AT)
    const none = crc32(scratch, 0, scratch.length, 0)
    for (let at = FIELDS_AT; at < RECORD_HEADER_BYTES; at++) {
      const ofBits = Array.from({ length: 8 }, (_, bit) => {
        scratch[at - FIELDS_AT] = 1 << bit
        return crc32(scratch, 0, scratch.length, 0) ^ none
      })
      scratch[at - FIELDS_AT] = 0
      const change = changeOf(ofBits, difference)
      if (change > 0) return { at, value: (chunk.bytes[from + at] as number) ^ change }
    }
    return undefined
  }
}

interface ChangedByte {
  readonly at: number
  readonly value: number
}

/** The bits that together change a checksum so; 0 when none do. */
function changeOf(ofBits: readonly number[], difference: number): number {
  for (let change = 1; change < 256; change++) {
    let sum = 0
    for (let bit = 0; bit < 8; bit++) if ((change >> bit) & 1) sum ^= ofBits[bit] as number
    if (sum >>> 0 === difference) return change
  }
  return 0
}
