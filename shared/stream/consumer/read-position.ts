/** What a consumer reads of its stream, and from where on: its filters, its start, its reader. */
import type { Clock } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { joinedFilters } from '../joined-filters.ts'
import type { StartPoint } from './consumer-start.ts'
import { MessageReader } from './message-reader.ts'
import type { Removals } from './removals.ts'

export class ReadPosition {
  readonly reader: MessageReader
  #filters: readonly SubjectFilter[]
  #sinceSeq = 1
  /** What a `last_per_subject` start that is not over lists, and where it goes on behind that. */
  #listed: readonly number[] = []
  #resumeSeq = 0

  constructor(store: StreamStore, clock: Clock, config: ConsumerConfig, removals: Removals) {
    this.#filters = subjectFilters(config)
    this.reader = new MessageReader(store, clock, this.#filters, removals)
  }

  get filters(): readonly SubjectFilter[] {
    return this.#filters
  }

  /** What lies below it and matches was never the consumer's to acknowledge. */
  get sinceSeq(): number {
    return this.#sinceSeq
  }

  /** The consumer is past `seq`: a list is over with its last message. */
  passed(seq: number): void {
    if (this.#listed.length > 0 && seq >= (this.#listed.at(-1) ?? 0)) this.#listed = []
  }

  /** Returns the first sequence that is to be delivered. */
  begin({ seq, listed }: StartPoint): number {
    const first = listed?.[0] ?? seq
    this.#sinceSeq = first
    this.#listed = listed ?? []
    this.#resumeSeq = seq
    if (listed === undefined) this.reader.seek(seq)
    else this.reader.seekListed(listed, seq)
    return first
  }

  /** Of a list no restart knows, as in nats-server: all is read from `seq` on. */
  recover(sinceSeq: number, seq: number): void {
    this.#sinceSeq = sinceSeq
    this.reader.seek(seq)
  }

  /** Reads on at `seq` what the new configuration matches. */
  refilter(config: ConsumerConfig, seq: number): void {
    this.#filters = subjectFilters(config)
    this.#sinceSeq = seq
    this.#listed = []
    this.reader.seek(seq, this.#filters)
  }

  /**
   * Reads on at `seq`; as long as a list is not over, what it has from there on. Not what it has now: what
   * was superseded meanwhile is listed still, and may have been delivered to somebody who waits for it again.
   */
  seek(seq: number): void {
    if (this.#listed.length === 0) this.reader.seek(seq)
    else this.reader.seekListed(this.#listed.slice(indexFrom(this.#listed, seq)), this.#resumeSeq)
  }
}

function indexFrom(rising: readonly number[], seq: number): number {
  const at = rising.findIndex((listed) => listed >= seq)
  return at < 0 ? rising.length : at
}

function subjectFilters(config: ConsumerConfig): readonly SubjectFilter[] {
  return joinedFilters(filtersOf(config).map((filter) => new SubjectFilter(filter)))
}
