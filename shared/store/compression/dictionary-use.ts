/** Which dictionaries the messages of a store need: for who looks at it whether they are all there. */
import { type RecordCursor, RecordFlag } from '../record.ts'
import { dictionaryIdOf } from './compressed-body.ts'
import type { StreamCompression } from './stream-compression.ts'

interface Compressing {
  readonly compressed: StreamCompression
}

export class DictionaryUse {
  /** Records by dictionary, by stream. */
  readonly #counts = new Map<number, Map<number, number>>()

  note(record: RecordCursor): void {
    if ((record.flags & RecordFlag.compressed) === 0) return
    const id = dictionaryIdOf(record.payload)
    let ofStream = this.#counts.get(record.streamId)
    if (ofStream === undefined) {
      ofStream = new Map()
      this.#counts.set(record.streamId, ofStream)
    }
    ofStream.set(id, (ofStream.get(id) ?? 0) + 1)
  }

  /** Streams that have lost some, and how many records cannot be read any more for that. */
  missing<Stream extends Compressing>(
    streams: ReadonlyMap<number, Stream>,
  ): { readonly stream: Stream; readonly records: number }[] {
    return [...this.#counts].flatMap(([streamId, counts]) => {
      const stream = streams.get(streamId)
      if (stream === undefined) return []
      let records = 0
      for (const [id, count] of counts) if (!stream.compressed.hasDictionary(id)) records += count
      return records === 0 ? [] : [{ stream, records }]
    })
  }
}
