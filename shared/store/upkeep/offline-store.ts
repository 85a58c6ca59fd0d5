/**
 * A store that no server has open, read whole and without changing anything: every segment is scanned,
 * whatever its index says, and then the index is held against what was found.
 */
import * as path from 'node:path'
import { type Log, silentLog } from '../../log/index.ts'
import {
  codeOf,
  type Disk,
  messageOf,
  PetioleError,
  SeededRandom,
  SystemClock,
} from '../../runtime/index.ts'
import type { Catalog } from '../catalog.ts'
import { findGaps } from '../damage.ts'
import { isIndexIntact, loadIndex } from '../index-file.ts'
import { LOST_NAMED_MAX } from '../limits.ts'
import { Chunk, RecordType } from '../record.ts'
import {
  decodeSegmentHeader,
  indexPath,
  SEGMENT_HEADER_BYTES,
  Segment,
  type SegmentHeader,
  segmentIdOf,
  segmentPath,
} from '../segment.ts'
import { type ByteRange, scanSegment } from '../segment-scan.ts'
import { CARD_FILE, type Cards, readCards } from '../store-card.ts'
import { makeMemory, withDefaults } from '../store-memory.ts'

export interface OfflineOptions {
  readonly disk: Disk
  readonly directory: string
}

/** `unused`: the last segment's, which is always scanned. `stale`: of the file before a rewrite. */
export type IndexState = 'fits' | 'absent' | 'stale' | 'damaged' | 'unused'

export interface SegmentReading {
  readonly id: number
  readonly file: string
  readonly isLast: boolean
  /** undefined when neither copy of the header holds and no index knows what was in it. */
  readonly segment: Segment | undefined
  /** Copies of the header that do not hold. */
  readonly damagedHeaders: number
  readonly bytes: number
  readonly records: number
  readonly damaged: readonly ByteRange[]
  readonly tornBytes: number
  readonly lastCommitAt: number
  readonly index: IndexState
  readonly indexProblem: string
}

export interface OfflineReading {
  readonly directory: string
  readonly journalDirectory: string
  readonly cards: Cards
  readonly catalog: Catalog
  readonly segments: readonly SegmentReading[]
  /** Messages that are gone with damaged records, by stream. */
  readonly lost: ReadonlyMap<number, readonly number[]>
  readonly otherFiles: readonly string[]
  readonly close: () => Promise<void>
}

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
      `${directory} is in use (${messageOf(error)}): stop that server first, or look at a copy of the directory`,
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

export async function readOffline(options: OfflineOptions): Promise<OfflineReading> {
  const { disk, directory } = options
  const memory = emptyMemory(options, silentLog)
  const { catalog } = memory
  const journalDirectory = path.join(directory, 'journal')
  const names = await disk.list(journalDirectory).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  })
  const ids = names.map(segmentIdOf).filter((id) => id !== undefined)
  const reader = new SegmentsReader(options, catalog, journalDirectory, new Set(names))
  for (const id of ids) await reader.read(id, id === ids[ids.length - 1])
  const known = new Set(ids.flatMap((id) => [segmentPath('', id), indexPath('', id)]))
  return {
    directory,
    journalDirectory,
    cards: await readCards(disk, directory),
    catalog,
    segments: reader.segments,
    lost: reader.lost(),
    otherFiles: names.filter((name) => !known.has(name)),
    close: () => memory.files.close(),
  }
}

function emptyMemory({ disk, directory }: OfflineOptions, log: Log) {
  const clock = new SystemClock()
  // Nothing is made in the directory.
  const subjects = { subjectsMax: Infinity, subjectBytesMax: Infinity }
  return makeMemory(
    withDefaults({ directory, clock, random: new SeededRandom(1), disk, log, ...subjects }),
  )
}

class SegmentsReader {
  readonly segments: SegmentReading[] = []
  readonly #options: OfflineOptions
  readonly #catalog: Catalog
  readonly #directory: string
  readonly #names: ReadonlySet<string>
  readonly #lost = new Map<number, number[]>()
  #lostCount = 0

  constructor(
    options: OfflineOptions,
    catalog: Catalog,
    directory: string,
    names: ReadonlySet<string>,
  ) {
    this.#options = options
    this.#catalog = catalog
    this.#directory = directory
    this.#names = names
  }

  async read(id: number, isLast: boolean): Promise<void> {
    const { disk } = this.#options
    const file = segmentPath(this.#directory, id)
    const bytes = await disk.readFile(file)
    const indexBytes = await this.#indexOf(id)
    const { header, damagedHeaders } = headerOf(bytes, id, file, indexBytes, (known) =>
      this.#indexSegment(indexBytes, id, known, bytes.length),
    )
    const name = path.posix.join('journal', path.basename(file))
    const reading = { id, file: name, isLast, damagedHeaders, bytes: bytes.length }
    if (header === undefined) {
      const isUnborn = isLast && bytes.length <= SEGMENT_HEADER_BYTES
      const damaged = isUnborn ? [] : [{ from: 0, to: bytes.length }]
      this.segments.push({ ...reading, ...NOTHING_READ, damaged, damagedHeaders: isUnborn ? 0 : 2 })
      return
    }
    const chunk = new Chunk(bytes)
    if (!isLast && indexBytes !== undefined) {
      const found = this.#readByIndex(indexBytes, header, chunk)
      if (found !== undefined) {
        this.segments.push({ ...reading, ...found })
        return
      }
    }
    const segment = new Segment(header, bytes.length)
    this.#catalog.addSegment(segment)
    let records = 0
    const scan = scanSegment(chunk, segment, isLast, (record, at) => {
      records++
      this.#catalog.apply(segment, record, at)
    })
    segment.size = scan.end
    segment.isSealed = !isLast
    this.#catalog.takeTouched()
    this.segments.push({
      ...reading,
      segment,
      records,
      damaged: scan.damaged,
      tornBytes: bytes.length - scan.end,
      lastCommitAt: scan.lastCommitAt,
      ...this.#compareIndex(segment, header, indexBytes, isLast),
    })
  }

  /** A damaged segment with an index that fits: that one knows what the damaged records said. */
  #readByIndex(index: Uint8Array, header: SegmentHeader, chunk: Chunk) {
    const { id } = header
    const found = new Set<string>()
    let records = 0
    const scan = scanSegment(chunk, new Segment(header, chunk.bytes.length), false, (cursor) => {
      records++
      if (cursor.type === RecordType.message) found.add(`${cursor.streamId}:${cursor.seq}`)
    })
    if (scan.damaged.length === 0) return undefined
    if (this.#indexSegment(index, id, header, chunk.bytes.length) === undefined) return undefined
    const segment = loadIndex(index, id, header, chunk.bytes.length, this.#catalog)
    for (const stream of this.#catalog.streamsById.values()) {
      const span = stream.index.spanIn(id)
      if (span === undefined) continue
      for (let i = span.nextLive(0); i < span.count; i = span.nextLive(i + 1)) {
        const seq = span.seqAt(i)
        if (found.has(`${stream.id}:${seq}`)) continue
        this.#lose(stream.id, seq)
        stream.index.kill(seq)
      }
    }
    const { damaged, lastCommitAt } = scan
    return { segment, records, damaged, tornBytes: 0, lastCommitAt, ...INDEX_FITS }
  }

  /** Names what the indexes say was there, and in damaged segments without one, what is missing between the rest. */
  lost(): ReadonlyMap<number, readonly number[]> {
    const blind = this.segments.filter(
      ({ segment, damaged, index }) =>
        segment !== undefined && damaged.length > 0 && index !== 'fits',
    )
    const damaged = new Map(blind.map((one) => [one.id, one.damaged]))
    for (const { stream, gaps } of findGaps(this.#catalog, damaged)) {
      for (const [first, last] of gaps) {
        for (let seq = first; seq <= last; seq++) this.#lose(stream.id, seq)
      }
    }
    const still = new Map<number, number[]>()
    for (const [id, seqs] of this.#lost) {
      const stream = this.#catalog.streamsById.get(id)
      const isGone = (seq: number): boolean =>
        stream !== undefined &&
        seq > stream.index.floor &&
        !stream.absentDeletes.has(seq) &&
        !stream.index.has(seq)
      const gone = [...new Set(seqs)].filter(isGone).sort((a, b) => a - b)
      if (gone.length > 0) still.set(id, gone)
    }
    return still
  }

  #lose(streamId: number, seq: number): void {
    if (++this.#lostCount > LOST_NAMED_MAX) return
    const seqs = this.#lost.get(streamId)
    if (seqs === undefined) this.#lost.set(streamId, [seq])
    else seqs.push(seq)
  }

  async #indexOf(id: number): Promise<Uint8Array | undefined> {
    const file = indexPath(this.#directory, id)
    if (!this.#names.has(path.basename(file))) return undefined
    return this.#options.disk.readFile(file)
  }

  #compareIndex(
    segment: Segment,
    header: SegmentHeader,
    bytes: Uint8Array | undefined,
    isLast: boolean,
  ): { index: IndexState; indexProblem: string } {
    if (bytes === undefined) return { index: 'absent', indexProblem: '' }
    if (isLast) return { index: 'unused', indexProblem: '' }
    if (!isIndexIntact(bytes)) {
      return { index: 'damaged', indexProblem: 'its checksum does not hold' }
    }
    const scratch = emptyMemory(this.#options, silentLog).catalog
    try {
      // Of another size or salt: the segment was rewritten, and its new index did not come to disk.
      if (loadIndex(bytes, segment.id, header, segment.size, scratch) === undefined) {
        return { index: 'stale', indexProblem: '' }
      }
    } catch (error) {
      return { index: 'damaged', indexProblem: `it cannot be understood (${messageOf(error)})` }
    }
    const wrong = this.#compareSpans(segment.id, scratch)
    if (wrong === undefined) return INDEX_FITS
    return { index: 'damaged', indexProblem: wrong }
  }

  /** What the index of an intact segment says must be in there. */
  #compareSpans(id: number, scratch: Catalog): string | undefined {
    for (const { id: streamId, index } of scratch.streamsById.values()) {
      const told = index.spanIn(id)
      if (told === undefined) continue
      const found = this.#catalog.streamsById.get(streamId)?.index.spanIn(id)
      for (let i = told.nextLive(0); i < told.count; i = told.nextLive(i + 1)) {
        const seq = told.seqAt(i)
        const ordinal = found?.ordinalOf(seq) ?? -1
        if (ordinal < 0) return `message ${seq} of stream ${streamId} is only in it`
        if (found?.lengths.get(ordinal) !== told.lengths.get(i)) {
          return `message ${seq} of stream ${streamId} has another length in it`
        }
      }
    }
    return undefined
  }

  #indexSegment(
    bytes: Uint8Array | undefined,
    id: number,
    header: SegmentHeader | undefined,
    size: number,
  ): SegmentHeader | undefined {
    if (bytes === undefined) return undefined
    try {
      return loadIndex(bytes, id, header, size, emptyMemory(this.#options, silentLog).catalog)
    } catch {
      return undefined
    }
  }
}

const INDEX_FITS = { index: 'fits', indexProblem: '' } as const

const NOTHING_READ = {
  segment: undefined,
  records: 0,
  tornBytes: 0,
  lastCommitAt: SEGMENT_HEADER_BYTES,
  index: 'absent',
  indexProblem: '',
} as const

/** The header as either copy has it, or as the index remembers it. */
function headerOf(
  bytes: Uint8Array,
  id: number,
  file: string,
  index: Uint8Array | undefined,
  fromIndex: (header: SegmentHeader | undefined) => SegmentHeader | undefined,
): { header: SegmentHeader | undefined; damagedHeaders: number } {
  const half = SEGMENT_HEADER_BYTES / 2
  const copies = [bytes.subarray(0, half), bytes.subarray(half, SEGMENT_HEADER_BYTES)]
    .map((copy) => decodeSegmentHeader(copy, file))
    .filter((header) => header?.id === id)
  const header = copies[0] ?? (index === undefined ? undefined : fromIndex(undefined))
  return { header, damagedHeaders: 2 - copies.length }
}
