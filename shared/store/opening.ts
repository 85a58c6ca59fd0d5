/**
 * From a record as it lies on disk to the record as it was written. Everything that wants a record's
 * content (subject, headers, payload) from a file has it opened first, whoever reads: the streams' reader,
 * a start, a rewrite, a check. Its fixed fields say the same before, but for the length.
 */
import type { RecordCursor } from './record.ts'

export interface Opening {
  /**
   * The record as `encodeRecord` made it: the same cursor, or one on a chunk of its own that nobody uses
   * again. Undefined when its content is not what was written, though its checksum holds: that is damage.
   *
   * @param stored intact, and whole in its chunk
   * @param offset where it lies in the segment
   */
  open(stored: RecordCursor, offset: number): RecordCursor | undefined
}

/** For segments whose records lie there as they were written. */
export const AS_WRITTEN: Opening = { open: (stored) => stored }
