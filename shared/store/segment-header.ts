/**
 * The header of a segment file. It is written twice, so that one damaged byte does not cost the salt, and
 * with it the whole segment:
 *
 *     0 u32 magic | 4 u16 version | 6 u16 flags (1: rewritten) | 8 u32 segment id | 12 u32 salt
 *     16 u32 crc of the 16 bytes before | 20 u32 zero | 24 … 47 the same again
 *
 * Version 1 goes on with records. Version 2, whose records are encrypted, says first how, also twice:
 *
 *     48 32 bytes salt of the key | 80 8 bytes key id | 88 u16 cipher (1: aes, 2: chacha) | 90 u16 zero
 *     92 u32 crc of the 44 bytes before | 96 … 143 the same again
 */
import { PetioleError } from '../runtime/index.ts'
import { crc32 } from './crc.ts'
import { CIPHER_SALT_BYTES } from './encryption/keyring.ts'
import type { CipherHeader, CipherName } from './encryption/segment-cipher.ts'
import { Chunk, RecordCursor } from './record.ts'

const MAGIC = 0x314c5450
const VERSION = 1
const ENCRYPTED_VERSION = 2
const FLAG_REWRITTEN = 1

const COPY_BYTES = 24
const PLAIN_BYTES = 2 * COPY_BYTES
const CIPHER_COPY_BYTES = 48
const KEY_ID_AT = CIPHER_SALT_BYTES
const KEY_ID_BYTES = 8
const CIPHER_AT = KEY_ID_AT + KEY_ID_BYTES
const CIPHER_CRC_AT = CIPHER_COPY_BYTES - 4
/** The longest header there is. */
export const SEGMENT_HEADER_BYTES_MAX = PLAIN_BYTES + 2 * CIPHER_COPY_BYTES

const CIPHER_CODES: Readonly<Record<CipherName, number>> = { aes: 1, chacha: 2 }

export interface SegmentHeader {
  readonly id: number
  readonly salt: number
  readonly isRewritten: boolean
  /** undefined: its records are not encrypted. */
  readonly encryption: CipherHeader | undefined
}

/** A part of a header that is written twice, in one of its two places. */
export interface HeaderCopy {
  readonly from: number
  readonly to: number
  readonly isIntact: boolean
}

interface Base {
  readonly version: number
  readonly id: number
  readonly salt: number
  readonly isRewritten: boolean
}

export function headerBytes({ encryption }: Pick<SegmentHeader, 'encryption'>): number {
  return encryption === undefined ? PLAIN_BYTES : SEGMENT_HEADER_BYTES_MAX
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const { encryption } = header
  const bytes = Buffer.alloc(headerBytes(header))
  for (let at = 0; at < PLAIN_BYTES; at += COPY_BYTES) {
    bytes.writeUInt32LE(MAGIC, at)
    bytes.writeUInt16LE(encryption === undefined ? VERSION : ENCRYPTED_VERSION, at + 4)
    bytes.writeUInt16LE(header.isRewritten ? FLAG_REWRITTEN : 0, at + 6)
    bytes.writeUInt32LE(header.id, at + 8)
    bytes.writeUInt32LE(header.salt, at + 12)
    bytes.writeUInt32LE(crc32(bytes, at, at + 16, 0), at + 16)
  }
  if (encryption === undefined) return bytes
  const block = encodeCipherHeader(encryption)
  for (let at = PLAIN_BYTES; at < bytes.length; at += CIPHER_COPY_BYTES) bytes.set(block, at)
  return bytes
}

/** undefined when neither copy of something in it is intact. */
export function decodeSegmentHeader(source: Uint8Array, file: string): SegmentHeader | undefined {
  const base = decodeBase(source, 0, file) ?? decodeBase(source, COPY_BYTES, file)
  if (base === undefined) return undefined
  const { version, id, salt, isRewritten } = base
  if (version === VERSION) return { id, salt, isRewritten, encryption: undefined }
  const encryption =
    decodeCipherHeader(source, PLAIN_BYTES) ??
    decodeCipherHeader(source, PLAIN_BYTES + CIPHER_COPY_BYTES)
  return encryption === undefined ? undefined : { id, salt, isRewritten, encryption }
}

/** What of a header that is known, from whatever, holds in its file. */
export function headerCopies(
  source: Uint8Array,
  header: SegmentHeader,
  file: string,
): readonly HeaderCopy[] {
  const copies: HeaderCopy[] = []
  for (let at = 0; at < PLAIN_BYTES; at += COPY_BYTES) {
    const isIntact = decodeBase(source, at, file)?.id === header.id
    copies.push({ from: at, to: at + COPY_BYTES, isIntact })
  }
  for (let at = PLAIN_BYTES; at < headerBytes(header); at += CIPHER_COPY_BYTES) {
    const isIntact = decodeCipherHeader(source, at) !== undefined
    copies.push({ from: at, to: at + CIPHER_COPY_BYTES, isIntact })
  }
  return copies
}

/** Whether a file without a header that holds was cut off in the making: nothing can have been written behind one. */
export function isUnborn(source: Uint8Array, file: string): boolean {
  if (source.length <= PLAIN_BYTES) return true
  if (source.length > SEGMENT_HEADER_BYTES_MAX) return false
  const base = decodeBase(source, 0, file) ?? decodeBase(source, COPY_BYTES, file)
  if (base !== undefined) return base.version === ENCRYPTED_VERSION
  // A short segment that lost both copies of its header may hold a record all the same.
  const cursor = new RecordCursor(new Chunk(source), PLAIN_BYTES)
  const isRecord = source.length >= PLAIN_BYTES * 2 && cursor.isPlausible
  return !isRecord || PLAIN_BYTES + cursor.length > source.length
}

/** As it lies in a segment's header, with its checksum. */
export function encodeCipherHeader({ salt, keyId, cipher }: CipherHeader): Uint8Array {
  const block = Buffer.alloc(CIPHER_COPY_BYTES)
  block.set(salt)
  block.set(Buffer.from(keyId, 'hex'), KEY_ID_AT)
  block.writeUInt16LE(CIPHER_CODES[cipher], CIPHER_AT)
  block.writeUInt32LE(crc32(block, 0, CIPHER_CRC_AT, 0), CIPHER_CRC_AT)
  return block
}

export const CIPHER_HEADER_BYTES = CIPHER_COPY_BYTES

export function decodeCipherHeader(source: Uint8Array, at: number): CipherHeader | undefined {
  if (at + CIPHER_COPY_BYTES > source.length) return undefined
  const block = Buffer.from(source.buffer, source.byteOffset + at, CIPHER_COPY_BYTES)
  if (block.readUInt32LE(CIPHER_CRC_AT) !== crc32(block, 0, CIPHER_CRC_AT, 0)) return undefined
  const code = block.readUInt16LE(CIPHER_AT)
  const cipher = code === CIPHER_CODES.aes ? 'aes' : code === CIPHER_CODES.chacha ? 'chacha' : ''
  if (cipher === '') return undefined
  return {
    salt: new Uint8Array(block.subarray(0, CIPHER_SALT_BYTES)),
    keyId: block.toString('hex', KEY_ID_AT, CIPHER_AT),
    cipher,
  }
}

function decodeBase(source: Uint8Array, at: number, file: string): Base | undefined {
  if (at + COPY_BYTES > source.length) return undefined
  const bytes = Buffer.from(source.buffer, source.byteOffset + at, COPY_BYTES)
  if (bytes.readUInt32LE(0) !== MAGIC) return undefined
  if (bytes.readUInt32LE(16) !== crc32(bytes, 0, 16, 0)) return undefined
  const version = bytes.readUInt16LE(4)
  if (version !== VERSION && version !== ENCRYPTED_VERSION) {
    throw new PetioleError(
      'PETIOLE_STORE_FOREIGN',
      `${file} has format version ${version}, this program knows ${VERSION} and ${ENCRYPTED_VERSION}: start the version of petiole that wrote it, or use another store_dir`,
    )
  }
  return {
    version,
    id: bytes.readUInt32LE(8),
    salt: bytes.readUInt32LE(12),
    isRewritten: (bytes.readUInt16LE(6) & FLAG_REWRITTEN) !== 0,
  }
}
