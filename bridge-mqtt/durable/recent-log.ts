import type { StoredMessage } from '../../shared/store/index.ts'
import { RECENT_BYTES_MAX } from './limits.ts'

/** A message of the log in memory. */
export type LogEntry = Pick<
  StoredMessage,
  'seq' | 'subjectBytes' | 'headers' | 'payload' | 'timeMs'
>

/** The newest messages of a log that somebody who is connected waits for: most are read from here. */
export class RecentLog {
  /** In the order of their sequences. */
  readonly #entries = new Map<number, LogEntry>()
  #bytes = 0

  get(seq: number): LogEntry | undefined {
    return this.#entries.get(seq)
  }

  /** Copies what it is given into one piece of memory. */
  add(
    seq: number,
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    timeMs: number,
  ): void {
    const headersAt = subject.length
    const payloadAt = headersAt + headers.length
    const bytes = Buffer.allocUnsafe(payloadAt + payload.length)
    bytes.set(subject, 0)
    bytes.set(headers, headersAt)
    bytes.set(payload, payloadAt)
    this.#entries.set(seq, {
      seq,
      subjectBytes: bytes.subarray(0, headersAt),
      headers: bytes.subarray(headersAt, payloadAt),
      payload: bytes.subarray(payloadAt),
      timeMs,
    })
    this.#bytes += bytes.length
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= RECENT_BYTES_MAX || oldest === seq) break
      this.#entries.delete(oldest)
      this.#bytes -= sizeOf(entry)
    }
  }

  /** What has a higher sequence will not be stored after all. */
  takenBack(assignedSeq: number): void {
    for (const [seq, entry] of this.#entries) {
      if (seq <= assignedSeq) continue
      this.#entries.delete(seq)
      this.#bytes -= sizeOf(entry)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }
}

function sizeOf({ subjectBytes, headers, payload }: LogEntry): number {
  return subjectBytes.length + headers.length + payload.length
}
