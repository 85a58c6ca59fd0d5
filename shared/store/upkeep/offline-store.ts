/**
 * A store that no server has open, read whole and without changing anything: every segment is scanned,
 * whatever its index says, and then the index is held against what was found.
 */
import * as path from 'node:path'
import { type Log, silentLog } from '../../log/index.ts'
import { codeOf, type Disk, messageOf, SystemClock, SystemRandom } from '../../runtime/index.ts'
import type { Catalog } from '../catalog.ts'
import { DictionaryUse } from '../compression/dictionary-use.ts'
import { messageKey, messagesIn } from '../cut-segment.ts'
import { unwrapIndex } from '../encryption/index-envelope.ts'
import type { Keyring, StoreEncryption } from '../encryption/keyring.ts'
import { lockedSegments } from '../encryption/missing-keys.ts'
import type { SegmentCipher } from '../encryption/segment-cipher.ts'
import { type IndexFit, loadIndex } from '../index-file.ts'
import { readFileAround } from '../read-around.ts'
import { Chunk, type RecordCursor } from '../record.ts'
import { indexPath, Segment, segmentIdsOf, segmentPath } from '../segment.ts'
import { isUnborn, type SegmentHeader } from '../segment-header.ts'
import { HEADS_FILE, type Heads, lostWithHeader, readHeads } from '../segment-heads.ts'
import { type ByteRange, scanSegment } from '../segment-scan.ts'
import { type Cards, readCards } from '../store-card.ts'
import { isJournalGone } from '../store-directory.ts'
import { makeMemory, withDefaults } from '../store-memory.ts'
import { LostMessages } from './lost-messages.ts'
import { headerOf, outerIndexState, readEnvelope } from './segment-envelope.ts'

export interface OfflineOptions {
  readonly disk: Disk
  readonly directory: string
  /** Keys to read with. Default: none. */
  readonly encryption?: StoreEncryption
}

/**
 * `unused`: the last segment's, which is always scanned. `stale`: of the file before a rewrite. `longer`: of this one
 * before something cut it.
 */
export type IndexState = 'fits' | 'absent' | 'stale' | 'longer' | 'damaged' | 'unused'

export interface SegmentReading {
  readonly id: number
  readonly file: string
  readonly isLast: boolean
  /** undefined when neither copy of the header holds and no index knows what was in it. */
  readonly segment: Segment | undefined
  /** Copies of the header that do not hold. */
  readonly damagedHeaders: number
  /** The newest segment, without its header: the next start closes it, for its first page proves nothing. */
  readonly isHeadless: boolean
  readonly bytes: number
  readonly records: number
  readonly damaged: readonly ByteRange[]
  /** What the disk cannot read. */
  readonly unreadable: readonly ByteRange[]
  readonly tornBytes: number
  /** What the file lacks of what its index knows. */
  readonly cutBytes: number
  readonly lastCommitAt: number
  readonly index: IndexState
  readonly indexProblem: string
}

export interface OfflineReading {
  readonly directory: string
  readonly journalDirectory: string
  readonly cards: Cards
  readonly heads: Heads
  /** A server has had one here. */
  readonly isJournalGone: boolean
  /** Ids of the keys to read with. */
  readonly given: readonly string[]
  /** Empty when a key is missing: then only checksums are looked at, of all segments. */
  readonly catalog: Catalog
  /** Segments by the key that they need, and that was not given. */
  readonly locked: ReadonlyMap<string, readonly number[]>
  readonly segments: readonly SegmentReading[]
  /** Messages that are gone with damaged records, by stream. */
  readonly lost: ReadonlyMap<number, readonly number[]>
  readonly otherFiles: readonly string[]
  readonly dictionaries: DictionaryUse
  readonly close: () => Promise<void>
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
  const ids = segmentIdsOf(names)
  const locked =
    ids.length === 0 ? new Map() : await lockedSegments(disk, journalDirectory, memory.keys)
  const { keys } = memory
  const heads = await readHeads(disk, journalDirectory)
  const parts = { catalog, keys, directory: journalDirectory, names, heads }
  const reader = new SegmentsReader(options, parts)
  const lastId = Math.max(heads.lastId, ...ids)
  for (const id of ids) await reader.read(id, id === lastId, locked.size > 0)
  const known = new Set(ids.flatMap((id) => [segmentPath('', id), indexPath('', id)]))
  known.add(HEADS_FILE)
  return {
    directory,
    journalDirectory,
    cards: await readCards(disk, directory),
    heads,
    isJournalGone: isJournalGone(await disk.list(directory)),
    given: keys.keyIds,
    catalog,
    locked,
    segments: reader.segments,
    lost: reader.lost(),
    otherFiles: names.filter((name) => !known.has(name)),
    dictionaries: reader.dictionaries,
    close: () => memory.files.close(),
  }
}

function emptyMemory({ disk, directory, encryption = {} }: OfflineOptions, log: Log) {
  const clock = new SystemClock()
  const random = new SystemRandom()
  // Nothing is made in the directory.
  const subjects = { subjectsMax: Infinity, subjectBytesMax: Infinity }
  return makeMemory(withDefaults({ directory, clock, random, disk, log, encryption, ...subjects }))
}

interface ReaderParts {
  readonly catalog: Catalog
  readonly keys: Keyring
  /** The journal's, and what is in it. */
  readonly directory: string
  readonly names: readonly string[]
  readonly heads: Heads
}

class SegmentsReader {
  readonly segments: SegmentReading[] = []
  readonly dictionaries = new DictionaryUse()
  readonly #options: OfflineOptions
  readonly #catalog: Catalog
  readonly #keys: Keyring
  readonly #directory: string
  readonly #names: ReadonlySet<string>
  readonly #heads: Heads
  readonly #losses: LostMessages

  constructor(options: OfflineOptions, { catalog, keys, directory, names, heads }: ReaderParts) {
    this.#options = options
    this.#catalog = catalog
    this.#keys = keys
    this.#directory = directory
    this.#names = new Set(names)
    this.#heads = heads
    this.#losses = new LostMessages(catalog)
  }

  lost(): ReadonlyMap<number, readonly number[]> {
    return this.#losses.all(this.segments)
  }

  async read(id: number, isLast: boolean, isEnvelopeOnly: boolean): Promise<void> {
    const { disk } = this.#options
    const file = segmentPath(this.#directory, id)
    const { bytes, unreadable } = await readFileAround(disk, file)
    const indexBytes = await this.#indexOf(id)
    const fit = this.#fitOf(indexBytes, id, bytes.length)
    const { header, isGone, damagedHeaders } = headerOf(
      { bytes, id, file, index: indexBytes },
      () => this.#indexSegment(indexBytes, id, undefined, bytes.length, fit)?.header,
      this.#heads.headers.get(id),
    )
    const lost = isGone ? [lostWithHeader(bytes.length), ...unreadable] : unreadable
    const name = path.posix.join('journal', path.basename(file))
    const isHeadless = isLast && isGone && header !== undefined
    const sizes = { damagedHeaders, bytes: bytes.length, unreadable }
    const reading = { id, file: name, isLast, isHeadless, ...sizes }
    if (header === undefined) {
      const isNothing = isLast && unreadable.length === 0 && isUnborn(bytes, file)
      const damaged = isNothing ? [] : [{ from: 0, to: bytes.length }]
      const headers = isNothing ? 0 : damagedHeaders
      if (!isNothing) this.#catalog.ids.add(id)
      this.segments.push({ ...reading, ...NOTHING_READ, damaged, damagedHeaders: headers })
      return
    }
    const chunk = new Chunk(bytes)
    if (isEnvelopeOnly) {
      this.segments.push({
        ...reading,
        ...readEnvelope(chunk, header, isLast, indexBytes, lost),
      })
      return
    }
    const cipher = cipherOf(this.#keys, header)
    if (!isLast && indexBytes !== undefined) {
      const found = this.#readByIndex(indexBytes, header, chunk, cipher, fit)
      if (found !== undefined) {
        this.segments.push({ ...reading, ...found })
        return
      }
    }
    const segment = new Segment(header, bytes.length, cipher)
    this.#catalog.addSegment(segment)
    let records = 0
    const visit = (record: RecordCursor, at: number): void => {
      records++
      this.dictionaries.note(record)
      this.#catalog.apply(segment, record, at)
    }
    const scan = scanSegment(chunk, segment, isLast, visit, lost)
    this.#losses.note(chunk, scan.damaged, segment.salt)
    segment.size = scan.end
    segment.isSealed = !isLast
    this.#catalog.takeTouched()
    this.segments.push({
      ...reading,
      segment,
      records,
      damaged: scan.damaged,
      tornBytes: scan.tornBytes,
      cutBytes: 0,
      lastCommitAt: scan.lastCommitAt,
      ...this.#compareIndex(segment, header, indexBytes, isLast),
    })
  }

  /** Of a file of another size, the next best is that it was cut. */
  #fitOf(index: Uint8Array | undefined, id: number, size: number): IndexFit {
    const isWhole = this.#indexSegment(index, id, undefined, size, 'whole') !== undefined
    return isWhole ? 'whole' : 'cut'
  }

  /** A damaged or cut segment with an index of its own: that one knows what is not there any more. */
  #readByIndex(
    index: Uint8Array,
    header: SegmentHeader,
    chunk: Chunk,
    cipher: SegmentCipher | undefined,
    fit: IndexFit,
  ) {
    const { id } = header
    const size = chunk.bytes.length
    let records = 0
    const form = new Segment(header, size, cipher)
    const scan = scanSegment(chunk, form, false, (cursor) => {
      records++
      this.dictionaries.note(cursor)
    })
    if (fit === 'whole' && scan.damaged.length === 0) return undefined
    if (this.#indexSegment(index, id, header, size, fit) === undefined) return undefined
    const segment = this.#loadIndex(index, id, header, size, this.#catalog, fit)
    const found = messagesIn(chunk, form, [])
    for (const stream of this.#catalog.streamsById.values()) {
      const span = stream.index.spanIn(id)
      if (span === undefined) continue
      for (let i = span.nextLive(0); i < span.count; i = span.nextLive(i + 1)) {
        const seq = span.seqAt(i)
        if (found.has(messageKey(stream.id, seq))) continue
        this.#losses.lose(stream.id, seq)
        stream.index.kill(seq)
      }
    }
    const { damaged, lastCommitAt } = scan
    const cutBytes = segment === undefined || segment.cutEnd === 0 ? 0 : segment.cutEnd - size
    const state = cutBytes === 0 ? INDEX_FITS : INDEX_LONGER
    return { segment, records, damaged, tornBytes: 0, cutBytes, lastCommitAt, ...state }
  }

  async #indexOf(id: number): Promise<Uint8Array | undefined> {
    const file = indexPath(this.#directory, id)
    if (!this.#names.has(path.basename(file))) return undefined
    // Zeros in it have its checksum fail.
    return (await readFileAround(this.#options.disk, file)).bytes
  }

  #compareIndex(
    segment: Segment,
    header: SegmentHeader,
    bytes: Uint8Array | undefined,
    isLast: boolean,
  ): { index: IndexState; indexProblem: string } {
    if (bytes === undefined) return { index: 'absent', indexProblem: '' }
    const outer = outerIndexState(bytes, isLast)
    if (outer !== undefined) return outer
    const scratch = emptyMemory(this.#options, silentLog).catalog
    try {
      // Of another size or salt: the segment was rewritten, and its new index did not come to disk.
      if (
        this.#loadIndex(bytes, segment.id, header, segment.size, scratch, 'whole') === undefined
      ) {
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
    fit: IndexFit,
  ): Segment | undefined {
    if (bytes === undefined) return undefined
    const { catalog } = emptyMemory(this.#options, silentLog)
    try {
      return this.#loadIndex(bytes, id, header, size, catalog, fit)
    } catch {
      return undefined
    }
  }

  #loadIndex(
    bytes: Uint8Array,
    id: number,
    header: SegmentHeader | undefined,
    size: number,
    catalog: Catalog,
    fit: IndexFit,
  ): Segment | undefined {
    const opened = unwrapIndex(bytes, header, this.#keys)
    if (opened === undefined) return undefined
    return loadIndex(opened.bytes, id, header, size, catalog, opened.cipher, fit)
  }
}

const INDEX_FITS = { index: 'fits', indexProblem: '' } as const
const INDEX_LONGER = { index: 'longer', indexProblem: '' } as const

const NOTHING_READ = {
  segment: undefined,
  records: 0,
  tornBytes: 0,
  cutBytes: 0,
  lastCommitAt: 0,
  index: 'absent',
  indexProblem: '',
} as const

/** Nobody asks for one whose key is not here. */
function cipherOf(keys: Keyring, { id, encryption }: SegmentHeader): SegmentCipher | undefined {
  return encryption === undefined ? undefined : keys.cipherOf(id, encryption)
}
