import type { Clock } from '../runtime/index.ts'
import type { Compressor } from './compression/compressor.ts'
import type { JournalStream } from './journal-stream.ts'
import type { StreamReader } from './stream-reader.ts'
import type { Writer } from './writer.ts'

/** Where the record lies that says what is true now, so that its segment carries it along. */
export interface RecordPlace {
  readonly segmentId: number
  readonly offset: number
  readonly length: number
}

export interface StreamHost {
  readonly compressor: Compressor
  readonly dictionaryBytes: number
  readonly clock: Clock
  readonly writer: Writer
  readonly reader: StreamReader
  /** Throws when there is no room for another subject, and this one is new. */
  checkSubjects(stream: JournalStream, subject: Uint8Array): void
  /** The stream has evictions that wait to be logged. */
  evictionsWait(stream: JournalStream): void
  /** Throws an error that is not of a store that has failed. */
  readonly absorb: (error: unknown) => void
  /** Whether the directory is still being read. */
  isRecovering(): boolean
}
