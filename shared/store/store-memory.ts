/**
 * What a store keeps in memory, before anything is read: the same for a server, and for whoever
 * looks at a store that no server has open.
 */
import * as path from 'node:path'
import type { Log } from '../log/index.ts'
import type { Clock, Disk, Random } from '../runtime/index.ts'
import { Boots } from './boots.ts'
import { Catalog } from './catalog.ts'

import { Compressor } from './compression/compressor.ts'
import { DICTIONARY_BYTES } from './compression/limits.ts'
import { Keyring, type StoreEncryption } from './encryption/keyring.ts'
import { ENCRYPTION_BYTES } from './encryption/segment-cipher.ts'
import { EvictionQueue } from './eviction-queue.ts'
import { reserveFileBytes } from './full-disk.ts'
import { JournalStream } from './journal-stream.ts'
import {
  CHUNK_BYTES,
  CHUNKS_POOLED_MAX,
  COMMIT_BYTES_MAX,
  EARLY_COMMIT_BYTES,
  GATHERED_BYTES_MAX,
  LEAF_SEGMENT_BYTES,
  OPEN_FILES_MAX,
  RESERVE_BYTES,
  SCRATCH_CACHE_BYTES,
  SCRUB_INTERVAL_MS,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SUBJECT_BYTES_MEAN,
  SUBJECTS_BYTES_MAX,
  SUBJECTS_MAX,
} from './limits.ts'
import { RESERVE_FILE, ReserveFile } from './reserve-file.ts'
import { Room } from './room.ts'
import { SegmentFiles } from './segment-files.ts'
import { JournalTable } from './state-table.ts'
import type { StreamHost } from './stream-host.ts'
import { StreamReader } from './stream-reader.ts'
import { SubjectSpill } from './subject-spill.ts'
import { Writer } from './writer.ts'

export interface StoreOptions {
  readonly directory: string
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly log: Log
  /** Whose directory this is, such as the server's identity. Another owner is refused from then on. */
  readonly owner?: string
  /** Files beside the store's own that were damaged and written again by who opens it; counted with its own. */
  readonly mendedFiles?: number
  /** Size at which a segment is sealed. Default: 16 MiB. */
  readonly segmentBytes?: number
  /** Quota for all files of the store but the reserve file. Default: 0, only the disk is the limit. */
  readonly bytesMax?: number
  /** What compressed streams learn of their messages, 0 for nothing. Default: 4 KiB. */
  readonly dictionaryBytes?: number
  /** Largest gather write. Default: 8 MiB, and never more than a segment. */
  readonly commitBytesMax?: number
  /** What a turn may bring until the disk begins with it. Default: 32 KiB. */
  readonly earlyCommitBytes?: number
  /** What may wait for the disk in memory. Default: 64 MiB. */
  readonly gatheredBytesMax?: number
  /** Room that messages may not use. Default: 4 MiB, and never more than a quarter of the quota. */
  readonly reserveBytes?: number
  /** From the end of one scrub of all sealed segments to the begin of the next, 0 for none. Default: 7 days. */
  readonly scrubIntervalMs?: number
  /** Distinct subjects over all streams that are held in memory; the rest is on disk. Default: 10,000,000. */
  readonly subjectsMax?: number
  /** Default: nothing is encrypted. */
  readonly encryption?: StoreEncryption
  /** Their own bytes. Default: 256 for each, and never more than 1 GiB. */
  readonly subjectBytesMax?: number
  /** What is in memory of the subjects on disk. Default: 32 MiB. */
  readonly subjectCacheBytes?: number
}

export interface Settings extends Required<StoreOptions> {
  readonly journalDirectory: string
}

export function withDefaults(options: StoreOptions): Settings {
  const segmentBytes = Math.min(
    Math.max(options.segmentBytes ?? LEAF_SEGMENT_BYTES, SEGMENT_BYTES_MIN),
    SEGMENT_BYTES_MAX,
  )
  const subjectsMax = options.subjectsMax ?? SUBJECTS_MAX
  return {
    owner: '',
    mendedFiles: 0,
    bytesMax: 0,
    dictionaryBytes: DICTIONARY_BYTES,
    earlyCommitBytes: EARLY_COMMIT_BYTES,
    gatheredBytesMax: GATHERED_BYTES_MAX,
    reserveBytes: RESERVE_BYTES,
    subjectsMax,
    subjectBytesMax: Math.min(SUBJECTS_BYTES_MAX, subjectsMax * SUBJECT_BYTES_MEAN),
    subjectCacheBytes: SCRATCH_CACHE_BYTES,
    scrubIntervalMs: SCRUB_INTERVAL_MS,
    encryption: {},
    ...options,
    segmentBytes,
    commitBytesMax: Math.min(options.commitBytesMax ?? COMMIT_BYTES_MAX, segmentBytes),
    journalDirectory: path.join(options.directory, 'journal'),
  }
}

export interface Memory {
  readonly room: Room
  readonly files: SegmentFiles
  readonly writer: Writer
  readonly catalog: Catalog
  readonly evictions: EvictionQueue
  readonly reserve: ReserveFile
  readonly keys: Keyring
  readonly spill: SubjectSpill
  isRecovering: boolean
}

/** What is there before anything is read. */
export function makeMemory(settings: Settings): Memory {
  const { directory, journalDirectory, clock, random, disk, log } = settings
  const room = new Room(directory, settings)
  const files = new SegmentFiles(disk, journalDirectory, log, OPEN_FILES_MAX)
  const boots = new Boots()
  const keys = new Keyring(settings.encryption, random)
  const writer = new Writer(clock, random, boots, room, {
    chunkBytes: CHUNK_BYTES,
    chunksPooledMax: CHUNKS_POOLED_MAX,
    commitBytesMax: settings.commitBytesMax,
    recordExtra: keys.keyId === undefined ? 0 : ENCRYPTION_BYTES,
  })
  const marks = new JournalTable(0, {
    writer,
    clock,
    checkOpen: () => {},
    syncWithinMs: () => 0,
  })
  const hashSeed = new DataView(random.bytes(4).slice().buffer).getUint32(0)
  const spill = new SubjectSpill(settings, room, hashSeed)
  const catalog: Catalog = new Catalog(
    boots,
    marks,
    (id, definition, index) => new JournalStream(id, definition, index, host),
    log,
    spill,
  )
  writer.written = () => catalog.wear.ever
  const evictions = new EvictionQueue()
  const reserve = new ReserveFile(
    disk,
    random,
    path.join(directory, RESERVE_FILE),
    reserveFileBytes(settings.reserveBytes),
  )
  const memory = {
    room,
    files,
    writer,
    catalog,
    evictions,
    reserve,
    keys,
    spill,
    isRecovering: true,
  }
  catalog.isRecovering = () => memory.isRecovering
  const host: StreamHost = {
    compressor: new Compressor(),
    dictionaryBytes: settings.dictionaryBytes,
    clock,
    writer,
    reader: new StreamReader(catalog, files, clock),
    checkSubjects: ({ index }, subject) => spill.check(index.subjects, subject),
    evictionsWait: (stream) => evictions.add(stream),
    absorb: (error) => room.absorb(error),
    isRecovering: () => memory.isRecovering,
  }
  return memory
}
