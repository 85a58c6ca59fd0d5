/**
 * What a segment with damage still says of states. Behind the record of a key that can be read there may have been a
 * removal which is damaged now, and was forgotten because it lay there too: nothing else says it. So a start that reads
 * the segment would have the key again, with what it was once.
 */
import type { Catalog } from '../catalog.ts'
import { type RecordCursor, RecordFlag, RecordType } from '../record.ts'
import type { Segment } from '../segment.ts'
import type { JournalTable } from '../state-table.ts'

export class ReadablePuts {
  readonly #catalog: Catalog
  /** Keys whose last record is no removal. */
  readonly #keys = new Map<JournalTable, Set<string>>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  /** To be called for all records that can be read, in their order. */
  note(record: RecordCursor): void {
    const { type, streamId, flags } = record
    if (type !== RecordType.state) return
    const { marks, streamsById } = this.#catalog
    const table = streamId === 0 ? marks : streamsById.get(streamId)?.states
    if (table === undefined) return
    let keys = this.#keys.get(table)
    if (keys === undefined) {
      keys = new Set()
      this.#keys.set(table, keys)
    }
    const key = Buffer.from(record.subject).toString()
    if ((flags & RecordFlag.removed) === 0) keys.add(key)
    else keys.delete(key)
  }

  /** Writes the state of those keys again that only this segment would say something else of. */
  overrule({ id }: Segment): void {
    for (const [table, keys] of this.#keys) {
      for (const key of keys) {
        const entry = table.committed.get(key)
        // Its own, or one behind it that is damaged, and written again for that.
        if (entry?.segmentId === id) continue
        const isOlder = entry !== undefined && entry.since <= id && id < entry.until
        if (!isOlder) table.overrule(key, id)
      }
    }
  }
}
