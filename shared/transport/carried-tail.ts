import { arenaBytes, READ_START } from './arena.ts'
import { CARRY_BYTES_MAX } from './limits.ts'

/**
 * The tail of a chunk that its handler did not use, kept until more comes behind it.
 *
 * The last one kept lies in the arena already where it is wanted, right in front of the read region, since
 * most often the same channel reads next. Another channel that needs the place moves it to the heap. So
 * the tails of one busy publisher cost a copy each and no garbage: as buffers of their own they were some 60 MiB a
 * second at 16 KiB a message, which V8 answers with a full collection every 300 ms.
 */
export class CarriedTail {
  #size = 0
  /** undefined while the tail is in place. */
  #moved: Uint8Array | undefined

  get size(): number {
    return this.#size
  }

  /** Keeps arena bytes [start, end), which are free after the call. */
  keep(start: number, end: number): void {
    this.drop()
    this.#size = end - start
    if (this.#size > CARRY_BYTES_MAX) {
      this.#moved = Buffer.from(arenaBytes.subarray(start, end))
      return
    }
    this.#takePlace()
    arenaBytes.copyWithin(READ_START - this.#size, start, end)
  }

  /** Keeps arena bytes [start, end) behind what is kept. */
  extend(start: number, end: number): void {
    const bytes = Buffer.concat([this.#bytes(), arenaBytes.subarray(start, end)])
    this.drop()
    this.#size = bytes.length
    this.#moved = bytes
  }

  /**
   * Puts the tail back into the arena and forgets it; returns where it begins. It ends at READ_START, but for
   * one longer than CARRY_BYTES_MAX, which fills the read region too.
   */
  restore(): number {
    const start = READ_START - Math.min(this.#size, CARRY_BYTES_MAX)
    if (this.#moved !== undefined) {
      this.#takePlace()
      arenaBytes.set(this.#moved, start)
    }
    this.drop()
    return start
  }

  drop(): void {
    if (inPlace === this) inPlace = undefined
    this.#moved = undefined
    this.#size = 0
  }

  #takePlace(): void {
    if (inPlace !== undefined) inPlace.#moveOut()
    inPlace = this
  }

  #moveOut(): void {
    this.#moved = Buffer.from(this.#bytes())
    inPlace = undefined
  }

  #bytes(): Uint8Array {
    return this.#moved ?? arenaBytes.subarray(READ_START - this.#size, READ_START)
  }
}

let inPlace: CarriedTail | undefined
