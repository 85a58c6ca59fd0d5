/**
 * Reads sealed segments again and again, slowly, so that damage is found while other copies of the data
 * may still exist, and not by the reader who needs it. It only finds: the keeper of damage does the rest. An
 * index that does not hold is made anew from memory.
 */
import type { Log } from '../../log/index.ts'
import { type Cancel, type Clock, type Disk, messageOf, Tasks } from '../../runtime/index.ts'
import type { Catalog } from '../catalog.ts'
import { isIndexIntact } from '../index-file.ts'
import { READ_BYTES, SCRUB_BYTES_PER_SECOND, SCRUB_START_MS } from '../limits.ts'
import { Chunk, RECORD_HEADER_BYTES, RecordCursor } from '../record.ts'
import { indexPath, type Segment } from '../segment.ts'
import type { SegmentFiles } from '../segment-files.ts'

export interface ScrubberParts {
  readonly clock: Clock
  readonly disk: Disk
  readonly log: Log
  /** The journal's. */
  readonly directory: string
  readonly catalog: Catalog
  readonly files: SegmentFiles
  /** From the end of one pass to the begin of the next; 0 for none. */
  readonly scrubIntervalMs: number
  /** Makes the segment's index anew. */
  readonly reindex: (segment: Segment) => void
}

export interface ScrubStats {
  /** Passes over the whole store since it was opened. */
  readonly passes: number
  readonly bytes: number
  /** Wall time of the end of the last pass; 0 when there was none yet. */
  readonly lastPassMs: number
}

/** How far the segment that is being read is verified. */
interface Progress {
  readonly segment: Segment
  readonly salt: number
  offset: number
}

export class Scrubber {
  #passes = 0
  #bytes = 0
  #lastPassMs = 0
  readonly #parts: ScrubberParts
  readonly #tasks: Tasks
  #cancel: Cancel | undefined
  #progress: Progress | undefined
  #lastId = 0
  #isStopped = false

  constructor(parts: ScrubberParts) {
    this.#parts = parts
    this.#tasks = new Tasks((_, error) => {
      parts.log.warn(
        { err: messageOf(error) },
        'scrubbing failed, it goes on with the next segment',
      )
    })
  }

  get stats(): ScrubStats {
    return { passes: this.#passes, bytes: this.#bytes, lastPassMs: this.#lastPassMs }
  }

  start(): void {
    const { scrubIntervalMs } = this.#parts
    if (scrubIntervalMs > 0) this.#later(Math.min(SCRUB_START_MS, scrubIntervalMs))
  }

  async destroy(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#tasks.destroy()
  }

  #later(delayMs: number): void {
    if (this.#isStopped) return
    this.#cancel = this.#parts.clock.after(delayMs, () => {
      if (this.#isStopped) return
      this.#tasks.run('scrub', () => this.#step())
    })
  }

  async #step(): Promise<void> {
    let bytes = 0
    try {
      this.#progress ??= this.#nextSegment()
      if (this.#progress === undefined) return
      bytes = await this.#verify(this.#progress)
      this.#bytes += bytes
    } catch (error) {
      const at = `segment ${this.#lastId}, offset ${this.#progress?.offset ?? 0}`
      this.#progress = undefined
      throw new Error(`${at}: ${messageOf(error)}`, { cause: error })
    } finally {
      this.#goOn(bytes)
    }
  }

  #goOn(bytes: number): void {
    const { clock, scrubIntervalMs } = this.#parts
    const isPassOver = this.#progress === undefined && this.#nextId() === undefined
    if (!isPassOver) {
      this.#later(Math.max(1, (bytes * 1000) / SCRUB_BYTES_PER_SECOND))
      return
    }
    this.#passes++
    this.#lastPassMs = clock.wallMs()
    this.#lastId = 0
    this.#later(scrubIntervalMs)
  }

  #nextId(): Segment | undefined {
    return this.#parts.catalog.segments.find(({ id, isSealed }) => isSealed && id > this.#lastId)
  }

  #nextSegment(): Progress | undefined {
    const segment = this.#nextId()
    if (segment === undefined) return undefined
    this.#lastId = segment.id
    return { segment, salt: segment.salt, offset: segment.headerBytes }
  }

  /** Reads on for a piece; returns how many bytes that were. */
  async #verify(progress: Progress): Promise<number> {
    const { catalog, files } = this.#parts
    const { segment, salt } = progress
    const isSame = (): boolean => catalog.hasSegment(segment.id) && segment.salt === salt
    if (!isSame()) return this.#leave(0)
    const { size } = segment
    const want = Math.min(size - progress.offset, READ_BYTES)
    let chunk = await this.#read(files, progress, want)
    const first = chunk.view.byteLength >= 4 ? chunk.view.getUint32(0, true) : 0
    if (first > chunk.bytes.length && first <= size - progress.offset) {
      chunk = await this.#read(files, progress, first)
    }
    if (!isSame()) return this.#leave(chunk.bytes.length)
    const intact = intactBytes(chunk, salt, segment, progress.offset)
    progress.offset += intact
    if (progress.offset >= size) await this.#checkIndex(segment, isSame)
    else if (intact === 0) {
      segment.damage = 'found'
      catalog.onDamage()
    } else return intact
    return this.#leave(chunk.bytes.length)
  }

  #leave(bytes: number): number {
    this.#progress = undefined
    return bytes
  }

  #read(files: SegmentFiles, { segment, offset }: Progress, size: number): Promise<Chunk> {
    return files.use(segment.id, async (file) => {
      const bytes = Buffer.allocUnsafeSlow(size)
      let got = 0
      while (got < size) {
        const read = await file.read(bytes.subarray(got), offset + got)
        if (read === 0) break
        got += read
      }
      return new Chunk(bytes.subarray(0, got))
    })
  }

  async #checkIndex(segment: Segment, isSame: () => boolean): Promise<void> {
    const { disk, directory, log, catalog, reindex } = this.#parts
    if (segment.indexBytes === 0) return
    const bytes = await disk.readFile(indexPath(directory, segment.id)).catch(() => undefined)
    const isGone = !isSame() || segment.indexBytes === 0
    if (isGone || (bytes !== undefined && isIndexIntact(bytes))) return
    catalog.mendedFiles++
    log.error({ segment: segment.id }, 'damaged index is made anew')
    reindex(segment)
  }
}

/** Up to the first record that does not hold, cannot be opened, or does not lie here whole. */
function intactBytes(chunk: Chunk, salt: number, { opening }: Segment, offset: number): number {
  const cursor = new RecordCursor(chunk)
  const size = chunk.bytes.length
  while (cursor.at + RECORD_HEADER_BYTES <= size) {
    const isWhole = cursor.isPlausible && cursor.at + cursor.length <= size
    if (!isWhole || !cursor.isIntact(salt)) break
    if (opening.open(cursor, offset + cursor.at) === undefined) break
    cursor.at += cursor.length
  }
  return cursor.at
}
