/**
 * One S2 block: `uvarint length of what it decodes to | elements`. Facts from the format's description and
 * decoder in klauspost/compress.
 */
import { PetioleError } from '../../runtime/index.ts'
import { decodeS2Elements } from '../../store/index.ts'

const LENGTH_BYTES_MAX = 5
const NO_DICTIONARY = new Uint8Array(0)

/** Throws PETIOLE_BACKUP_INVALID, also when it would decode to more than `bytesMax`. */
export function decodeS2Block(source: Uint8Array, bytesMax: number): Uint8Array {
  let length = 0
  let at = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = source[at++]
    if (byte === undefined) corrupt('a block that ends in the middle')
    length += (byte & 127) * scale
    if (byte < 128) break
    if (at === LENGTH_BYTES_MAX) corrupt('a block that is too large')
  }
  if (length > bytesMax) corrupt('a block that is too large')
  const out = new Uint8Array(length)
  if (!decodeS2Elements(source, at, out, NO_DICTIONARY)) corrupt('a block that does not decode')
  return out
}

export function corrupt(what: string): never {
  throw new PetioleError('PETIOLE_BACKUP_INVALID', `corrupt input: ${what}`)
}
