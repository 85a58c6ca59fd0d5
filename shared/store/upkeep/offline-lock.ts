/** Keeps servers away from a store that is read or repaired. */
import * as path from 'node:path'
import { codeOf, messageOf, PetioleError } from '../../runtime/index.ts'
import { CARD_FILE } from '../store-card.ts'
import type { OfflineOptions } from './offline-store.ts'

/** Takes the lock of a store, which must be one; rejects when a server has it open. */
export async function lockOffline({
  disk,
  directory,
}: OfflineOptions): Promise<() => Promise<void>> {
  const names = await disk.list(directory).catch((error: unknown) => {
    throw notAStore(directory, messageOf(error))
  })
  if (!names.includes(CARD_FILE) && !names.includes('journal')) {
    throw notAStore(directory, 'it has no store.json and no journal')
  }
  try {
    return await disk.lock(path.join(directory, 'lock'))
  } catch (error) {
    if (codeOf(error) !== 'PETIOLE_STORE_LOCKED') {
      throw new PetioleError(
        'PETIOLE_STORE_UNWRITABLE',
        `${directory} cannot be locked (${messageOf(error)}): make it writable, or look at a copy of it`,
        { cause: error },
      )
    }
    throw new PetioleError(
      'PETIOLE_STORE_LOCKED',
      `${directory} is in use (${messageOf(error)}): stop that server first, or look at a copy of the directory without its file lock`,
      { cause: error },
    )
  }
}

function notAStore(directory: string, why: string): PetioleError {
  return new PetioleError(
    'PETIOLE_STORE_FOREIGN',
    `${directory} is not a store directory (${why}): give the one that jetstream.store_dir names`,
  )
}
