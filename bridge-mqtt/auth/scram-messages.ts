import { checkUtf8 } from '../codec/index.ts'
import { SCRAM_MESSAGE_BYTES_MAX } from './limits.ts'

/** The client's first message [RFC 5802, 7]: `n,,n=user,r=nonce`. */
export interface ClientFirst {
  /** What the second message has to repeat in `c=`. */
  readonly gs2Header: string
  /** All behind that header, as it was sent: both proofs are made of it. */
  readonly bare: string
  readonly user: string
  /** Whom the user wants to be; '' for himself. */
  readonly actsAs: string
  readonly nonce: string
}

/** The client's second message: `c=biws,r=nonces,p=proof`. */
export interface ClientFinal {
  readonly withoutProof: string
  readonly channelBinding: string
  readonly nonce: string
  readonly proof: Uint8Array
}

/**
 * Extensions may stand behind what there must be; nobody knows any, and they count for the proof only. A proof is
 * 32 bytes, of which there is one base64 text: two bits of its last character are always 0.
 */
const FIRST = /^(([ny]),(?:a=([^,]+))?,)(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]+)*)$/u
const FINAL =
  /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,[A-Za-z]=[^,]+)*),p=([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)$/u

/**
 * undefined: no such message. Nor is one that asks for channel binding (`p=`), which a method without `-PLUS`
 * has not, or for an extension that both must know (`m=`).
 */
export function parseClientFirst(bytes: Uint8Array): ClientFirst | undefined {
  const match = FIRST.exec(textOf(bytes) ?? '')
  if (match === null) return undefined
  const [, gs2Header = '', , alias, bare = '', name = '', nonce = ''] = match
  const user = unescaped(name)
  const actsAs = alias === undefined ? '' : unescaped(alias)
  if (user === undefined || actsAs === undefined) return undefined
  return { gs2Header, bare, user, actsAs, nonce }
}

/** undefined: no such message. */
export function parseClientFinal(bytes: Uint8Array): ClientFinal | undefined {
  const match = FINAL.exec(textOf(bytes) ?? '')
  if (match === null) return undefined
  const [, withoutProof = '', channelBinding = '', nonce = '', proof = ''] = match
  return { withoutProof, channelBinding, nonce, proof: Buffer.from(proof, 'base64') }
}

/** Strings of MQTT's kind: well-formed UTF-8 without U+0000. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.length > SCRAM_MESSAGE_BYTES_MAX) return undefined
  return checkUtf8(bytes, 0, bytes.length) === undefined ? Buffer.from(bytes).toString() : undefined
}

/** A comma and an equals sign are `=2C` and `=3D`; another `=` makes it no name. */
function unescaped(name: string): string | undefined {
  if (/=(?!2C|3D)/.test(name)) return undefined
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=')
}
