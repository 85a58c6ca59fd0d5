/**
 * Memory in pages of which only some are in memory: the rest lies in a scratch file. What is used
 * stays, the rest makes room by the second chance (a clock). Nothing here outlives the process.
 *
 *     frameOf[page] → frame or -1; pageOf[frame] → page or -1
 *     frames  one after the other in one buffer, as bytes, words and doubles
 *
 * When the disk takes nothing, no page is lost: memory grows over its limit instead, `isStuck` says
 * so, and each further need of room tries again. An error of reading fails the store, for without
 * the page no answer would be right; after that no page changes, since what was to change with it may
 * be half done, and the other pages answer as before.
 */
import { invariant, PetioleError, type ScratchFile } from '../runtime/index.ts'
import { SCRATCH_PAGE_BYTES, SCRATCH_PAGES_MAX, SCRATCH_PAGES_SPARE } from './limits.ts'

export interface ScratchParts {
  /** Makes the file, when the first page does not fit into memory any more. */
  readonly open: (blockBytes: number) => ScratchFile
  /** What is held in memory. */
  readonly cacheBytes: number
  /** The file grew by so many bytes, or shrank. */
  readonly grew: (bytes: number) => void
  /** The disk takes no page, for the first time since it took one. */
  readonly stuck: (cause: unknown) => void
  /** A page cannot be had any more. */
  readonly failed: (cause: unknown) => PetioleError
}

const NONE = -1
const FRAMES_MIN = 2
const REFERENCED = 1
const DIRTY = 2

export class ScratchPages {
  /** The last page that was to make room could not be written. */
  isStuck = false
  /** All frames, for who was told by `at` where a page lies in them; others after each call. */
  bytes = new Uint8Array(0)
  words = new Uint32Array(0)
  doubles = new Float64Array(0)
  readonly #parts: ScratchParts
  #file: ScratchFile | undefined
  #fileBlocks = 0
  #frameOf = new Int32Array(FRAMES_MIN)
  #pageOf = new Int32Array(0)
  #marks = new Uint8Array(0)
  #hand = 0
  #pages = 0
  #isClosed = false
  #isStuckAtEnd = false
  #lost: PetioleError | undefined
  readonly #free: number[] = []

  constructor(parts: ScratchParts) {
    this.#parts = parts
    this.#makeFrames(Math.max(FRAMES_MIN, Math.floor(parts.cacheBytes / SCRATCH_PAGE_BYTES)))
  }

  /** Pages that are in use. */
  get size(): number {
    return this.#pages - this.#free.length
  }

  /** What is on its way already still fits. */
  get isFull(): boolean {
    return this.isStuck || this.size >= SCRATCH_PAGES_MAX - SCRATCH_PAGES_SPARE
  }

  /** A new page, all zero. */
  allocate(): number {
    const page = this.#free.pop() ?? this.#pages++
    invariant(page < SCRATCH_PAGES_MAX, 'who makes subjects looks for room first')
    if (page >= this.#frameOf.length) {
      const grown = new Int32Array(this.#frameOf.length * 2)
      grown.set(this.#frameOf)
      this.#frameOf = grown
    }
    const frame = this.#claim()
    this.#settle(page, frame, REFERENCED | DIRTY)
    const start = frame * SCRATCH_PAGE_BYTES
    this.bytes.fill(0, start, start + SCRATCH_PAGE_BYTES)
    return page
  }

  release(page: number): void {
    const frame = this.#frameOf[page] as number
    if (frame !== NONE) {
      this.#pageOf[frame] = NONE
      this.#marks[frame] = 0
      this.#frameOf[page] = NONE
    }
    this.#free.push(page)
    if (this.size === 0) this.#clear()
  }

  /** Where the page begins in `bytes`; holds until another page is asked for. */
  at(page: number): number {
    let frame = this.#frameOf[page] as number
    if (frame === NONE) frame = this.#load(page)
    this.#marks[frame] = (this.#marks[frame] as number) | REFERENCED
    return frame * SCRATCH_PAGE_BYTES
  }

  /** The same for who will change it; throws once a page could not be read. */
  change(page: number): number {
    if (this.#lost !== undefined) throw this.#lost
    return this.note(page)
  }

  /** The same for who keeps in it what it was found out from others. */
  note(page: number): number {
    const start = this.at(page)
    this.#marks[start / SCRATCH_PAGE_BYTES] = REFERENCED | DIRTY
    return start
  }

  word(page: number, index: number): number {
    const start = this.at(page)
    return this.words[start / 4 + index] as number
  }

  setWord(page: number, index: number, value: number): void {
    const start = this.change(page)
    this.words[start / 4 + index] = value
  }

  /** Pages that are not in memory cannot be had afterwards. */
  close(): void {
    this.#isClosed = true
    this.#file?.close()
    this.#file = undefined
  }

  #load(page: number): number {
    const frame = this.#claim()
    const start = frame * SCRATCH_PAGE_BYTES
    if (this.#file === undefined) throw new PetioleError('PETIOLE_STORE_CLOSED', 'it is closed')
    try {
      this.#file.read(page, this.bytes.subarray(start, start + SCRATCH_PAGE_BYTES))
    } catch (error) {
      this.#lost = this.#parts.failed(error)
      throw this.#lost
    }
    this.#settle(page, frame, REFERENCED)
    return frame
  }

  #settle(page: number, frame: number, marks: number): void {
    this.#frameOf[page] = frame
    this.#pageOf[frame] = page
    this.#marks[frame] = marks
  }

  /** A frame without a page. */
  #claim(): number {
    const frames = this.#pageOf.length
    let isTried = false
    // The first time round takes the marks away, the second finds what was not used meanwhile.
    for (let tries = frames * 2; tries > 0; tries--) {
      const frame = this.#hand
      this.#hand = (frame + 1) % frames
      const page = this.#pageOf[frame] as number
      if (page === NONE) return frame
      const marks = this.#marks[frame] as number
      if ((marks & REFERENCED) !== 0) {
        this.#marks[frame] = marks & ~REFERENCED
        continue
      }
      if ((marks & DIRTY) !== 0) {
        if (isTried) continue
        isTried = true
        if (!this.#write(page, frame)) continue
        isTried = false
      }
      this.#frameOf[page] = NONE
      this.#pageOf[frame] = NONE
      return frame
    }
    this.#makeFrames(frames * 2)
    return frames
  }

  #write(page: number, frame: number): boolean {
    const start = frame * SCRATCH_PAGE_BYTES
    const isNew = page >= this.#fileBlocks
    if (this.#isClosed) return false
    try {
      this.#file ??= this.#parts.open(SCRATCH_PAGE_BYTES)
      this.#file.write(page, this.bytes.subarray(start, start + SCRATCH_PAGE_BYTES))
    } catch (error) {
      if (!this.isStuck) this.#parts.stuck(error)
      this.isStuck = true
      this.#isStuckAtEnd ||= isNew
      return false
    }
    // A full disk takes what takes the place of other bytes.
    if (isNew || !this.#isStuckAtEnd) {
      this.isStuck = false
      this.#isStuckAtEnd = false
    }
    if (isNew) {
      this.#parts.grew((page + 1 - this.#fileBlocks) * this.#file.blockBytesOnDisk)
      this.#fileBlocks = page + 1
    }
    return true
  }

  #makeFrames(count: number): void {
    const bytes = new Uint8Array(count * SCRATCH_PAGE_BYTES)
    bytes.set(this.bytes)
    this.bytes = bytes
    this.words = new Uint32Array(bytes.buffer)
    this.doubles = new Float64Array(bytes.buffer)
    const pageOf = new Int32Array(count).fill(NONE)
    pageOf.set(this.#pageOf)
    const marks = new Uint8Array(count)
    marks.set(this.#marks)
    this.#hand = this.#pageOf.length
    this.#pageOf = pageOf
    this.#marks = marks
  }

  #clear(): void {
    this.#pages = 0
    this.#free.length = 0
    this.isStuck = false
    this.#isStuckAtEnd = false
    if (this.#file === undefined || this.#fileBlocks === 0) return
    try {
      this.#file.clear()
    } catch {
      // The blocks are written over by the next pages.
      return
    }
    this.#parts.grew(-this.#fileBlocks * this.#file.blockBytesOnDisk)
    this.#fileBlocks = 0
  }
}
