import { costOf, type KeptMessage, type KeptMessages } from './outbound-kept.ts'
import type { OutboundMessage } from './outbound-message.ts'

/** Messages of one client that wait, first in, first out. */
export class OutboundQueue {
  readonly #kept: KeptMessages
  /** What has left leaves nothing behind: somebody who reads on no more would hold memory that nobody counts. */
  #entries: (KeptMessage | undefined)[] = []
  #head = 0
  /** What they count for, as if nobody else waited for them. */
  bytes = 0

  constructor(kept: KeptMessages) {
    this.#kept = kept
  }

  get size(): number {
    return this.#entries.length - this.#head
  }

  get first(): KeptMessage | undefined {
    return this.#entries[this.#head]
  }

  get waiting(): readonly KeptMessage[] {
    return this.#entries.slice(this.#head).filter((one) => one !== undefined)
  }

  /** False when it is dropped: this queue, or all together, have no room for it. */
  push(message: OutboundMessage, sizeMax: number, bytesMax: number, nowMs: number): boolean {
    if (this.size >= sizeMax) return false
    const cost = costOf(message)
    if (this.bytes + cost > bytesMax) return false
    if (this.#kept.isFull(this.bytes, cost)) {
      this.#kept.dropped()
      return false
    }
    this.bytes += cost
    this.#entries.push(this.#kept.keep(message, nowMs))
    return true
  }

  shift(): void {
    const { first } = this
    if (first === undefined) return
    this.#entries[this.#head++] = undefined
    this.bytes -= first.cost
    this.#kept.release(first)
    if (this.#head * 2 < this.#entries.length) return
    this.#entries.splice(0, this.#head)
    this.#head = 0
  }

  clear(): void {
    for (let i = this.#head; i < this.#entries.length; i++) {
      const entry = this.#entries[i]
      if (entry !== undefined) this.#kept.release(entry)
    }
    this.#entries = []
    this.#head = 0
    this.bytes = 0
  }
}
