/**
 * Opens a store directory:
 *
 *     store.json   format, version, id, and the server it belongs to
 *     lock         held by the living process
 *     journal/     segments and their indexes
 *     reserve      space that is given up when the disk is full
 */
import * as path from 'node:path'
import type { Log } from '../log/index.ts'
import { type Clock, codeOf, type Disk, PetioleError, type Random } from '../runtime/index.ts'
import { Boots } from './boots.ts'
import { Catalog } from './catalog.ts'
import { Committer } from './committer.ts'
import { EvictionQueue } from './eviction-queue.ts'
import { Housekeeping } from './housekeeping.ts'
import { Journal } from './journal.ts'
import { JournalStream } from './journal-stream.ts'
import {
  CHUNK_BYTES,
  CHUNKS_POOLED_MAX,
  COMMIT_BYTES_MAX,
  EVICTION_LOG_DELAY_MS,
  GATHERED_BYTES_MAX,
  LEAF_SEGMENT_BYTES,
  OPEN_FILES_MAX,
  RESERVE_BYTES,
  RESERVE_FILE_BYTES,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SUBJECTS_BYTES_MAX,
  SUBJECTS_MAX,
} from './limits.ts'
import { Recovery } from './recovery.ts'
import { RESERVE_FILE, ReserveFile } from './reserve-file.ts'
import { isOutOfFiles, Room } from './room.ts'
import { SegmentFiles } from './segment-files.ts'
import { JournalTable } from './state-table.ts'
import type { Store } from './store.ts'
import { claimDirectory, unwritable } from './store-directory.ts'
import type { StreamHost } from './stream-host.ts'
import { StreamReader } from './stream-reader.ts'
import { Writer } from './writer.ts'

export interface StoreOptions {
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly log: Log
  /** Whose directory this is, such as the server's identity. Another owner is refused from then on. */
  readonly owner?: string
  /** Size at which a segment is sealed. Default: 16 MiB. */
  readonly segmentBytes?: number
  /** Quota for all files of the store but the reserve file. Default: 0, only the disk is the limit. */
  readonly bytesMax?: number
  /** Largest gather write. Default: 8 MiB, and never more than a segment. */
  readonly commitBytesMax?: number
  /** What may wait for the disk in memory. Default: 64 MiB. */
  readonly gatheredBytesMax?: number
  /** Room that messages may not use. Default: 4 MiB, and never more than a quarter of the quota. */
  readonly reserveBytes?: number
  /** Distinct subjects over all streams. Default: 10,000,000. */
  readonly subjectsMax?: number
}

interface Settings extends Required<StoreOptions> {
  readonly journalDirectory: string
}

/**
 * Recovers the directory and opens it for writing. Rejects with PETIOLE_STORE_LOCKED,
 * PETIOLE_STORE_FOREIGN or PETIOLE_STORE_UNWRITABLE.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const settings = withDefaults(options)
  const unlock = await claimDirectory(settings)
  try {
    return await openJournal(settings, unlock)
  } catch (error) {
    await unlock()
    throw codeOf(error) === 'ENOSPC' ? unwritable(settings.directory, error) : error
  }
}

function withDefaults(options: StoreOptions): Settings {
  const segmentBytes = Math.min(
    Math.max(options.segmentBytes ?? LEAF_SEGMENT_BYTES, SEGMENT_BYTES_MIN),
    SEGMENT_BYTES_MAX,
  )
  return {
    owner: '',
    bytesMax: 0,
    gatheredBytesMax: GATHERED_BYTES_MAX,
    reserveBytes: RESERVE_BYTES,
    subjectsMax: SUBJECTS_MAX,
    ...options,
    segmentBytes,
    commitBytesMax: Math.min(options.commitBytesMax ?? COMMIT_BYTES_MAX, segmentBytes),
    journalDirectory: path.join(options.directory, 'journal'),
  }
}

interface Memory {
  readonly room: Room
  readonly files: SegmentFiles
  readonly writer: Writer
  readonly catalog: Catalog
  readonly evictions: EvictionQueue
  readonly reserve: ReserveFile
  isRecovering: boolean
}

/** What is there before anything is read. */
function makeMemory(settings: Settings): Memory {
  const { directory, journalDirectory, clock, random, disk, log } = settings
  const room = new Room(directory, settings)
  const files = new SegmentFiles(disk, journalDirectory, log, OPEN_FILES_MAX)
  const boots = new Boots()
  const writer = new Writer(clock, random, boots, room, {
    chunkBytes: CHUNK_BYTES,
    chunksPooledMax: CHUNKS_POOLED_MAX,
    commitBytesMax: settings.commitBytesMax,
  })
  const marks = new JournalTable(0, {
    writer,
    clock,
    checkOpen: () => {},
    syncWithinMs: () => 0,
  })
  const catalog: Catalog = new Catalog(
    boots,
    marks,
    (id, definition, index) => new JournalStream(id, definition, index, host),
    log,
    new DataView(random.bytes(4).slice().buffer).getUint32(0),
  )
  const evictions = new EvictionQueue()
  const reserveFileBytes = Math.min(RESERVE_FILE_BYTES, Math.floor(settings.reserveBytes / 8))
  const reserve = new ReserveFile(
    disk,
    random,
    path.join(directory, RESERVE_FILE),
    reserveFileBytes,
  )
  const memory = { room, files, writer, catalog, evictions, reserve, isRecovering: true }
  const host: StreamHost = {
    clock,
    writer,
    reader: new StreamReader(catalog, files),
    checkSubjects: (stream, subject) =>
      checkSubjects(catalog, settings.subjectsMax, stream, subject),
    evictionsWait: (stream) => evictions.add(stream),
    isRecovering: () => memory.isRecovering,
  }
  return memory
}

async function openJournal(settings: Settings, unlock: () => Promise<void>): Promise<Store> {
  const { directory, journalDirectory, clock, disk, log, segmentBytes } = settings
  const memory = makeMemory(settings)
  const { room, catalog, evictions } = memory
  const recovery = new Recovery(disk, journalDirectory, catalog, log, segmentBytes)
  const recovered = await recovery.run()
  memory.isRecovering = false
  await memory.reserve.find()
  room.usedBytes = recovered.usedBytes
  const committer = new Committer({
    ...settings,
    ...memory,
    events: {
      gathering: () => evictions.logAll(),
      committed: (touched) => {
        catalog.recountSubjects()
        housekeeping.committed(touched)
      },
      sealed: (segment) => housekeeping.sealed(segment),
    },
  })
  const housekeeping = new Housekeeping({
    ...settings,
    ...memory,
    directory: journalDirectory,
    syncDirectory: () =>
      disk.syncDirectory(journalDirectory).catch((error: unknown) => {
        if (isOutOfFiles(error)) throw error
        throw room.fail(error, 'a sync of the directory failed')
      }),
    committer,
  })
  memory.writer.beforeBarrier = () => evictions.logAll()
  evictions.onFirst = () => {
    clock.after(EVICTION_LOG_DELAY_MS, () => committer.wake())
    housekeeping.wake(false)
  }
  if (!evictions.isEmpty) evictions.onFirst()
  room.measured(await disk.freeBytes(directory))
  committer.resume(recovered.lastId, recovered.current, recovered.file)
  housekeeping.start(recovered.withoutIndex)
  return new Journal({
    directory,
    ...memory,
    committer,
    housekeeping,
    tornBytes: recovered.tornBytes,
    wallMs: () => clock.wallMs(),
    unlock,
  })
}

/** Subjects are held in memory, so their number is bounded: new ones are refused above the limit. */
function checkSubjects(
  catalog: Catalog,
  subjectsMax: number,
  stream: JournalStream,
  subject: Uint8Array,
): void {
  const { subjectCount, subjectBytes } = catalog
  if (subjectCount < subjectsMax && subjectBytes < SUBJECTS_BYTES_MAX) return
  if (stream.index.subjects.find(subject, 0, subject.length) >= 0) return
  throw new PetioleError(
    'PETIOLE_STORE_FULL',
    `the store holds ${subjectCount} distinct subjects of ${subjectBytes} bytes, its limits are ${subjectsMax} and ${SUBJECTS_BYTES_MAX}: purge streams, or use fewer subjects`,
  )
}
