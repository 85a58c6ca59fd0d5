/** What is said of a store whose key is not here: which key is wanted, by which files, and what to do. */
import { type Disk, PetioleError } from '../../runtime/index.ts'
import { readAround } from '../read-around.ts'
import { segmentIdsOf, segmentPath } from '../segment.ts'
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES_MAX } from '../segment-header.ts'
import { readHeads } from '../segment-heads.ts'
import type { Keyring } from './keyring.ts'

/** Segments by the key that they need, and that is not here. */
export async function lockedSegments(
  disk: Disk,
  journalDirectory: string,
  keys: Keyring,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const locked = new Map<string, number[]>()
  const { headers } = await readHeads(disk, journalDirectory)
  for (const id of segmentIdsOf(await disk.list(journalDirectory))) {
    const path = segmentPath(journalDirectory, id)
    const file = await disk.open(path, 'read')
    try {
      const head = new Uint8Array(SEGMENT_HEADER_BYTES_MAX)
      const header = decodeSegmentHeader(
        head.subarray(0, (await readAround(file, head, 0)).bytes),
        path,
      )
      const keyId = (header ?? headers.get(id))?.encryption?.keyId
      if (keyId === undefined || keys.keyIds.includes(keyId)) continue
      const ids = locked.get(keyId)
      if (ids === undefined) locked.set(keyId, [id])
      else ids.push(id)
    } finally {
      await file.close()
    }
  }
  return locked
}

const CONFIGURE = 'configure that key as jetstream.key, or as jetstream.prev_key beside a new one'

/** @param advice how the key is given to whoever wants it */
export async function missingKeys(
  disk: Disk,
  journalDirectory: string,
  keys: Keyring,
  advice = CONFIGURE,
): Promise<PetioleError> {
  const locked = await lockedSegments(disk, journalDirectory, keys)
  const wanted = [...locked].map(([keyId, ids]) => {
    const file = segmentPath(journalDirectory, ids[0] as number)
    return `key ${keyId} for ${ids.length} segment${ids.length === 1 ? '' : 's'}, the first is ${file}`
  })
  const given = keys.keyIds.length === 0 ? 'none is configured' : `given: ${keys.keyIds.join(', ')}`
  return new PetioleError(
    'PETIOLE_STORE_KEY',
    `the store is encrypted and its key is missing (wanted: ${wanted.join('; ')}; ${given}); nothing was changed: ${advice}`,
  )
}
