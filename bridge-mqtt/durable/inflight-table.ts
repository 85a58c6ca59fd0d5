import type { InflightMessage } from './inflight.ts'

const SLOTS_MIN = 16
const SLOTS_KEPT = 2048

/**
 * What is in flight, by packet identifier: one is looked up for each acknowledgement. Identifiers are given in turn,
 * so each has its slot by its low bits; those whose slot somebody else has, who was slower by a whole round, lie aside.
 * At most half of the slots are in use.
 */
export class InflightTable {
  #slots: (InflightMessage | undefined)[] = []
  #mask = -1
  #aside: Map<number, InflightMessage> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get(packetId: number): InflightMessage | undefined {
    const entry = this.#slots[packetId & this.#mask]
    return entry?.packetId === packetId ? entry : this.#aside?.get(packetId)
  }

  /** One whose identifier is not in use. */
  add(entry: InflightMessage): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow()
    this.#size++
    this.#place(entry)
  }

  delete({ packetId }: InflightMessage): void {
    const slot = packetId & this.#mask
    if (this.#slots[slot]?.packetId === packetId) this.#slots[slot] = undefined
    else if (this.#aside?.delete(packetId) !== true) return
    if (--this.#size > 0 || this.#slots.length <= SLOTS_KEPT) return
    this.#slots = []
    this.#mask = -1
  }

  #place(entry: InflightMessage): void {
    const slot = entry.packetId & this.#mask
    if (this.#slots[slot] === undefined) this.#slots[slot] = entry
    else {
      this.#aside ??= new Map()
      this.#aside.set(entry.packetId, entry)
    }
  }

  /** Who lay aside may have a slot in the larger table. */
  #grow(): void {
    const entries = [...this.#slots, ...(this.#aside?.values() ?? [])]
    this.#slots = new Array(Math.max(SLOTS_MIN, this.#slots.length * 2)).fill(undefined)
    this.#mask = this.#slots.length - 1
    this.#aside = undefined
    for (const entry of entries) if (entry !== undefined) this.#place(entry)
  }
}
