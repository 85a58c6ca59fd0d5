/**
 * The framing of S2 and Snappy streams: what a backup is wrapped in.
 *
 *   ff 06 00 00 "S2sTwO"                            begins a stream; may come again
 *   00 u24 length | u32 checksum | S2 block         length counts the checksum
 *   01 u24 length | u32 checksum | bytes as they are
 *   80..fe u24 length | bytes to be passed over
 *
 * The checksum is a masked CRC-32C of the decoded bytes. We write bytes as they are: those who keep backups
 * compress them, and a hub has better things to do.
 */
import { ByteQueue } from './byte-queue.ts'
import { crc32c } from './crc32c.ts'
import { corrupt, decodeS2Block } from './s2-block.ts'

const HEADER_BYTES = 4
const CHECKSUM_BYTES = 4
const COMPRESSED = 0
const PLAIN = 1
const FIRST_SKIPPABLE = 0x80
const STREAM_BEGIN = 0xff
/** What S2's writers make of one block at most. */
const BLOCK_BYTES_MAX = 4 * 1024 * 1024
const FRAME_BYTES = 64 * 1024
const MAGICS = ['S2sTwO', 'sNaPpY']

export function s2Begin(): Uint8Array {
  return Buffer.from([STREAM_BEGIN, 6, 0, 0, ...Buffer.from('S2sTwO')])
}

/** Frames for bytes that are there at once, at most 64 KiB in each, which every reader takes. */
export function s2Frames(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    const piece = bytes.subarray(at, at + FRAME_BYTES)
    const head = Buffer.alloc(HEADER_BYTES + CHECKSUM_BYTES)
    head[0] = PLAIN
    head.writeUIntLE(piece.length + CHECKSUM_BYTES, 1, 3)
    head.writeUInt32LE(masked(crc32c(piece)), HEADER_BYTES)
    parts.push(head, piece)
  }
  return Buffer.concat(parts)
}

export class S2Reader {
  readonly #queue = new ByteQueue()
  #hasBegun = false

  /** Whether nothing is left of a frame that has begun. */
  get isAtEnd(): boolean {
    return this.#queue.length === 0
  }

  /** The decoded bytes of all frames that are whole by now. Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<Uint8Array> {
    const queue = this.#queue
    queue.push(bytes)
    for (;;) {
      const head = queue.peek(HEADER_BYTES)
      if (head.length < HEADER_BYTES) return
      const [type = 0, a = 0, b = 0, c = 0] = head
      const length = a + b * 256 + c * 65_536
      this.#check(type, length)
      if (queue.length < HEADER_BYTES + length) return
      queue.drop(HEADER_BYTES)
      const body = queue.take(length)
      const decoded = this.#decode(type, body)
      if (decoded !== undefined) yield decoded
    }
  }

  #check(type: number, length: number): void {
    if (!this.#hasBegun && type !== STREAM_BEGIN) corrupt('no beginning')
    if (type > PLAIN && type < FIRST_SKIPPABLE) corrupt('a frame of an unknown kind')
    const isData = type === COMPRESSED || type === PLAIN
    const most = isData ? BLOCK_BYTES_MAX + BLOCK_BYTES_MAX / 6 + 64 : 2 ** 24
    if (length > most || (isData && length < CHECKSUM_BYTES)) corrupt('a frame of a wrong length')
  }

  #decode(type: number, body: Uint8Array): Uint8Array | undefined {
    if (type === STREAM_BEGIN) {
      if (!MAGICS.includes(Buffer.from(body).toString('latin1'))) corrupt('another beginning')
      this.#hasBegun = true
      return undefined
    }
    if (type !== COMPRESSED && type !== PLAIN) return undefined
    const checksum = Buffer.from(body.buffer, body.byteOffset, CHECKSUM_BYTES).readUInt32LE()
    const data = body.subarray(CHECKSUM_BYTES)
    const decoded = type === PLAIN ? data : decodeS2Block(data, BLOCK_BYTES_MAX)
    if (masked(crc32c(decoded)) !== checksum) corrupt('a wrong checksum')
    return decoded
  }
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
