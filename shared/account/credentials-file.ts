import { createPrivateKey, createPublicKey, sign as signEd25519 } from 'node:crypto'
import { PetioleError } from '../runtime/index.ts'
import { crc16, decodeBase32, encodeNkey, isKeyKind, type KeyKind } from './nkey.ts'

/** What logs in at another server: a leaf at its hub. */
export interface SigningCredentials {
  /** '' when an nkey alone logs in. */
  readonly jwt: string
  /** The public nkey. */
  readonly nkey: string
  /** Of the bytes of the nonce; base64url without padding. */
  sign(nonce: string): string
}

const JWT_BLOCK = /-{3,}BEGIN NATS USER JWT-{3,}\s+(\S+)\s+-{3,}END NATS USER JWT-{3,}/
const SEED_BLOCK = /-{3,}BEGIN [A-Z ]*NKEY SEED-{3,}\s+(\S+)\s+-{3,}END [A-Z ]*NKEY SEED-{3,}/

/** ASN.1 in front of a raw Ed25519 key [RFC 8410]. */
const PRIVATE_KEY_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')

const SEED_TEXT_LENGTH = 58
const SEED_BYTES = 32
const SEED_KIND = 18 << 3

/**
 * A `.creds` file: a user's JWT and the seed of its nkey, each between lines that name it. Throws
 * PETIOLE_CREDENTIALS_INVALID, which never shows what the file holds.
 */
export function readCredentials(text: string): SigningCredentials {
  const jwt = JWT_BLOCK.exec(text)?.[1]
  const seed = SEED_BLOCK.exec(text)?.[1]
  if (jwt === undefined) throw invalid('there is no NATS USER JWT in it')
  if (seed === undefined) throw invalid('there is no USER NKEY SEED in it')
  return { ...readSeed(seed), jwt }
}

/** The seed of a user's nkey, alone or decorated as in a `.creds` file. Throws PETIOLE_CREDENTIALS_INVALID. */
export function readNkeySeed(text: string): SigningCredentials {
  return { ...readSeed(SEED_BLOCK.exec(text)?.[1] ?? text.trim()), jwt: '' }
}

function readSeed(seed: string): Omit<SigningCredentials, 'jwt'> {
  const bytes = seed.length === SEED_TEXT_LENGTH ? decodeBase32(seed) : undefined
  const end = 2 + SEED_BYTES
  if (bytes === undefined || crc16(bytes.subarray(0, end)) !== bytes.readUInt16LE(end)) {
    throw invalid('the seed is not one of an nkey')
  }
  const [first = 0, second = 0] = bytes
  const kind = keyKindOf(((first & 7) << 5) | (second >> 3))
  if ((first & 0xf8) !== SEED_KIND || kind !== 'U') throw invalid('the seed is not one of a user')
  const key = createPrivateKey({
    key: Buffer.concat([PRIVATE_KEY_HEAD, bytes.subarray(2, end)]),
    format: 'der',
    type: 'pkcs8',
  })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return {
    nkey: encodeNkey(kind, spki.subarray(-SEED_BYTES)),
    sign: (nonce) => signEd25519(null, Buffer.from(nonce), key).toString('base64url'),
  }
}

function keyKindOf(prefix: number): KeyKind | undefined {
  const letter = String.fromCharCode('A'.charCodeAt(0) + (prefix >> 3))
  return (prefix & 7) === 0 && isKeyKind(letter) ? letter : undefined
}

function invalid(problem: string): PetioleError {
  return new PetioleError('PETIOLE_CREDENTIALS_INVALID', `credentials: ${problem}`)
}
