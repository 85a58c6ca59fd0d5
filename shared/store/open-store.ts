/**
 * Opens a store directory:
 *
 *     store.json   format, version, id, and the server it belongs to; beside it a copy
 *     lock         held by the living process
 *     journal/     segments and their indexes
 *     quarantine/  damaged bytes, kept for people
 *     reserve      space that is given up when the disk is full
 */
import { codeOf, collectGarbage } from '../runtime/index.ts'
import { Committer } from './committer.ts'
import { Housekeeping } from './housekeeping.ts'
import { Journal } from './journal.ts'
import { EVICTION_LOG_DELAY_MS, RECOVERY_GARBAGE_BYTES } from './limits.ts'
import { type Recovered, Recovery } from './recovery.ts'
import { isOutOfFiles } from './room.ts'
import { SegmentHeads } from './segment-heads.ts'
import type { Store } from './store.ts'
import { claimDirectory, unwritable } from './store-directory.ts'
import {
  type Memory,
  makeMemory,
  type Settings,
  type StoreOptions,
  withDefaults,
} from './store-memory.ts'
import { DamageKeeper } from './upkeep/damage-keeper.ts'
import { Quarantine } from './upkeep/quarantine.ts'
import { Scrubber } from './upkeep/scrubber.ts'

/**
 * Recovers the directory and opens it for writing. Rejects with PETIOLE_STORE_LOCKED,
 * PETIOLE_STORE_FOREIGN or PETIOLE_STORE_UNWRITABLE.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const settings = withDefaults(options)
  const { unlock, mendedFiles } = await claimDirectory(settings)
  try {
    return await openJournal(settings, unlock, settings.mendedFiles + mendedFiles)
  } catch (error) {
    await unlock()
    throw codeOf(error) === 'ENOSPC' ? unwritable(settings.directory, error) : error
  }
}

async function openJournal(
  settings: Settings,
  unlock: () => Promise<void>,
  mendedFiles: number,
): Promise<Store> {
  const { directory, journalDirectory, clock, disk } = settings
  const memory = makeMemory(settings)
  const { room, catalog, evictions } = memory
  catalog.mendedFiles = mendedFiles
  const recovered = await recover(settings, memory)
  memory.isRecovering = false
  if (recovered.readBytes >= RECOVERY_GARBAGE_BYTES) collectGarbage()
  await memory.reserve.find()
  room.usedBytes += recovered.usedBytes
  const quarantine = new Quarantine({ disk, directory, wallMs: () => clock.wallMs() })
  await quarantine.find()
  room.usedBytes += quarantine.bytes
  const keeper = new DamageKeeper({
    ...settings,
    ...memory,
    directory: journalDirectory,
    quarantine,
  })
  const committer = new Committer({
    ...settings,
    ...memory,
    events: {
      gathering: () => evictions.logAll(),
      committed: (touched) => {
        housekeeping.committed(touched)
      },
      begun: () => housekeeping.wake(false),
      sealed: (segment) => housekeeping.sealed(segment),
    },
  })
  const housekeeping = new Housekeeping({
    ...settings,
    ...memory,
    directory: journalDirectory,
    keeper,
    heads: new SegmentHeads({ ...settings, ...memory }, recovered.heads),
    syncDirectory: () =>
      disk.syncDirectory(journalDirectory).catch((error: unknown) => {
        if (isOutOfFiles(error)) throw error
        throw room.fail(error, 'a sync of the directory failed')
      }),
    committer,
  })
  catalog.onDamage = () => housekeeping.wake(false)
  memory.writer.beforeBarrier = () => evictions.logAll()
  evictions.onFirst = () => {
    clock.after(EVICTION_LOG_DELAY_MS, () => committer.wake())
    housekeeping.wake(false)
  }
  if (!evictions.isEmpty) evictions.onFirst()
  room.measured(await disk.freeBytes(directory))
  await committer.resume(recovered.lastId, recovered.current, recovered.file)
  housekeeping.start(recovered.withoutIndex)
  const scrubber = new Scrubber({
    ...settings,
    ...memory,
    directory: journalDirectory,
    reindex: (segment) => housekeeping.sealed(segment),
  })
  scrubber.start()
  return new Journal({
    directory,
    ...memory,
    committer,
    housekeeping,
    quarantine,
    scrubber,
    tornBytes: recovered.tornBytes,
    wallMs: () => clock.wallMs(),
    unlock,
  })
}

async function recover(settings: Settings, memory: Memory): Promise<Recovered> {
  try {
    return await new Recovery({ ...settings, ...memory }).run()
  } catch (error) {
    memory.spill.close()
    throw error
  }
}
