/**
 * The keys of a store: the one that is written with, and the one before it, that can only be read with
 * any more. A master key encrypts nothing itself; each segment has keys of its own, derived from it, from the
 * segment's random salt and its id. A key is named by its id, which tells nothing else of it.
 */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { PetioleError, type Random } from '../../runtime/index.ts'
import { KEY_BYTES_MIN } from '../limits.ts'
import { type CipherHeader, type CipherName, SegmentCipher } from './segment-cipher.ts'

const KEY_BYTES = 32
const KEY_ID_BYTES = 8
export const CIPHER_SALT_BYTES = 32
const NO_BYTES = new Uint8Array(0)

export interface StoreEncryption {
  /** Default: `aes`. */
  readonly cipher?: CipherName
  /** Everything is written with it; undefined: nothing is encrypted any more. */
  readonly key?: Uint8Array
  /** What was written with it is still read, and written again. */
  readonly previousKey?: Uint8Array
}

interface MasterKey {
  readonly id: string
  readonly secret: Uint8Array
}

export class Keyring {
  readonly cipher: CipherName
  readonly #current: MasterKey | undefined
  readonly #keys: readonly MasterKey[]
  readonly #random: Random

  constructor({ cipher = 'aes', key, previousKey }: StoreEncryption, random: Random) {
    this.cipher = cipher
    this.#current = key === undefined ? undefined : masterKey(key)
    const previous = previousKey === undefined ? undefined : masterKey(previousKey)
    this.#keys = [this.#current, previous].filter((one) => one !== undefined)
    this.#random = random
  }

  /** Of the key that is written with; undefined when nothing is encrypted. */
  get keyId(): string | undefined {
    return this.#current?.id
  }

  get keyIds(): readonly string[] {
    return this.#keys.map(({ id }) => id)
  }

  /** For a new segment file; undefined when it is not to be encrypted. */
  newCipher(segmentId: number): SegmentCipher | undefined {
    if (this.#current === undefined) return undefined
    const salt = this.#random.bytes(CIPHER_SALT_BYTES)
    return this.cipherOf(segmentId, { cipher: this.cipher, keyId: this.#current.id, salt })
  }

  /** undefined when its key is not here. */
  cipherOf(segmentId: number, header: CipherHeader): SegmentCipher | undefined {
    const master = this.#keys.find(({ id }) => id === header.keyId)
    if (master === undefined) return undefined
    const keyFor = (use: string): KeyObject =>
      createSecretKey(derive(master.secret, header.salt, `petiole ${use} ${segmentId}`, KEY_BYTES))
    const keys = { records: keyFor('records'), index: keyFor('index') }
    return new SegmentCipher(header, keys, (size) => this.#random.bytes(size))
  }

  /** Whether this is how segments are written now. */
  isCurrent(header: CipherHeader | undefined): boolean {
    if (header === undefined) return this.#current === undefined
    return header.keyId === this.#current?.id && header.cipher === this.cipher
  }
}

function masterKey(secret: Uint8Array): MasterKey {
  if (secret.length < KEY_BYTES_MIN) {
    throw new PetioleError(
      'PETIOLE_STORE_KEY',
      `an encryption key of ${secret.length} bytes is too short, it must have ${KEY_BYTES_MIN} at least: take a random one, such as openssl rand -base64 32 makes`,
    )
  }
  const id = derive(secret, NO_BYTES, 'petiole key id', KEY_ID_BYTES)
  return { id: id.toString('hex'), secret: new Uint8Array(secret) }
}

function derive(secret: Uint8Array, salt: Uint8Array, info: string, size: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, info, size))
}
