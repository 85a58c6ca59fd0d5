import type { StoredMessage } from '../../shared/store/index.ts'
import { RECENT_BYTES_MAX, RECENT_PLACES_MAX, RECENT_PLACES_MIN } from './limits.ts'

/** A message of the log in memory. */
export type LogEntry = Pick<
  StoredMessage,
  'seq' | 'subjectBytes' | 'headers' | 'payload' | 'timeMs'
>

/**
 * The newest messages of a log that somebody who is connected waits for: most are read from here. Each has its
 * place by its sequence, so that the oldest are let go without a search; sequences rise, and may have gaps.
 */
export class RecentLog {
  #places: (LogEntry | undefined)[] = new Array(RECENT_PLACES_MIN)
  /** Nothing has a lower sequence. */
  #oldestSeq = 0
  #newestSeq = 0
  #bytes = 0

  get oldestSeq(): number {
    return this.#oldestSeq
  }

  get(seq: number): LogEntry | undefined {
    const entry = this.#places[seq & (this.#places.length - 1)]
    return entry?.seq === seq ? entry : undefined
  }

  /** Copies what it is given into one piece of memory. */
  add(
    seq: number,
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    timeMs: number,
  ): void {
    if (this.#bytes === 0) this.#oldestSeq = seq
    if (seq - this.#oldestSeq >= this.#places.length) this.#makeRoom(seq)
    const headersAt = subject.length
    const payloadAt = headersAt + headers.length
    const bytes = Buffer.allocUnsafe(payloadAt + payload.length)
    bytes.set(subject, 0)
    bytes.set(headers, headersAt)
    bytes.set(payload, payloadAt)
    this.#places[seq & (this.#places.length - 1)] = {
      seq,
      subjectBytes: bytes.subarray(0, headersAt),
      headers: bytes.subarray(headersAt, payloadAt),
      payload: bytes.subarray(payloadAt),
      timeMs,
    }
    this.#newestSeq = seq
    this.#bytes += bytes.length
    while (this.#bytes > RECENT_BYTES_MAX && this.#oldestSeq < seq) this.#letGo(this.#oldestSeq++)
  }

  /** What has a higher sequence will not be stored after all. */
  takenBack(assignedSeq: number): void {
    const from = Math.max(assignedSeq + 1, this.#oldestSeq)
    for (let seq = from; seq <= this.#newestSeq; seq++) this.#letGo(seq)
    this.#newestSeq = Math.min(this.#newestSeq, assignedSeq)
  }

  clear(): void {
    this.#places = new Array(RECENT_PLACES_MIN)
    this.#bytes = 0
  }

  /** For one more behind the newest: more places up to a limit, and then those of the oldest. */
  #makeRoom(seq: number): void {
    const before = this.#places
    let places = before.length
    while (seq - this.#oldestSeq >= places && places < RECENT_PLACES_MAX) places *= 2
    const keptFrom = Math.max(this.#oldestSeq, seq - places + 1)
    const last = Math.min(keptFrom - 1, this.#newestSeq)
    for (let gone = this.#oldestSeq; gone <= last; gone++) this.#letGo(gone)
    this.#oldestSeq = keptFrom
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

function sizeOf({ subjectBytes, headers, payload }: LogEntry): number {
  return subjectBytes.length + headers.length + payload.length
}
