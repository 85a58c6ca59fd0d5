import type { PetioleError } from '../../shared/runtime/index.ts'
import type { StateTable } from '../../shared/store/index.ts'
import { decodePacketIds, encodePacketIds } from './session-codec.ts'

export type Released = (error: PetioleError | undefined) => void

/**
 * Packet identifiers of a client's QoS 2 publishes whose message is stored, until its PUBREL [MQTT-4.3.3-2].
 * The state table is the truth: what is set within a transaction is gone again when that is taken back, or
 * when its commit fails. What is kept beside it is held against the table's value each time.
 */
export class ReceivedIds {
  readonly #states: StateTable
  readonly #key: string
  #ids = new Set<number>()
  #image: Uint8Array | undefined
  #releasing = new Set<number>()
  #waiting: Released[] = []

  constructor(states: StateTable, key: string) {
    this.#states = states
    this.#key = key
  }

  /** Those not released; what a PUBREL of this turn takes away is none of them any more. */
  get size(): number {
    return this.#known().size - this.#releasing.size
  }

  has(packetId: number): boolean {
    return this.#known().has(packetId)
  }

  /** Writes it down with whatever else is in the transaction that is going on. */
  add(packetId: number, committed: Released | undefined): void {
    const ids = this.#known()
    ids.add(packetId)
    this.#store(committed)
  }

  /** All of one turn are one record. */
  release(packetId: number, released: Released): void {
    this.#releasing.add(packetId)
    this.#waiting.push(released)
    if (this.#waiting.length === 1) queueMicrotask(() => this.#writeReleases())
  }

  #writeReleases(): void {
    const waiting = this.#waiting
    const ids = this.#known()
    for (const packetId of this.#releasing) ids.delete(packetId)
    this.#releasing.clear()
    this.#waiting = []
    try {
      this.#store((error) => {
        for (const released of waiting) released(error)
      })
    } catch (error) {
      this.#image = undefined
      for (const released of waiting) released(error as PetioleError)
    }
  }

  #store(committed: Released | undefined): void {
    const rising = Uint16Array.from(this.#ids).sort()
    this.#image = undefined
    this.#states.set(this.#key, encodePacketIds([...rising]), committed)
    this.#image = this.#states.get(this.#key)
  }

  #known(): Set<number> {
    const bytes = this.#states.get(this.#key)
    if (bytes !== this.#image || bytes === undefined) {
      this.#image = bytes
      this.#ids = (bytes && decodePacketIds(bytes)) ?? new Set()
    }
    return this.#ids
  }
}
