/**
 * The end of the segment that is written: how a commit gets there, and what of it is on disk.
 *
 * A commit that must be on disk when nothing else waits for that is one synced write. What may wait is written
 * first, and a sync of the file covers all of it.
 */
import type { DiskFile, SyncedFile } from '../runtime/index.ts'
import { type PrewritingParts, PrewrittenSpace } from './prewritten-space.ts'
import type { Room } from './room.ts'

export class SegmentTail {
  readonly file: DiskFile
  readonly #synced: SyncedFile | undefined
  readonly #room: Room
  readonly #ahead: PrewrittenSpace
  #isDirty = false

  private constructor(file: DiskFile, synced: SyncedFile | undefined, parts: PrewritingParts) {
    this.file = file
    this.#synced = synced
    this.#room = parts.room
    this.#ahead = new PrewrittenSpace(file, parts)
  }

  static async of(file: DiskFile, parts: PrewritingParts): Promise<SegmentTail> {
    return new SegmentTail(file, await parts.disk.openSynced(file.path), parts)
  }

  /** Something was written since the last sync. */
  get isDirty(): boolean {
    return this.#isDirty
  }

  /**
   * @param isUrgent on disk when it is done, if nothing was dirty before
   * @returns whether that took a sync
   */
  async write(chunks: readonly Uint8Array[], at: number, isUrgent: boolean): Promise<boolean> {
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
    const end = at + bytes
    const underWay = this.#ahead.before(end)
    if (underWay !== undefined) await underWay
    if (this.#room.condition.name === 'failed') throw this.#room.condition.error
    const isSynced = isUrgent && !this.#isDirty && this.#synced !== undefined
    if (isSynced) await this.#synced?.writev(chunks, at)
    else await this.file.writev(chunks, at)
    this.#isDirty ||= !isSynced
    const grown = this.#ahead.growth(at, end)
    this.#room.usedBytes += grown
    this.#room.freeBytes -= grown
    this.#ahead.reached(end)
    if (isUrgent) this.#ahead.committed(end, bytes)
    return isSynced
  }

  /** All that was written is on disk afterwards; when it rejects, nothing may be written any more. False: it was before. */
  async sync(): Promise<boolean> {
    if (!this.#isDirty) return false
    await this.file.datasync()
    this.#isDirty = false
    return true
  }

  /** Takes back what lies behind `size`. */
  async cut(size: number): Promise<void> {
    await this.#ahead.end(size)
    await this.file.truncate(size)
    this.#isDirty = true
    await this.sync()
  }

  /** Nothing lies behind `size` afterwards, and all before it is on disk. False: so it was before. */
  async end(size: number): Promise<boolean> {
    if (!this.#ahead.reaches(size)) return this.sync()
    await this.cut(size)
    return true
  }

  /** The file itself stays open: others read from it. */
  async leave(): Promise<void> {
    await this.#ahead.leave()
    // Everything is on disk: there is nothing that it could still lose.
    await this.#synced?.close().catch(() => {})
  }
}
