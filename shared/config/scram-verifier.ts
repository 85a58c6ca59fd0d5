/** What proves a password without saying it [RFC 5802, 3], read from the form in which PostgreSQL writes it. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

export const SCRAM_VERIFIER_START = 'SCRAM-SHA-256$'

/** [RFC 7677, 4] asks for no fewer; the upper bound is what one login may cost. */
export const SCRAM_ITERATIONS_MIN = 4_096
export const SCRAM_ITERATIONS_MAX = 1_000_000

export const SCRAM_SALT_BYTES_MAX = 64
const KEY_BYTES = 32

const FORM = /^SCRAM-SHA-256\$(\d{1,7}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/

/** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, the last three in base64; undefined: none. */
export function parseScramVerifier(text: string): ScramVerifier | undefined {
  const match = FORM.exec(text)
  if (match === null) return undefined
  const iterations = Number(match[1])
  const [salt, storedKey, serverKey] = match.slice(2).map((part) => Buffer.from(part, 'base64'))
  if (salt === undefined || storedKey === undefined || serverKey === undefined) return undefined
  if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX) return undefined
  if (salt.length === 0 || salt.length > SCRAM_SALT_BYTES_MAX) return undefined
  if (storedKey.length !== KEY_BYTES || serverKey.length !== KEY_BYTES) return undefined
  return { iterations, salt, storedKey, serverKey }
}
