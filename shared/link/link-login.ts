import { fromSeed } from '@nats-io/nkeys'
import { type Disk, messageOf, PetioleError } from '../runtime/index.ts'

/** What a remote logs in with besides its URL: a user's JWT and key, or a key alone. */
export interface LinkLogin {
  /** '' for a plain nkey. */
  readonly jwt: string
  readonly nkey: string
  /** Of the nonce in INFO, base64url without padding. */
  sign(nonce: string): string
}

const JWT_BLOCK = /-{3,}BEGIN NATS USER JWT-{3,}\s+([\w.-]+)\s+-{3,}END NATS USER JWT-{3,}/
const USER_SEED = /\b(SU[A-Z2-7]{56})\b/

/**
 * Reads a remote's `credentials` file, or its `nkey`: a seed, or the file that holds one. It is read
 * again for each dial, since credentials get renewed while a leaf runs. Rejects with
 * PETIOLE_LINK_LOGIN, which names the file and no secret.
 */
export async function readLogin(
  disk: Disk,
  { credentials, nkey }: { readonly credentials: string; readonly nkey: string },
): Promise<LinkLogin | undefined> {
  if (credentials !== '') {
    const text = await readText(disk, 'credentials', credentials)
    const jwt = JWT_BLOCK.exec(text)?.[1]
    if (jwt === undefined) throw invalid('credentials', credentials, 'holds no user JWT')
    return loginOf(jwt, text, 'credentials', credentials)
  }
  if (nkey === '') return undefined
  if (USER_SEED.test(nkey)) return loginOf('', nkey, 'nkey', 'of the configuration')
  return loginOf('', await readText(disk, 'nkey', nkey), 'nkey', nkey)
}

function loginOf(jwt: string, text: string, key: string, place: string): LinkLogin {
  const seed = USER_SEED.exec(text)?.[1]
  if (seed === undefined) throw invalid(key, place, 'holds no user seed (SU…)')
  try {
    const pair = fromSeed(Buffer.from(seed))
    return {
      jwt,
      nkey: pair.getPublicKey(),
      sign: (nonce) => Buffer.from(pair.sign(Buffer.from(nonce))).toString('base64url'),
    }
  } catch (cause) {
    throw invalid(key, place, 'holds a damaged user seed', cause)
  }
}

async function readText(disk: Disk, key: string, file: string): Promise<string> {
  try {
    return Buffer.from(await disk.readFile(file)).toString('latin1')
  } catch (cause) {
    throw invalid(key, file, `cannot be read: ${messageOf(cause)}`, cause)
  }
}

function invalid(key: string, place: string, reason: string, cause?: unknown): PetioleError {
  return new PetioleError('PETIOLE_LINK_LOGIN', `${key} ${place} ${reason}`, { cause })
}
