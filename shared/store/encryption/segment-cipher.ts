/**
 * The cipher of one segment. A record keeps its length, checksum and fixed fields in the clear, so that a
 * scan, a check and the quarantine need no key; subject, headers and payload are encrypted together:
 *
 *     0 … 48 as in record.ts | ciphertext | 8 bytes nonce prefix | 16 bytes tag
 *
 * The nonce is the prefix, which is drawn anew for each commit and each rewrite, and the record's u32 offset
 * in the segment. So no two records of a segment share one, also where the end of a file was cut and is
 * written again; and a record opens only where it was put. The key is the segment's own, so it opens in no
 * other segment either. Bytes 8 to 48 are authenticated with it, and the length by what it encloses.
 */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'
import type { Opening } from '../opening.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor } from '../record.ts'

/** As `jetstream { cipher }` names them, and their codes in a segment's header. */
export type CipherName = 'aes' | 'chacha'

/** Both are used alike, but Node's types tell them apart. */
const ALGORITHMS: Readonly<Record<CipherName, CipherGCMTypes>> = {
  aes: 'aes-256-gcm',
  chacha: 'chacha20-poly1305' as CipherGCMTypes,
}
const PREFIX_BYTES = 8
const NONCE_BYTES = 12
const TAG_BYTES = 16
const AAD_START = 8
const OPTIONS = { authTagLength: TAG_BYTES }

/** By how much an encrypted record is longer. */
export const ENCRYPTION_BYTES = PREFIX_BYTES + TAG_BYTES

/** What a segment's header says of its encryption. */
export interface CipherHeader {
  readonly cipher: CipherName
  /** Of the master key, see keyring.ts. */
  readonly keyId: string
  /** The segment's key is derived with it. */
  readonly salt: Uint8Array
}

export interface SegmentKeys {
  readonly records: KeyObject
  readonly index: KeyObject
}

export class SegmentCipher implements Opening {
  readonly header: CipherHeader
  readonly #algorithm: CipherGCMTypes
  readonly #keys: SegmentKeys
  readonly #randomBytes: (size: number) => Uint8Array
  readonly #nonce = new Uint8Array(NONCE_BYTES)
  readonly #nonceView = new DataView(this.#nonce.buffer)
  readonly #openNonce = new Uint8Array(NONCE_BYTES)
  readonly #openNonceView = new DataView(this.#openNonce.buffer)

  /** @param randomBytes fit for secrets */
  constructor(header: CipherHeader, keys: SegmentKeys, randomBytes: (size: number) => Uint8Array) {
    this.header = header
    this.#algorithm = ALGORITHMS[header.cipher]
    this.#keys = keys
    this.#randomBytes = randomBytes
  }

  /** Must be called before the first record of each commit and of each file. */
  begin(): void {
    this.#nonce.set(this.#randomBytes(PREFIX_BYTES))
  }

  /**
   * Encrypts a record whose fixed fields lie in `target` already, at `at`, and sets its length; there must
   * be room for `ENCRYPTION_BYTES` more than the body. The checksum is to follow.
   *
   * @param body subject, headers and payload
   * @param offset where the record will lie in the segment
   */
  encrypt(target: Chunk, at: number, body: Uint8Array, offset: number): void {
    const { bytes, view } = target
    const nonce = this.#nonce
    this.#nonceView.setUint32(PREFIX_BYTES, offset, true)
    const cipher = createCipheriv(this.#algorithm, this.#keys.records, nonce, OPTIONS)
    const end = at + RECORD_HEADER_BYTES + body.length
    cipher.setAAD(fixedFields(bytes, at), { plaintextLength: body.length })
    if (body.length > 0) bytes.set(cipher.update(body), at + RECORD_HEADER_BYTES)
    cipher.final()
    for (let i = 0; i < PREFIX_BYTES; i++) bytes[end + i] = nonce[i] as number
    bytes.set(cipher.getAuthTag(), end + PREFIX_BYTES)
    view.setUint32(at, end + ENCRYPTION_BYTES - at, true)
  }

  open(stored: RecordCursor, offset: number): RecordCursor | undefined {
    const { bytes } = stored.chunk
    const { at } = stored
    const end = at + stored.length - ENCRYPTION_BYTES
    const start = at + RECORD_HEADER_BYTES
    if (end < start) return undefined
    const nonce = this.#openNonce
    for (let i = 0; i < PREFIX_BYTES; i++) nonce[i] = bytes[end + i] as number
    this.#openNonceView.setUint32(PREFIX_BYTES, offset, true)
    const opened = Buffer.allocUnsafe(end - at)
    const decipher = createDecipheriv(this.#algorithm, this.#keys.records, nonce, OPTIONS)
    decipher.setAAD(fixedFields(bytes, at), { plaintextLength: end - start })
    decipher.setAuthTag(viewOf(bytes, end + PREFIX_BYTES, TAG_BYTES))
    try {
      if (end > start) {
        opened.set(decipher.update(viewOf(bytes, start, end - start)), RECORD_HEADER_BYTES)
      }
      decipher.final()
    } catch {
      return undefined
    }
    opened.set(viewOf(bytes, at, RECORD_HEADER_BYTES))
    const chunk = new Chunk(opened)
    chunk.view.setUint32(0, opened.length, true)
    chunk.end = opened.length
    return new RecordCursor(chunk)
  }

  /** For an index of the segment, of which there may be several in its time: nonce | ciphertext | tag. */
  encryptIndex(plain: Uint8Array, aad: Uint8Array): Uint8Array {
    const nonce = this.#randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(this.#algorithm, this.#keys.index, nonce, OPTIONS)
    cipher.setAAD(aad, { plaintextLength: plain.length })
    const parts = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
    return Buffer.concat(parts)
  }

  /** undefined when it is not what was encrypted. */
  decryptIndex(sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
    const end = sealed.length - TAG_BYTES
    if (end < NONCE_BYTES) return undefined
    const nonce = viewOf(sealed, 0, NONCE_BYTES)
    const decipher = createDecipheriv(this.#algorithm, this.#keys.index, nonce, OPTIONS)
    decipher.setAAD(aad, { plaintextLength: end - NONCE_BYTES })
    decipher.setAuthTag(viewOf(sealed, end, TAG_BYTES))
    try {
      const plain = decipher.update(viewOf(sealed, NONCE_BYTES, end - NONCE_BYTES))
      decipher.final()
      return plain
    } catch {
      return undefined
    }
  }
}

function fixedFields(bytes: Uint8Array, at: number): Uint8Array {
  return viewOf(bytes, at + AAD_START, RECORD_HEADER_BYTES - AAD_START)
}

/** A plain view: a Buffer's takes twice as long to make. */
function viewOf(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
}
