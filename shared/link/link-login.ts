import { readCredentials, readNkeySeed, type SigningCredentials } from '../account/index.ts'
import { type Disk, messageOf, PetioleError } from '../runtime/index.ts'

/** What a remote logs in with besides its URL: a user's JWT and key, or a key alone. */
export type LinkLogin = SigningCredentials

const SEED = /^SU[A-Z2-7]{56}$/

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
    return await readFrom(disk, 'credentials', credentials, readCredentials)
  }
  if (nkey === '') return undefined
  if (SEED.test(nkey)) return parsed('nkey', 'of the configuration', nkey, readNkeySeed)
  return await readFrom(disk, 'nkey', nkey, readNkeySeed)
}

async function readFrom(
  disk: Disk,
  key: string,
  file: string,
  read: (text: string) => LinkLogin,
): Promise<LinkLogin> {
  let text: string
  try {
    text = Buffer.from(await disk.readFile(file)).toString('latin1')
  } catch (cause) {
    throw invalid(key, file, `cannot be read: ${messageOf(cause)}`, cause)
  }
  return parsed(key, file, text, read)
}

function parsed(
  key: string,
  place: string,
  text: string,
  read: (text: string) => LinkLogin,
): LinkLogin {
  try {
    return read(text)
  } catch (cause) {
    throw invalid(key, place, `cannot be used: ${messageOf(cause)}`, cause)
  }
}

function invalid(key: string, place: string, reason: string, cause?: unknown): PetioleError {
  return new PetioleError('PETIOLE_LINK_LOGIN', `${key} ${place} ${reason}`, { cause })
}
