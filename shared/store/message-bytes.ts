/**
 * What the live messages of a stream count together. Their owner says how much beside subject, headers and
 * payload, and may say otherwise later: so it is derived, and right for what was there before.
 */
import { RECORD_HEADER_BYTES } from './record.ts'
import type { MessageOverhead } from './stream-store.ts'

/** A message counts what its record takes. */
const AS_RECORDED: MessageOverhead = { always: RECORD_HEADER_BYTES, withHeaders: 0 }

export class MessageBytes {
  #overhead = AS_RECORDED
  #messages = 0
  #headed = 0
  /** Of their records, without compression and encryption. */
  #recordBytes = 0

  get total(): number {
    const { always, withHeaders } = this.#overhead
    const added = this.#messages * (always - RECORD_HEADER_BYTES)
    return this.#recordBytes + added + this.#headed * withHeaders
  }

  /** What one with a record of this length counts, or would. */
  of(recordLength: number, hasHeaders: boolean): number {
    const { always, withHeaders } = this.#overhead
    const bytes = recordLength - RECORD_HEADER_BYTES + always
    return hasHeaders ? bytes + withHeaders : bytes
  }

  /** From now on, and all that is there. */
  countBy(overhead: MessageOverhead = AS_RECORDED): void {
    this.#overhead = overhead
  }

  /** So many more, or less. */
  add(messages: number, headed: number, recordBytes: number): void {
    this.#messages += messages
    this.#headed += headed
    this.#recordBytes += recordBytes
  }
}
