import { generateKeyPairSync } from 'node:crypto'
import { fromCurveSeed, type KeyPair } from '@nats-io/nkeys'
import { crc16, encodeBase32, encodeNkey } from './nkey.ts'

const KEY_BYTES = 32
/** Prefix and kind share two bytes, so that the text reads `SX…` [nkeys]. */
const SEED_PREFIX = 18 << 3
const CURVE_PREFIX = 23 << 3

/**
 * A server's curve key for auth callouts. INFO names it in every server, so Node's X25519 makes it; the
 * nkeys library, which takes a hundred times as long, is asked when something is sealed for the first time.
 */
export class CurveKey {
  /** `X…` */
  readonly publicKey: string
  readonly #secret: Uint8Array
  #pair: KeyPair | undefined

  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('x25519', {
      publicKeyEncoding: { format: 'der', type: 'spki' },
      privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    })
    // The key is what both structures end with [RFC 8410].
    this.publicKey = encodeNkey('X', publicKey.subarray(-KEY_BYTES))
    this.#secret = privateKey.subarray(-KEY_BYTES)
  }

  /** For the holder of the curve key `to`. */
  seal(plain: Uint8Array, to: string): Uint8Array {
    return this.#nkey.seal(plain, to)
  }

  /** null when `from` did not seal it, or not for this key. */
  open(sealed: Uint8Array, from: string): Uint8Array | null {
    return this.#nkey.open(sealed, from)
  }

  get #nkey(): KeyPair {
    this.#pair ??= fromCurveSeed(Buffer.from(seedOf(this.#secret)))
    return this.#pair
  }
}

function seedOf(secret: Uint8Array): string {
  const bytes = Buffer.alloc(2 + KEY_BYTES + 2)
  bytes[0] = SEED_PREFIX | (CURVE_PREFIX >> 5)
  bytes[1] = (CURVE_PREFIX & 31) << 3
  bytes.set(secret, 2)
  bytes.writeUInt16LE(crc16(bytes.subarray(0, 2 + KEY_BYTES)), 2 + KEY_BYTES)
  return encodeBase32(bytes)
}
