import { createPublicKey, type KeyObject, verify } from 'node:crypto'

/**
 * Public nkeys and their signatures. In text an nkey is base32 without padding of
 *
 *     kind (1 byte, which makes the first letter) | key (32) | CRC-16/XMODEM of both, little endian (2)
 *
 * Node's Ed25519 verifies, because a server verifies one or more signatures for every client that
 * comes back after an outage, and the nkeys library takes some ten times as long.
 */
export type KeyKind = 'A' | 'C' | 'N' | 'O' | 'U' | 'X'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const TEXT_LENGTH = 56
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** Letters are 5 bits, kinds 8: those without a letter of the first two values would not begin with it. */
const KIND_SHIFT = 3

/** ASN.1 in front of a raw Ed25519 key [RFC 8410]. */
const PUBLIC_KEY_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

export function isKeyKind(letter: string): letter is KeyKind {
  return 'ACNOUX'.includes(letter) && letter.length === 1
}

/** A public nkey in text. */
export function encodeNkey(kind: KeyKind, raw: Uint8Array): string {
  const bytes = Buffer.alloc(1 + KEY_BYTES + 2)
  bytes[0] = ALPHABET.indexOf(kind) << KIND_SHIFT
  bytes.set(raw, 1)
  bytes.writeUInt16LE(crc16(bytes.subarray(0, 1 + KEY_BYTES)), 1 + KEY_BYTES)
  return encodeBase32(bytes)
}

/** Whether `text` is a public nkey of that kind, its check sum included. */
export function isPublicKey(text: string, kind: KeyKind): boolean {
  return rawKey(text, kind) !== undefined
}

/** The 32 bytes of a public nkey; undefined when it is none, or of another kind. */
export function rawKey(text: string, kind: KeyKind): Buffer | undefined {
  if (text.length !== TEXT_LENGTH || text[0] !== kind) return undefined
  const bytes = decodeBase32(text)
  if (bytes === undefined || bytes[0] !== ALPHABET.indexOf(kind) << KIND_SHIFT) return undefined
  const end = 1 + KEY_BYTES
  return crc16(bytes.subarray(0, end)) === bytes.readUInt16LE(end)
    ? bytes.subarray(1, end)
    : undefined
}

/** Whether the holder of `publicKey` signed `message`. Nothing in the arguments makes it throw. */
export function isSignedBy(
  publicKey: string,
  kind: KeyKind,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  const raw = rawKey(publicKey, kind)
  if (raw === undefined) return false
  try {
    return verify(null, message, keyObject(raw), signature)
  } catch {
    return false
  }
}

/**
 * A signature as CONNECT carries it: base64url without padding, or plain base64. undefined when it is
 * not 64 bytes in either.
 */
export function decodeSignature(text: string): Buffer | undefined {
  if (!/^(?:[A-Za-z0-9_-]{86}|[A-Za-z0-9+/]{86}==)$/.test(text)) return undefined
  return Buffer.from(text, 'base64')
}

/** Whether the signature in a CONNECT is one of the nonce that INFO carried. */
export function isNonceSigned(
  publicKey: string,
  kind: KeyKind,
  nonce: string | undefined,
  signature: string | undefined,
): boolean {
  // Without a nonce of ours there is nothing that an older signature could not have been made for.
  if (nonce === undefined || nonce === '' || signature === undefined) return false
  const bytes = decodeSignature(signature)
  return bytes !== undefined && isSignedBy(publicKey, kind, Buffer.from(nonce), bytes)
}

function keyObject(raw: Buffer): KeyObject {
  const key = Buffer.concat([PUBLIC_KEY_HEAD, raw])
  return createPublicKey({ key, format: 'der', type: 'spki' })
}

/** undefined when a letter is none of the alphabet, or bits that stand for nothing are set. */
export function decodeBase32(text: string): Buffer | undefined {
  const bytes = Buffer.alloc((text.length * 5) >> 3)
  let value = 0
  let bits = 0
  let at = 0
  for (const letter of text) {
    const five = ALPHABET.indexOf(letter)
    if (five < 0) return undefined
    value = ((value << 5) | five) & 0xffff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes[at++] = (value >> bits) & 0xff
  }
  return (value & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

/** Without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  let text = ''
  let value = 0
  let bits = 0
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff
    bits += 8
    for (; bits >= 5; bits -= 5) text += ALPHABET[(value >> (bits - 5)) & 31]
  }
  return bits === 0 ? text : text + ALPHABET[(value << (5 - bits)) & 31]
}

/** CRC-16/XMODEM. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0
  for (const byte of bytes) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) {
      crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff
    }
  }
  return crc
}
