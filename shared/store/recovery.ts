/**
 * Brings the catalog to what the directory says. Segments are taken in order of their ids: from
 * their index when it is there and fits, else by a scan. Only the last one can have a torn end.
 */
import { join } from 'node:path'
import type { Log } from '../log/index.ts'
import type { Disk, DiskFile } from '../runtime/index.ts'
import type { Catalog } from './catalog.ts'
import { ClaimedSeqs } from './claimed-seqs.ts'
import { type CutSegment, messagesIn, reportCut, reportOrphans } from './cut-segment.ts'
import { reportGaps } from './damage.ts'
import { unwrapIndex } from './encryption/index-envelope.ts'
import type { Keyring } from './encryption/keyring.ts'
import { missingKeys } from './encryption/missing-keys.ts'
import type { SegmentCipher } from './encryption/segment-cipher.ts'
import { type IndexFit, isIndexIntact, loadIndex } from './index-file.ts'
import { IndexReader } from './index-reader.ts'
import { DAMAGE_NAMED_MAX } from './limits.ts'
import { doubtPlaces, forgetRemovals } from './older-records.ts'
import { readAround } from './read-around.ts'
import { ReadBuffer } from './read-buffer.ts'
import { Chunk } from './record.ts'
import { indexPath, isDraft, Segment, segmentIdsOf, segmentPath } from './segment.ts'
import {
  decodeSegmentHeader,
  isUnborn,
  SEGMENT_HEADER_BYTES_MAX,
  type SegmentHeader,
} from './segment-header.ts'
import { HEADS_FILE, type Heads, lostWithHeader, readHeads } from './segment-heads.ts'
import { type ByteRange, scanSegment } from './segment-scan.ts'
import { seems } from './upkeep/quarantine.ts'

export interface Recovered {
  readonly lastId: number
  /** The segment to go on with, when there is one. */
  readonly current: Segment | undefined
  readonly file: DiskFile | undefined
  readonly tornBytes: number
  readonly usedBytes: number
  readonly heads: Heads
  /** What was in memory for that, one after the other, and is garbage now. */
  readonly readBytes: number
  /** Sealed segments that were scanned and lack an index. */
  readonly withoutIndex: readonly Segment[]
}

export interface RecoveryParts {
  readonly disk: Disk
  readonly journalDirectory: string
  readonly catalog: Catalog
  readonly log: Log
  readonly segmentBytes: number
  readonly keys: Keyring
}

export class Recovery {
  readonly #disk: Disk
  readonly #directory: string
  readonly #catalog: Catalog
  readonly #log: Log
  readonly #segmentBytes: number
  readonly #keys: Keyring
  readonly #damaged = new Map<number, readonly ByteRange[]>()
  readonly #claimed = new ClaimedSeqs()
  readonly #cut: CutSegment[] = []
  readonly #withoutIndex: Segment[] = []
  /** For segments that are read whole. */
  readonly #scanned: ReadBuffer
  /** The last commit of the last segment, and where it begins. */
  #lastCommit: { readonly at: number; readonly bytes: Uint8Array } = {
    at: 0,
    bytes: new Uint8Array(0),
  }
  /** The last segment was read whole. */
  #isLastRead = true
  #heads: Heads = { state: 'absent', headers: new Map(), lastId: 0, bytes: 0 }
  #tornBytes = 0
  #usedBytes = 0
  #readBytes = 0

  constructor(parts: RecoveryParts) {
    this.#disk = parts.disk
    this.#scanned = new ReadBuffer(parts.disk)
    this.#directory = parts.journalDirectory
    this.#catalog = parts.catalog
    this.#log = parts.log
    this.#segmentBytes = parts.segmentBytes
    this.#keys = parts.keys
  }

  async run(): Promise<Recovered> {
    const names = await this.#disk.list(this.#directory)
    for (const name of names.filter(isDraft)) {
      await this.#disk.remove(join(this.#directory, name))
    }
    const ids = segmentIdsOf(names)
    const heads = await this.#readHeads()
    const lastId = Math.max(ids[ids.length - 1] ?? 0, heads.lastId)
    const known = new Set(names)
    const indexed = ids.filter((id) => id !== lastId && known.has(indexPath('', id)))
    const indexes = new IndexReader(this.#disk, this.#directory, this.#log, indexed)
    let current: Segment | undefined
    for (const id of ids) {
      const index = await indexes.read(id)
      this.#readBytes += index?.length ?? 0
      const segment = await this.#take(id, id === lastId, index)
      current = id === lastId ? segment : undefined
    }
    if (lastId > (ids[ids.length - 1] ?? 0)) this.#noteGone(lastId)
    if (current !== undefined) this.#catalog.wear.reached(current.id, current.size)
    this.#catalog.takeTouched()
    for (const segment of doubtPlaces(this.#catalog.segments)) await this.#dropIndex(segment)
    forgetRemovals(this.#catalog)
    this.#claimed.take(this.#catalog, (stream, seq) => {
      // The floor's record says how far the stream has come.
      stream.evictions.isFloorToLog = true
      stream.noteDamage(seq, seq, 1)
      stream.absentDeletes.add(seq)
    })
    for (const cut of this.#cut) reportCut(this.#catalog, cut)
    reportOrphans(this.#catalog, this.#log)
    reportGaps(this.#catalog, this.#damaged)
    // A killed process may leave names behind that are not on disk yet: nothing may follow them so.
    await this.#disk.syncDirectory(this.#directory)
    const file = current === undefined ? undefined : await this.#goOn(current)
    return {
      lastId,
      current: file === undefined ? undefined : current,
      file,
      tornBytes: this.#tornBytes,
      usedBytes: this.#usedBytes,
      heads,
      readBytes: this.#readBytes,
      withoutIndex: this.#withoutIndex,
    }
  }

  async #readHeads(): Promise<Heads> {
    this.#heads = await readHeads(this.#disk, this.#directory)
    this.#usedBytes += this.#heads.bytes
    if (this.#heads.state === 'damaged') {
      this.#catalog.mendedFiles++
      const file = join(this.#directory, HEADS_FILE)
      this.#log.error({ file }, 'damaged copy of segment headers is made anew')
    }
    return this.#heads
  }

  /** Nobody knows what was in it, but that it was there. */
  #noteGone(id: number): void {
    const file = segmentPath(this.#directory, id)
    this.#catalog.noteDamage({ file, err: 'the newest segment is gone' }, 1)
  }

  async #take(
    id: number,
    isLast: boolean,
    index: Uint8Array | undefined,
  ): Promise<Segment | undefined> {
    const path = segmentPath(this.#directory, id)
    if (index !== undefined) {
      const segment = await this.#takeIndexed(id, path, index)
      if (segment !== undefined) return segment
      const cut = await this.#takeCut(id, path, index)
      if (cut !== undefined) return cut
      this.#noteUnfit(id, index)
    }
    const { bytes, unreadable } = await this.#scanned.readAround(path)
    this.#noteUnreadable(path, unreadable)
    this.#readBytes += bytes.length
    // What is kept of it must not lie in a buffer that is used again.
    const head = new Uint8Array(bytes.subarray(0, SEGMENT_HEADER_BYTES_MAX))
    const own = decodeSegmentHeader(head, path)
    const header = own ?? this.#heads.headers.get(id)
    if (header === undefined || header.id !== id) {
      const isNothing = isLast && unreadable.length === 0 && isUnborn(bytes, path)
      if (isNothing) await this.#removeUnborn(path, bytes)
      else {
        this.#catalog.noteDamage({ file: path, err: 'header does not hold' }, 1)
        this.#catalog.ids.add(id)
      }
      return undefined
    }
    const segment = new Segment(header, bytes.length, await this.#cipherOf(header))
    this.#catalog.addSegment(segment)
    if (own === undefined) this.#noteHeaderLost(segment, path)
    const lost = own === undefined ? [lostWithHeader(bytes.length), ...unreadable] : unreadable
    this.#scan(segment, new Chunk(bytes), isLast, lost)
    this.#usedBytes += segment.size
    segment.isSealed = !isLast
    if (!isLast) this.#withoutIndex.push(segment)
    return segment
  }

  #noteHeaderLost({ size, headerBytes }: Segment, file: string): void {
    if (size >= headerBytes) {
      this.#log.error({ file }, 'header of a segment is gone, its copy is taken')
    } else this.#catalog.noteDamage({ file, err: 'all of it was cut off' }, 1)
  }

  #scan(segment: Segment, chunk: Chunk, isLast: boolean, unreadable: readonly ByteRange[]): void {
    const { end, damaged, lastCommitAt, tornBytes } = scanSegment(
      chunk,
      segment,
      isLast,
      (record, at) => this.#catalog.apply(segment, record, at),
      unreadable,
    )
    if (damaged.length > 0) {
      this.#damaged.set(segment.id, damaged)
      this.#claimed.note(chunk, damaged, segment.salt)
      const found = this.#described(segment, chunk.bytes, damaged)
      this.#catalog.noteDamage({ segment: segment.id, found }, damaged.length)
    }
    // What zeros stand for may be readable another day, so they are never written in its place.
    const readEnd = unreadable.find(({ to }) => to > lastCommitAt)?.from ?? end
    const bytes = chunk.bytes.subarray(lastCommitAt, Math.max(lastCommitAt, Math.min(readEnd, end)))
    this.#lastCommit = { at: lastCommitAt, bytes }
    this.#isLastRead = unreadable.length === 0
    segment.size = end
    if (tornBytes === 0) return
    this.#tornBytes += tornBytes
    this.#log.warn({ segment: segment.id, bytes: tornBytes }, 'torn end cut')
  }

  async #takeIndexed(id: number, path: string, index: Uint8Array): Promise<Segment | undefined> {
    const file = await this.#disk.open(path, 'read')
    try {
      const head = new Uint8Array(SEGMENT_HEADER_BYTES_MAX)
      const { bytes, unreadable } = await readAround(file, head, 0)
      this.#noteUnreadable(path, unreadable)
      const header = decodeSegmentHeader(head.subarray(0, bytes), path)
      if (header !== undefined) await this.#cipherOf(header)
      const size = await file.size()
      const segment = this.#loadIndex(index, id, header, size)
      if (segment === undefined) return undefined
      this.#usedBytes += segment.size + segment.indexBytes
      return segment
    } finally {
      await file.close()
    }
  }

  /** The file ends before what its index knows: that says what was in the rest, and is lost. */
  async #takeCut(id: number, path: string, index: Uint8Array): Promise<Segment | undefined> {
    if (!isIndexIntact(index)) return undefined
    const { bytes, unreadable } = await this.#scanned.readAround(path)
    const head = new Uint8Array(bytes.subarray(0, SEGMENT_HEADER_BYTES_MAX))
    const header = decodeSegmentHeader(head, path)
    const segment = this.#loadIndex(index, id, header, bytes.length, 'cut')
    if (segment === undefined) return undefined
    this.#noteUnreadable(path, unreadable)
    this.#readBytes += bytes.length
    this.#usedBytes += segment.size + segment.indexBytes
    this.#cut.push({ segment, found: messagesIn(new Chunk(bytes), segment, unreadable) })
    return segment
  }

  #loadIndex(
    index: Uint8Array,
    id: number,
    header: SegmentHeader | undefined,
    size: number,
    fit: IndexFit = 'whole',
  ): Segment | undefined {
    const opened = unwrapIndex(index, header, this.#keys)
    if (opened === undefined) return undefined
    const segment = loadIndex(opened.bytes, id, header, size, this.#catalog, opened.cipher, fit)
    if (segment !== undefined) segment.indexBytes = index.length
    return segment
  }

  /** Without its key a segment is not damaged, so nothing may be done about it. */
  async #cipherOf({ id, encryption }: SegmentHeader): Promise<SegmentCipher | undefined> {
    if (encryption === undefined) return undefined
    const cipher = this.#keys.cipherOf(id, encryption)
    if (cipher === undefined) throw await missingKeys(this.#disk, this.#directory, this.#keys)
    return cipher
  }

  #noteUnreadable(file: string, ranges: readonly ByteRange[]): void {
    for (const { from, to } of ranges) {
      this.#log.error({ file, from, to }, 'disk cannot read a part of a segment, the rest is taken')
    }
  }

  /** What the first of them seem to be, with the names of streams that are known. */
  #described(
    { encryption }: Segment,
    bytes: Uint8Array,
    damaged: readonly ByteRange[],
  ): readonly string[] {
    const nameOf = (id: number): string => this.#catalog.streamsById.get(id)?.name || String(id)
    const isEncrypted = encryption !== undefined
    return damaged
      .slice(0, DAMAGE_NAMED_MAX)
      .map(({ from, to }) => seems({ bytes: bytes.subarray(from, to), isEncrypted }, nameOf))
  }

  /** A crash may leave an index behind that is older than its segment; one that does not hold in itself is damage. */
  #noteUnfit(segment: number, index: Uint8Array): void {
    if (isIndexIntact(index)) {
      this.#log.warn({ segment }, 'index does not fit its segment, scanning instead')
      return
    }
    this.#catalog.mendedFiles++
    this.#log.error({ segment }, 'damaged index is made anew')
  }

  async #dropIndex(segment: Segment): Promise<void> {
    await this.#disk.remove(indexPath(this.#directory, segment.id))
    this.#usedBytes -= segment.indexBytes
    segment.indexBytes = 0
    this.#withoutIndex.push(segment)
  }

  /** A file that a crash left behind before its header was on disk: nothing in it was acknowledged. */
  async #removeUnborn(path: string, bytes: Uint8Array): Promise<void> {
    this.#tornBytes += bytes.length
    await this.#disk.remove(path)
    await this.#disk.syncDirectory(this.#directory)
  }

  /**
   * Cuts what is torn and makes sure that what was read is on disk, before anything follows it. The
   * last commit is written once more: its sync may have failed before the process ended, and then
   * the kernel has dropped its pages as clean, shows them all the same, and no later sync would write them
   * [fsync(2), since Linux 4.13].
   */
  async #goOn(segment: Segment): Promise<DiskFile | undefined> {
    const file = await this.#disk.open(segmentPath(this.#directory, segment.id), 'write')
    if ((await file.size()) > segment.size) await file.truncate(segment.size)
    const { at, bytes } = this.#lastCommit
    if (bytes.length > 0) await file.writev([bytes], at)
    await file.datasync()
    const isGoneOnWith = !segment.isRewritten && this.#keys.isCurrent(segment.encryption)
    if (segment.size < this.#segmentBytes && isGoneOnWith && this.#isLastRead) return file
    await file.close()
    segment.isSealed = true
    this.#withoutIndex.push(segment)
    return undefined
  }
}
