import type { StoredMessage } from '../../shared/store/index.ts'
import { isSame } from '../../shared/subject/index.ts'
import { plainHeaders, plainQos } from '../headers/index.ts'
import {
  RECENT_BYTES_MAX,
  RECENT_PLACES_MAX,
  RECENT_PLACES_MIN,
  RECENT_SLAB_BYTES,
} from './limits.ts'

/** A message of the log in memory. */
export type LogEntry = Pick<
  StoredMessage,
  'seq' | 'subjectBytes' | 'headers' | 'payload' | 'timeMs'
>

const NOTHING: Uint8Array = new Uint8Array(0)

/**
 * The newest messages of a log that somebody who is connected waits for: most are read from here. Each has its
 * place by its sequence, so that the oldest are let go without a search; sequences rise, and may have gaps. Before
 * it takes more places it lets go what everybody has: what is young when it goes costs the collector nothing.
 */
export class RecentLog {
  readonly #neededFrom: () => number
  /** Nobody is asked before that sequence what is needed still. */
  #askFrom = 0
  #places: (LogEntry | undefined)[] = new Array(RECENT_PLACES_MIN)
  /** Nothing has a lower sequence. */
  #oldestSeq = 0
  #newestSeq = 0
  #bytes = 0
  /** Most messages are on the subject of the one before, with its headers: those are held once. */
  #subject: Uint8Array = NOTHING
  #headers: Uint8Array = NOTHING
  #slab = NOTHING
  #slabEnd = 0

  /** @param neededFrom nobody asks for what is before it any more; 0 when that is not known */
  constructor(neededFrom: () => number = () => 0) {
    this.#neededFrom = neededFrom
  }

  get oldestSeq(): number {
    return this.#oldestSeq
  }

  get newestSeq(): number {
    return this.#newestSeq
  }

  get(seq: number): LogEntry | undefined {
    const entry = this.#places[seq & (this.#places.length - 1)]
    return entry?.seq === seq ? entry : undefined
  }

  /** Copies what it is given. */
  add(
    seq: number,
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    timeMs: number,
  ): void {
    if (this.#bytes === 0) this.#oldestSeq = seq
    if (seq - this.#oldestSeq >= this.#places.length) {
      this.#forgetDelivered(seq)
      if (seq - this.#oldestSeq >= this.#places.length) this.#makeRoom(seq)
    }
    if (!isSame(this.#subject, subject, 0, subject.length)) this.#subject = Buffer.from(subject)
    const entry = {
      seq,
      subjectBytes: this.#subject,
      headers: this.#heldHeaders(headers),
      payload: this.#copyOf(payload),
      timeMs,
    }
    this.#places[seq & (this.#places.length - 1)] = entry
    this.#newestSeq = seq
    this.#bytes += sizeOf(entry)
    while (this.#bytes > RECENT_BYTES_MAX && this.#oldestSeq < seq) this.#letGo(this.#oldestSeq++)
  }

  /** What has a higher sequence will not be stored after all. */
  takenBack(assignedSeq: number): void {
    const from = Math.max(assignedSeq + 1, this.#oldestSeq)
    for (let seq = from; seq <= this.#newestSeq; seq++) this.#letGo(seq)
    this.#newestSeq = Math.min(this.#newestSeq, assignedSeq)
    this.#askFrom = 0
  }

  clear(): void {
    this.#places = new Array(RECENT_PLACES_MIN)
    this.#bytes = 0
    this.#askFrom = 0
    this.#slab = NOTHING
    this.#slabEnd = 0
  }

  /** Blocks that say the QoS and no more are known by what they are: nobody has to compare their bytes again. */
  #heldHeaders(headers: Uint8Array): Uint8Array {
    const plain = plainQos(headers)
    if (plain > 0) return plainHeaders(plain)
    if (!isSame(this.#headers, headers, 0, headers.length)) this.#headers = Buffer.from(headers)
    return this.#headers
  }

  /** Short ones share slabs: those next to each other are let go soon after each other. */
  #copyOf(payload: Uint8Array): Uint8Array {
    const { length } = payload
    if (length === 0) return NOTHING
    if (length > RECENT_SLAB_BYTES / 4) return Buffer.from(payload)
    if (this.#slabEnd + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(RECENT_SLAB_BYTES)
      this.#slabEnd = 0
    }
    const copy = new Uint8Array(this.#slab.buffer, this.#slabEnd, length)
    copy.set(payload)
    this.#slabEnd += length
    return copy
  }

  /** Asks once for many messages: there may be many to ask. */
  #forgetDelivered(seq: number): void {
    if (seq < this.#askFrom) return
    this.#askFrom = seq + this.#places.length / 4
    this.#letGoBefore(Math.min(this.#neededFrom(), seq))
  }

  #letGoBefore(seq: number): void {
    const last = Math.min(seq - 1, this.#newestSeq)
    for (let gone = this.#oldestSeq; gone <= last; gone++) this.#letGo(gone)
    this.#oldestSeq = Math.max(this.#oldestSeq, seq)
  }

  /** For one more behind the newest: more places up to a limit, and then those of the oldest. */
  #makeRoom(seq: number): void {
    const before = this.#places
    let places = before.length
    while (seq - this.#oldestSeq >= places && places < RECENT_PLACES_MAX) places *= 2
    this.#letGoBefore(seq - places + 1)
    if (places === before.length) return
    this.#places = new Array(places)
    for (const entry of before) {
      if (entry !== undefined) this.#places[entry.seq & (places - 1)] = entry
    }
  }

  #letGo(seq: number): void {
    const entry = this.get(seq)
    if (entry === undefined) return
    this.#places[seq & (this.#places.length - 1)] = undefined
    this.#bytes -= sizeOf(entry)
  }
}

export function sizeOf({ subjectBytes, headers, payload }: LogEntry): number {
  return subjectBytes.length + headers.length + payload.length
}
