/**
 * Open files of segments, shared by the writer and all readers. A file stays open while somebody
 * reads from it, also when its segment is removed or rewritten meanwhile; idle ones are closed, the
 * least recently used first, above a limit.
 */

import type { Log } from '../log/index.ts'
import { type Disk, type DiskFile, messageOf } from '../runtime/index.ts'
import { segmentPath } from './segment.ts'

interface Shared {
  readonly file: Promise<DiskFile>
  /** The journal goes on in it. */
  writer: DiskFile | undefined
  users: number
  /** Closed with its last user: the segment's path means another file now, or none. */
  isRetired: boolean
}

export interface Pin {
  readonly file: Promise<DiskFile>
  /** The journal goes on in it. */
  readonly isWritten: boolean
  readonly release: () => void
}

export class SegmentFiles {
  readonly #disk: Disk
  readonly #directory: string
  readonly #log: Log
  readonly #openMax: number
  /** In order of use. */
  readonly #shared = new Map<number, Shared>()
  readonly #closing = new Set<Promise<void>>()

  constructor(disk: Disk, directory: string, log: Log, openMax: number) {
    this.#disk = disk
    this.#directory = directory
    this.#log = log
    this.#openMax = openMax
  }

  /** The writer's own handle serves the readers too. */
  adopt(segmentId: number, file: DiskFile): void {
    const opened = Promise.resolve(file)
    this.#shared.set(segmentId, { file: opened, writer: file, users: 1, isRetired: false })
  }

  async use<T>(segmentId: number, work: (file: DiskFile) => Promise<T>): Promise<T> {
    const shared = this.#take(segmentId)
    shared.users++
    try {
      return await work(await shared.file)
    } finally {
      this.#release(shared)
    }
  }

  /** Ends what `adopt` began; the file stays open for reading as long as there is room. */
  disown(segmentId: number): void {
    const shared = this.#shared.get(segmentId)
    if (shared === undefined) return
    shared.writer = undefined
    this.#release(shared)
  }

  /** Takes the file as it is now, for reading later on; the result gives it back. */
  pin(segmentId: number): Pin {
    const shared = this.#take(segmentId)
    shared.users++
    const { file, writer } = shared
    return { file, isWritten: writer !== undefined, release: () => this.#release(shared) }
  }

  /** The file that the journal goes on in, for reading within the turn; undefined when that is another. */
  written(segmentId: number): DiskFile | undefined {
    return this.#shared.get(segmentId)?.writer
  }

  /** Resolves when an opening that is under way has ended. */
  async opened(segmentId: number): Promise<void> {
    await this.#shared.get(segmentId)?.file.catch(() => {})
  }

  /** The next use opens the path anew; those that read now go on with the old file. */
  retire(segmentId: number): void {
    const shared = this.#shared.get(segmentId)
    if (shared === undefined) return
    this.#shared.delete(segmentId)
    shared.isRetired = true
    if (shared.users === 0) this.#close(shared)
  }

  async close(): Promise<void> {
    for (const [id, shared] of this.#shared) {
      this.#shared.delete(id)
      shared.isRetired = true
      this.#close(shared)
    }
    await Promise.all(this.#closing)
  }

  #take(segmentId: number): Shared {
    const known = this.#shared.get(segmentId)
    if (known !== undefined) {
      this.#shared.delete(segmentId)
      this.#shared.set(segmentId, known)
      return known
    }
    const file = this.#disk.open(segmentPath(this.#directory, segmentId), 'read')
    const shared = { file, writer: undefined, users: 0, isRetired: false }
    file.catch(() => this.#shared.delete(segmentId))
    this.#shared.set(segmentId, shared)
    return shared
  }

  #release(shared: Shared): void {
    shared.users--
    if (shared.users > 0) return
    if (shared.isRetired) this.#close(shared)
    else this.#closeIdle()
  }

  #closeIdle(): void {
    if (this.#shared.size <= this.#openMax) return
    for (const [id, shared] of this.#shared) {
      if (shared.users > 0) continue
      this.#shared.delete(id)
      this.#close(shared)
      if (this.#shared.size <= this.#openMax) return
    }
  }

  #close(shared: Shared): void {
    const closed: Promise<void> = shared.file
      .then((file) => file.close())
      .catch((error: unknown) => {
        this.#log.debug({ err: messageOf(error) }, 'segment file not closed')
      })
      .finally(() => this.#closing.delete(closed))
    this.#closing.add(closed)
  }
}
