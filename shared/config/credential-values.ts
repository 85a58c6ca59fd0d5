/** Keys and tokens as they stand in a file. Their forms are checked here, their signatures where they are used. */
import { fromPublic, fromSeed } from '@nats-io/nkeys'
import { type Reading, reading, shown } from './values.ts'

/** The first letter of a public nkey says what it is of. */
const KINDS = {
  U: 'user',
  A: 'account',
  O: 'operator',
  X: 'curve',
} as const

/** A public nkey of one kind. Like the other keys and tokens here it may be '', which is none. */
export function publicKey(letter: keyof typeof KINDS) {
  return reading<string>((input) => (input === '' ? { value: '' } : readKey(input, letter)))
}

/** A public nkey of any kind. */
export function anyPublicKey() {
  return reading<string>((input) =>
    typeof input === 'string' && isPublicKey(input)
      ? { value: input }
      : { fault: `must be a public nkey, not ${shown(input)}` },
  )
}

/** Public nkeys of one kind, a single one or a list. */
export function publicKeys(letter: keyof typeof KINDS) {
  return reading<readonly string[]>((input) => {
    const read = (Array.isArray(input) ? input : [input]).map((key) => readKey(key, letter))
    const fault = read.find((result) => 'fault' in result)
    if (fault !== undefined && 'fault' in fault) return fault
    return { value: read.flatMap((result) => ('value' in result ? [result.value] : [])) }
  })
}

/** The seed of a user's nkey. What is wrong is not shown: it may be almost right. */
export function userSeed() {
  return reading<string>((input) =>
    typeof input === 'string' && (input === '' || isUserSeed(input))
      ? { value: input }
      : { fault: 'must be the seed of a user nkey, which begins with SU' },
  )
}

const KEY_BYTES_MIN = 16

/** A key that the store is encrypted with. What is wrong is not shown. */
export function encryptionKey() {
  return reading<string>((input) =>
    typeof input === 'string' && Buffer.byteLength(input) >= KEY_BYTES_MIN
      ? { value: input }
      : {
          fault: `must be a string of ${KEY_BYTES_MIN} bytes at least: take a random one, such as openssl rand -base64 32 makes`,
        },
  )
}

/** A JWT, whole: header, claims and signature. */
export function token() {
  return reading<string>((input) =>
    typeof input === 'string' && (input === '' || claimsOf(input) !== undefined)
      ? { value: input.trim() }
      : { fault: 'must be a JWT, which begins with eyJ' },
  )
}

export function isPublicKey(text: string, letter = ''): boolean {
  if (!text.startsWith(letter) || text.startsWith('S') || text.startsWith('P')) return false
  try {
    return fromPublic(text).getPublicKey() === text
  } catch {
    return false
  }
}

/** What a JWT says, unverified; undefined when it is none. */
export function claimsOf(jwt: string): Readonly<Record<string, unknown>> | undefined {
  const parts = jwt.trim().split('.')
  if (parts.length !== 3 || !jwt.trim().startsWith('eyJ')) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'))
    if (typeof claims !== 'object' || claims === null) return undefined
    return claims as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
}

function readKey(input: unknown, letter: keyof typeof KINDS): Reading<string> {
  if (typeof input === 'string' && isPublicKey(input, letter)) return { value: input }
  const kind = KINDS[letter]
  return {
    fault: `must be a public ${kind} nkey, which begins with ${letter}, not ${shown(input)}`,
  }
}

function isUserSeed(text: string): boolean {
  try {
    return text.startsWith('SU') && fromSeed(new TextEncoder().encode(text)) !== undefined
  } catch {
    return false
  }
}
