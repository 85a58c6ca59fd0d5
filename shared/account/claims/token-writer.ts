import { createHash } from 'node:crypto'
import { encodeBase32 } from '../nkey.ts'

/** Who signs: a server, with the nkey that it has for its identity. */
export interface TokenSigner {
  /** Public nkey. */
  readonly id: string
  /** Base64url without padding. */
  sign(bytes: Uint8Array): string
}

/** What a token says beside its claims; absent members are left out. */
export interface TokenHead {
  readonly subject: string
  readonly audience?: string
  readonly name?: string
  /** Seconds since the Unix epoch. */
  readonly expires?: number
  readonly issuedAt: number
}

const HEADER = Buffer.from('{"typ":"JWT","alg":"ed25519-nkey"}').toString('base64url')

/** `jti` is base32 of SHA-512/256 over the head without it, as NATS' libraries make it. */
export function encodeToken(
  head: TokenHead,
  type: string,
  claims: Readonly<Record<string, unknown>>,
  signer: TokenSigner,
): string {
  const { audience: aud, expires: exp, issuedAt: iat, name, subject: sub } = head
  const plain = { aud, exp, iat, iss: signer.id, name, sub }
  const digest = createHash('sha512-256').update(JSON.stringify(plain)).digest()
  const whole = { ...plain, jti: encodeBase32(digest), nats: { ...claims, type, version: 2 } }
  const signed = `${HEADER}.${Buffer.from(JSON.stringify(whole)).toString('base64url')}`
  return `${signed}.${signer.sign(Buffer.from(signed))}`
}
