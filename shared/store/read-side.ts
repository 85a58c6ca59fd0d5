/** What is shown of a stream: all of it committed. Who writes to it is `JournalStream`. */
import type { SubjectFilter } from '../subject/index.ts'
import type { StreamCompression } from './compression/stream-compression.ts'
import { countsInTurns, lastSeqsInTurns } from './long-queries.ts'
import type { StreamDefinition } from './stream-drafts.ts'
import type { StreamHost } from './stream-host.ts'
import type { StreamIndex } from './stream-index.ts'
import { countFrom, firstSeqMatching, lastSeqMatching, subjectCounts } from './stream-queries.ts'
import type { StreamReader } from './stream-reader.ts'
import type {
  Compression,
  MessageId,
  ReadOptions,
  StoredMessage,
  StreamBatch,
  StreamLimits,
  StreamState,
  SyncPolicy,
} from './stream-store.ts'

export abstract class ReadSide {
  readonly id: number
  readonly index: StreamIndex
  definition: StreamDefinition
  abstract readonly compressed: StreamCompression
  readonly #reader: StreamReader
  readonly #absorb: (error: unknown) => void
  readonly #listeners = new Set<() => void>()

  constructor(
    id: number,
    definition: StreamDefinition,
    index: StreamIndex,
    { reader, absorb }: Pick<StreamHost, 'reader' | 'absorb'>,
  ) {
    this.id = id
    this.definition = definition
    this.index = index
    this.#reader = reader
    this.#absorb = absorb
  }

  /** Records of it can not be read any more. */
  abstract noteDamage(firstSeq: number, lastSeq: number, messages: number): void

  get name(): string {
    return this.definition.name
  }
  get createdMs(): number {
    return this.definition.createdMs
  }
  get limits(): StreamLimits {
    return this.definition.limits
  }
  get sync(): SyncPolicy {
    return this.definition.sync ?? 'always'
  }
  get compression(): Compression {
    return this.definition.compression ?? 'none'
  }
  /** How long its records may wait for a sync. */
  get syncWithinMs(): number {
    const { sync } = this.definition
    return sync === undefined || sync === 'always' ? 0 : sync.everyMs
  }
  get config(): Uint8Array {
    return this.definition.config
  }

  onCommit(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** A listener that finds the store failed keeps no other from being told. */
  notifyCommit(): void {
    for (const listener of this.#listeners) {
      try {
        listener()
      } catch (error) {
        this.#absorb(error)
      }
    }
  }

  get state(): StreamState {
    return this.index.state
  }

  get lastSeq(): number {
    return this.index.lastSeq
  }

  has(seq: number): boolean {
    return this.index.has(seq)
  }

  subjectOf(seq: number): string | undefined {
    const bytes = this.subjectBytesOf(seq)
    return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
  }

  subjectBytesOf(seq: number): Uint8Array | undefined {
    const place = this.index.place(seq)
    return place && this.index.subjects.bytes(place.span.subjectIds.get(place.ordinal))
  }

  recent(seq: number): StoredMessage | undefined {
    return this.#reader.recent(this, seq)
  }

  get(seq: number): Promise<StoredMessage | undefined> {
    return this.#reader.get(this, seq)
  }

  read(options: ReadOptions): Promise<StreamBatch> {
    return this.#reader.read(this, options)
  }

  readAt(seqs: readonly number[]): Promise<readonly StoredMessage[]> {
    return this.#reader.readAt(this, seqs)
  }

  recentIds(sinceMs: number): Promise<readonly MessageId[]> {
    return this.#reader.recentIds(this, sinceMs)
  }

  marked(): AsyncIterable<StoredMessage> {
    return this.#reader.marked(this)
  }

  lastSeqOf(subject: string): number {
    const bytes = Buffer.from(subject)
    const id = this.index.subjects.find(bytes, 0, bytes.length)
    return id < 0 ? 0 : this.index.lastSeqOf(id)
  }

  lastSeqMatching(filter: SubjectFilter, throughSeq = this.index.lastSeq): number {
    return lastSeqMatching(this.index, filter, throughSeq)
  }

  firstSeqMatching(filter: SubjectFilter, fromSeq: number): number {
    return firstSeqMatching(this.index, filter, fromSeq)
  }

  subjects(filter: SubjectFilter, subjectsMax: number): Map<string, number> {
    return subjectCounts(this.index, filter, subjectsMax)
  }

  lastSeqsInTurns(
    filters: readonly SubjectFilter[],
    { throughSeq, max }: { readonly throughSeq: number; readonly max: number },
  ): Promise<readonly number[] | undefined> {
    return lastSeqsInTurns(this.index, filters, throughSeq, max, () => this.#reader.turn())
  }

  subjectsInTurns(filter: SubjectFilter): Promise<Map<string, number>> {
    return countsInTurns(this.index, filter, () => this.#reader.turn())
  }

  countFrom(fromSeq: number, filter?: SubjectFilter): number {
    return countFrom(this.index, fromSeq, filter)
  }

  async seqAtTime(timeMs: number): Promise<number> {
    return this.index.seqAtTime(timeMs)
  }
}
