/** The entries of a backup out of its framed bytes. */
import { type ArchiveEntry, ArchiveReader } from './archive.ts'
import { S2Reader } from './s2-frames.ts'

export class BackupReader {
  readonly #frames = new S2Reader()
  readonly #entries: ArchiveReader

  constructor(entryBytesMax: number) {
    this.#entries = new ArchiveReader(entryBytesMax)
  }

  /** The entries that are whole by now. Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<ArchiveEntry> {
    for (const decoded of this.#frames.push(bytes)) yield* this.#entries.push(decoded)
  }

  /** Whether nothing is left of a frame that has begun. */
  get isAtEnd(): boolean {
    return this.#frames.isAtEnd
  }
}
