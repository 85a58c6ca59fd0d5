/**
 * The index of an encrypted segment, which holds subjects, names and states, and so is encrypted whole:
 *
 *     0 u32 magic | 4 u32 segment id | 8 u32 salt | 12 u32 size of the segment
 *     16 48 bytes as in the segment's header | nonce, ciphertext of the index, tag | u32 crc of all before
 *
 * What a check needs lies in the clear: whether it holds, and to which segment file it belongs.
 */
import { crc32 } from '../crc.ts'
import { isIndexIntact } from '../index-file.ts'
import type { Segment } from '../segment.ts'
import {
  CIPHER_HEADER_BYTES,
  decodeCipherHeader,
  encodeCipherHeader,
  type SegmentHeader,
} from '../segment-header.ts'
import type { Keyring } from './keyring.ts'
import type { CipherHeader, SegmentCipher } from './segment-cipher.ts'

const MAGIC = 0x45585450
const CIPHER_AT = 16
const BODY_AT = CIPHER_AT + CIPHER_HEADER_BYTES
const CRC_BYTES = 4

/** What an encrypted index says without its key. */
export interface IndexEnvelope {
  readonly id: number
  readonly salt: number
  readonly size: number
  readonly encryption: CipherHeader
}

export interface OpenedIndex {
  readonly bytes: Uint8Array
  /** Of the segment too. */
  readonly cipher: SegmentCipher | undefined
}

/** The index as it is to lie on disk. */
export function wrapIndex(segment: Segment, index: Uint8Array): Uint8Array {
  const { id, salt, size, cipher } = segment
  if (cipher === undefined) return index
  const head = Buffer.alloc(BODY_AT)
  for (const [i, value] of [MAGIC, id, salt, size].entries()) head.writeUInt32LE(value, i * 4)
  head.set(encodeCipherHeader(cipher.header), CIPHER_AT)
  const bytes = Buffer.concat([head, cipher.encryptIndex(index, head), Buffer.alloc(CRC_BYTES)])
  const end = bytes.length - CRC_BYTES
  bytes.writeUInt32LE(crc32(bytes, 0, end, 0), end)
  return bytes
}

/** undefined when the bytes are those of a plain index, or hold nothing. */
export function readEnvelope(bytes: Uint8Array): IndexEnvelope | undefined {
  const encryption = decodeCipherHeader(bytes, CIPHER_AT)
  if (encryption === undefined || bytes.length < BODY_AT + CRC_BYTES) return undefined
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, CIPHER_AT)
  if (head.readUInt32LE(0) !== MAGIC) return undefined
  const [id, salt, size] = [4, 8, 12].map((at) => head.readUInt32LE(at)) as [number, number, number]
  return { id, salt, size, encryption }
}

/**
 * The index as it was made; undefined when it cannot be had, or is not of the kind that its segment is:
 * a plain one beside an encrypted segment was put there by somebody else.
 *
 * @param header the segment's, when it holds
 */
export function unwrapIndex(
  bytes: Uint8Array,
  header: SegmentHeader | undefined,
  keys: Keyring,
): OpenedIndex | undefined {
  const envelope = readEnvelope(bytes)
  if (envelope === undefined) {
    return header?.encryption === undefined ? { bytes, cipher: undefined } : undefined
  }
  const isForeign = header !== undefined && header.encryption === undefined
  if (isForeign || !isIndexIntact(bytes)) return undefined
  const cipher = keys.cipherOf(envelope.id, envelope.encryption)
  const end = bytes.length - CRC_BYTES
  const index = cipher?.decryptIndex(bytes.subarray(BODY_AT, end), bytes.subarray(0, BODY_AT))
  return index === undefined ? undefined : { bytes: index, cipher }
}
