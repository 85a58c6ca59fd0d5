/**
 * The end of the segment that is written: how a commit gets there, and what of it is on disk.
 *
 * A commit that must be on disk when nothing else waits for that is one synced write. What may wait is written
 * first, and a sync of the file covers all of it.
 */
import type { Disk, DiskFile, SyncedFile } from '../runtime/index.ts'
import type { Room } from './room.ts'

export interface TailParts {
  readonly disk: Disk
  readonly room: Room
}

export class SegmentTail {
  readonly file: DiskFile
  readonly #synced: SyncedFile | undefined
  readonly #room: Room
  #isDirty = false

  private constructor(file: DiskFile, synced: SyncedFile | undefined, room: Room) {
    this.file = file
    this.#synced = synced
    this.#room = room
  }

  static async of(file: DiskFile, { disk, room }: TailParts): Promise<SegmentTail> {
    return new SegmentTail(file, await disk.openSynced(file.path), room)
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
    const isSynced = isUrgent && !this.#isDirty && this.#synced !== undefined
    if (isSynced) await this.#synced?.writev(chunks, at)
    else await this.file.writev(chunks, at)
    this.#isDirty ||= !isSynced
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0)
    this.#room.usedBytes += bytes
    this.#room.freeBytes -= bytes
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
    await this.file.truncate(size)
    this.#isDirty = true
    await this.sync()
  }

  /** The file itself stays open: others read from it. */
  async leave(): Promise<void> {
    // Everything is on disk: there is nothing that it could still lose.
    await this.#synced?.close().catch(() => {})
  }
}
