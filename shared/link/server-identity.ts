import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { fromPublic, fromSeed } from '@nats-io/nkeys'
import { type Disk, messageOf, PetioleError, type Random } from '../runtime/index.ts'
import { type MendedFile, readIdentity, writeIdentity } from './identity-files.ts'

/**
 * Who a server is: an nkey of the server kind (`N…`), made at its first start and kept in its store
 * directory, one line with the seed (`SN…`) [identity-files.ts]. The name of a server is the operator's
 * and may be given twice; the identity is what tells a leaf that redials from another one under its
 * name. It is public but for the seed. Signatures are Ed25519 over bytes that the other side chose.
 *
 * Node's own Ed25519 signs and verifies, since a hub verifies one signature for every leaf that
 * comes back after an outage, and the nkeys library takes some ten times as long.
 */
const SEED_BYTES = 32
/** Prefix, seed and checksum in base32. */
const SEED_LETTERS = Math.ceil(((2 + SEED_BYTES + 2) * 8) / 5)
const SERVER_PREFIX = 13 << 3
const SEED_PREFIX = 18 << 3

/** ASN.1 in front of a raw Ed25519 key [RFC 8410]. */
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const PUBLIC_KEY_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

export class ServerIdentity {
  /** The public key, 56 characters from `N`; INFO `server_id`. */
  readonly id: string
  readonly #key: KeyObject

  private constructor(seed: string) {
    // The library knows what a seed is; what follows from it, Node finds faster.
    fromSeed(Buffer.from(seed))
    const raw = decodeBase32(seed).subarray(2, 2 + SEED_BYTES)
    this.#key = createPrivateKey({
      key: Buffer.concat([PRIVATE_KEY_HEAD, raw]),
      format: 'der',
      type: 'pkcs8',
    })
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.id = encodePublic(publicKey.subarray(-SEED_BYTES))
  }

  /**
   * Reads the identity of a store directory, or makes one when it has none.
   * @param onMended told of each file that was damaged or gone while the other one holds
   */
  static async load(
    disk: Disk,
    random: Random,
    storeDirectory: string,
    onMended: (mended: MendedFile) => void = () => {},
  ): Promise<ServerIdentity> {
    const found = await readIdentity(disk, storeDirectory, isSeed)
    if (found.seed === undefined) {
      const seed = encodeSeed(random.bytes(SEED_BYTES))
      await disk.makeDirectory(storeDirectory)
      await writeIdentity(disk, storeDirectory, seed)
      return new ServerIdentity(seed)
    }
    const identity = ServerIdentity.#fromFile(found.seed, found.path)
    for (const mended of found.stale) {
      try {
        await writeIdentity(disk, storeDirectory, found.seed, [mended.file])
        onMended(mended)
      } catch (error) {
        // A disk that is full is no reason not to start.
        onMended({ ...mended, error })
      }
    }
    return identity
  }

  /** An identity that is kept nowhere: for servers without a store, and tests. */
  static create(random: Random): ServerIdentity {
    return new ServerIdentity(encodeSeed(random.bytes(SEED_BYTES)))
  }

  static #fromFile(seed: string, path: string): ServerIdentity {
    try {
      if (!isSeed(seed)) throw new Error('it does not hold the seed of a server nkey (SN…)')
      return new ServerIdentity(seed)
    } catch (cause) {
      throw new PetioleError(
        'PETIOLE_IDENTITY_INVALID',
        `${path} is not a server identity: ${messageOf(cause)}. Its copy (${path}.copy) does not hold ` +
          'either. Restore one of them from a backup, or remove both: a new one is made at the next start, and the hub then sees this server as a stranger',
        { cause },
      )
    }
  }

  /** Base64url without padding, as all signatures in CONNECT. */
  sign(bytes: Uint8Array): string {
    return sign(null, bytes, this.#key).toString('base64url')
  }
}

/** Whether `signature` (base64url or base64) over `bytes` was made by the server `id`. */
export function verifySignature(id: string, bytes: Uint8Array, signature: string): boolean {
  try {
    if (!id.startsWith('N')) return false
    fromPublic(id)
    const raw = decodeBase32(id).subarray(1, 1 + SEED_BYTES)
    const key = createPublicKey({
      key: Buffer.concat([PUBLIC_KEY_HEAD, raw]),
      format: 'der',
      type: 'spki',
    })
    return verify(null, bytes, key, Buffer.from(signature, 'base64'))
  } catch {
    return false
  }
}

/** Whether it is a whole seed of a server: as text it has one form, and its checksum is that of its bytes. */
function isSeed(text: string): boolean {
  if (!text.startsWith('SN') || text.length !== SEED_LETTERS) return false
  if ([...text].some((letter) => !BASE32.includes(letter))) return false
  return encodeSeed(decodeBase32(text).subarray(2, 2 + SEED_BYTES)) === text
}

/** Prefix and kind share two bytes, so that the text reads `SN…` [nkeys]. */
function encodeSeed(raw: Uint8Array): string {
  const bytes = Buffer.alloc(SEED_BYTES + 4)
  bytes[0] = SEED_PREFIX | (SERVER_PREFIX >> 5)
  bytes[1] = (SERVER_PREFIX & 31) << 3
  bytes.set(raw, 2)
  bytes.writeUInt16LE(crc16(bytes.subarray(0, SEED_BYTES + 2)), SEED_BYTES + 2)
  return encodeBase32(bytes)
}

function encodePublic(raw: Uint8Array): string {
  const bytes = Buffer.alloc(1 + SEED_BYTES + 2)
  bytes[0] = SERVER_PREFIX
  bytes.set(raw, 1)
  bytes.writeUInt16LE(crc16(bytes.subarray(0, 1 + SEED_BYTES)), 1 + SEED_BYTES)
  return encodeBase32(bytes)
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) {
      crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff
    }
  }
  return crc
}

function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    bits += 8
    for (; bits >= 5; bits -= 5) text += BASE32[(value >> (bits - 5)) & 31]
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31]
}

function decodeBase32(text: string): Buffer {
  const bytes: number[] = []
  let value = 0
  let bits = 0
  for (const letter of text) {
    value = ((value << 5) | BASE32.indexOf(letter)) & 0xffff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((value >> bits) & 0xff)
  }
  return Buffer.from(bytes)
}
