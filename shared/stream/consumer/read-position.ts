/** What a consumer reads of its stream, and from where on: its filters, its start, its reader. */
import type { Clock } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { lastPerSubject, type StartPoint } from './consumer-start.ts'
import { MessageReader } from './message-reader.ts'
import type { Removals } from './removals.ts'

export class ReadPosition {
  readonly reader: MessageReader
  readonly #store: StreamStore
  #filters: readonly SubjectFilter[]
  #sinceSeq = 1
  /** The end of a `last_per_subject` start that is not over; 0 otherwise. */
  #throughSeq = 0

  constructor(store: StreamStore, clock: Clock, config: ConsumerConfig, removals: Removals) {
    this.#store = store
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

  /** @param deliveredSeq the newest sequence that the consumer is past */
  throughSeq(deliveredSeq: number): number {
    return this.#throughSeq > deliveredSeq ? this.#throughSeq : 0
  }

  /** Returns the first sequence that is to be delivered. */
  begin({ seq, listed }: StartPoint): number {
    const first = listed?.[0] ?? seq
    this.#sinceSeq = first
    this.#throughSeq = listed === undefined ? 0 : seq - 1
    if (listed === undefined) this.reader.seek(seq)
    else this.reader.seekListed(listed, seq)
    return first
  }

  recover(sinceSeq: number, throughSeq: number): void {
    this.#sinceSeq = sinceSeq
    this.#throughSeq = throughSeq
  }

  /** Reads on at `seq` what the new configuration matches. */
  refilter(config: ConsumerConfig, seq: number): void {
    this.#filters = subjectFilters(config)
    this.#sinceSeq = seq
    this.reader.seek(seq, this.#filters)
  }

  /** Reads on at `seq`; as long as a `last_per_subject` start is not over, what that lists first. */
  seek(seq: number): void {
    if (this.#throughSeq < seq) {
      this.reader.seek(seq)
      return
    }
    const filters = this.#filters.map(({ subject }) => subject)
    const listed = lastPerSubject(filters, this.#store, seq, this.#throughSeq)
    this.reader.seekListed(listed, this.#throughSeq + 1)
  }
}

function subjectFilters(config: ConsumerConfig): readonly SubjectFilter[] {
  return filtersOf(config).map((filter) => new SubjectFilter(filter))
}
