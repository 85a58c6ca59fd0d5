/** A file that holds one secret and is kept as one. */
import { open } from 'node:fs/promises'
import { messageOf, PetioleError } from './petiole-error.ts'

const OTHERS_READ = 0o004
const MODE_BITS = 0o777

/**
 * The bytes of the file without the line end behind them. Rejects when it cannot be read, or when everybody
 * can read it.
 */
export async function readSecretFile(file: string): Promise<Uint8Array> {
  let mode: number
  let bytes: Buffer
  try {
    const handle = await open(file, 'r')
    try {
      mode = (await handle.stat()).mode
      bytes = await handle.readFile()
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw new PetioleError(
      'PETIOLE_SECRET_UNREADABLE',
      `secret file ${file} cannot be read (${messageOf(error)}): give this user the right to read it`,
      { cause: error },
    )
  }
  if ((mode & OTHERS_READ) !== 0) {
    const bits = (mode & MODE_BITS).toString(8)
    throw new PetioleError(
      'PETIOLE_SECRET_EXPOSED',
      `secret file ${file} can be read by everybody (mode ${bits}): run chmod o-rwx on it`,
    )
  }
  return withoutLineEnd(bytes)
}

function withoutLineEnd(bytes: Buffer): Uint8Array {
  let end = bytes.length
  if (bytes[end - 1] === 0x0a) end--
  if (bytes[end - 1] === 0x0d) end--
  return bytes.subarray(0, end)
}
