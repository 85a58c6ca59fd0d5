/**
 * Zeros on disk ahead of the journal's end. A commit that overwrites them changes nothing but bytes of the file, so its
 * sync need not wait for the file system's own journal, which takes as long as the commit itself.
 *
 * They are written in the background, in steps, while commits are small and there is plenty of room. A commit never
 * meets a step that is under way. Recovery takes them for nothing; a file is left without them.
 */
import type { Disk, DiskFile, SyncedFile } from '../runtime/index.ts'
import { PREWRITE_COMMIT_BYTES_MAX, PREWRITE_COMMITS, PREWRITE_ROOM_STEPS } from './limits.ts'
import { isOutOfSpace, type Room } from './room.ts'
import type { Wear } from './wear.ts'

/** What an aligned step begins at: a page that a commit ends in is the commit's. */
const PAGE_BYTES = 4096
const ZEROS = new Uint8Array(64 * 1024)

export interface PrewritingParts {
  readonly disk: Disk
  readonly room: Room
  readonly wear: Wear
  /** Bytes of a step, 0 for none. */
  readonly prewriteBytes: number
  readonly segmentBytes: number
}

export class PrewrittenSpace {
  readonly #parts: PrewritingParts
  readonly #file: DiskFile
  /** Its own: an error of the commits' file is told once, and must be told to them. */
  #synced: SyncedFile | undefined
  /** How far the file reaches when the step that is under way is done. */
  #end = 0
  #step: { readonly from: number; readonly done: Promise<void> } | undefined
  #smallCommits = 0
  #isGivenUp: boolean

  constructor(file: DiskFile, parts: PrewritingParts) {
    this.#file = file
    this.#parts = parts
    this.#isGivenUp = parts.prewriteBytes === 0
  }

  /** Whether the file is longer than its content. */
  reaches(size: number): boolean {
    return this.#end > size || this.#step !== undefined
  }

  /** By how much a write from `from` to `to` makes the file longer. */
  growth(from: number, to: number): number {
    return Math.max(0, to - Math.max(from, this.#end))
  }

  /** What a write up to `end` must wait for. */
  before(end: number): Promise<void> | undefined {
    return this.#step !== undefined && end > this.#step.from ? this.#step.done : undefined
  }

  /** What was written ends at `size` now. */
  reached(size: number): void {
    // Of a step that did not succeed nobody knows how much there is.
    this.#parts.room.aheadBytes = this.#isGivenUp ? 0 : Math.max(0, this.#end - size)
  }

  /** A commit of so many bytes, that waited for its sync, ends at `size`. */
  committed(size: number, bytes: number): void {
    if (this.#isGivenUp || this.#step !== undefined) return
    this.#smallCommits = bytes > PREWRITE_COMMIT_BYTES_MAX ? 0 : this.#smallCommits + 1
    const { prewriteBytes, segmentBytes, room } = this.#parts
    if (this.#smallCommits < PREWRITE_COMMITS || this.#end - size > prewriteBytes / 2) return
    const isRoomy = room.leftBytes >= prewriteBytes * PREWRITE_ROOM_STEPS
    const page = Math.min(PAGE_BYTES, prewriteBytes)
    const from = Math.max(this.#end, Math.ceil(size / page) * page)
    const to = Math.min(from + prewriteBytes, segmentBytes)
    if (isRoomy && room.condition.name === 'open' && to > from) this.#begin(size, from, to)
  }

  /** Waits for what is under way; behind `size` nothing is left then but what the caller cuts. */
  async end(size: number): Promise<void> {
    await this.#step?.done
    this.#parts.room.usedBytes -= Math.max(0, this.#end - size)
    this.#parts.room.aheadBytes = 0
    this.#end = 0
    this.#smallCommits = 0
  }

  async leave(): Promise<void> {
    await this.#step?.done
    await this.#synced?.close().catch(() => {})
  }

  #begin(size: number, from: number, to: number): void {
    const { room, wear } = this.#parts
    const grown = this.growth(size, to)
    this.#end = to
    room.usedBytes += grown
    room.freeBytes -= grown
    this.reached(size)
    wear.prewritten += to - from
    const done = this.#write(from, to).catch(async (error: unknown) => {
      if (!isOutOfSpace(error)) return void room.fail(error, 'zeros ahead of the journal')
      // What there is of them is where the next commits go, or is cut when they find no room either.
      this.#giveUp()
    })
    this.#step = {
      from,
      done: done.finally(() => {
        this.#step = undefined
      }),
    }
  }

  #giveUp(): void {
    this.#isGivenUp = true
    this.#parts.room.aheadBytes = 0
  }

  async #write(from: number, to: number): Promise<void> {
    const chunks: Uint8Array[] = []
    for (let at = from; at < to; at += ZEROS.length) {
      chunks.push(ZEROS.subarray(0, Math.min(ZEROS.length, to - at)))
    }
    this.#synced ??= await this.#parts.disk.openSynced(this.#file.path)
    if (this.#synced === undefined) this.#giveUp()
    else await this.#synced.writev(chunks, from)
  }
}
