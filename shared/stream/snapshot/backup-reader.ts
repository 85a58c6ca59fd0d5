/** The entries of a backup out of its framed bytes, of either kind: what it is shows at its beginning. */
import { ARCHIVE_MAGIC, type ArchiveEntry, ArchiveReader } from './archive.ts'
import { ByteQueue } from './byte-queue.ts'
import { LegacyReader } from './legacy-reader.ts'
import { S2Reader } from './s2-frames.ts'

export class BackupReader {
  readonly #frames = new S2Reader()
  readonly #entryBytesMax: number
  readonly #beginning = new ByteQueue()
  #entries: ArchiveReader | LegacyReader | undefined

  constructor(entryBytesMax: number) {
    this.#entryBytesMax = entryBytesMax
  }

  /** The entries that are whole by now. Throws PETIOLE_BACKUP_INVALID. */
  *push(bytes: Uint8Array): IterableIterator<ArchiveEntry> {
    for (const decoded of this.#frames.push(bytes)) {
      if (this.#entries !== undefined) yield* this.#entries.push(decoded)
      else yield* this.#begin(decoded)
    }
  }

  /** Whether nothing is left of a frame that has begun. */
  get isAtEnd(): boolean {
    return this.#frames.isAtEnd
  }

  *#begin(decoded: Uint8Array): IterableIterator<ArchiveEntry> {
    const beginning = this.#beginning
    beginning.push(decoded)
    const { length } = ARCHIVE_MAGIC
    if (beginning.length < length) return
    const magic = Buffer.from(beginning.peek(length)).toString('latin1')
    this.#entries =
      magic === ARCHIVE_MAGIC
        ? new ArchiveReader(this.#entryBytesMax)
        : new LegacyReader(this.#entryBytesMax)
    yield* this.#entries.push(beginning.take(beginning.length))
  }
}
