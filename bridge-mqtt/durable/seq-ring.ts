const RING_MIN = 8

/** Rising sequences that wait for one session: a bounded queue that allocates only while it grows. */
export class SeqRing {
  readonly #max: number
  #ring: number[] = new Array<number>(RING_MIN).fill(0)
  #head = 0
  #size = 0

  /** @param max a power of two */
  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#size
  }

  /** 0 when there is none. */
  get first(): number {
    return this.#size === 0 ? 0 : (this.#ring[this.#head] ?? 0)
  }

  get last(): number {
    return this.#size === 0 ? 0 : (this.#ring[this.#at(this.#size - 1)] ?? 0)
  }

  /** False when there is no room. */
  push(seq: number): boolean {
    if (this.#size === this.#ring.length && !this.#grow()) return false
    this.#ring[this.#at(this.#size++)] = seq
    return true
  }

  shift(): void {
    this.#head = this.#at(1)
    this.#size--
  }

  dropAbove(seq: number): void {
    while (this.#size > 0 && this.last > seq) this.#size--
  }

  clear(): void {
    this.#head = 0
    this.#size = 0
  }

  #at(index: number): number {
    return (this.#head + index) & (this.#ring.length - 1)
  }

  #grow(): boolean {
    if (this.#ring.length >= this.#max) return false
    const grown = new Array<number>(this.#ring.length * 2).fill(0)
    for (let i = 0; i < this.#size; i++) grown[i] = this.#ring[this.#at(i)] ?? 0
    this.#ring = grown
    this.#head = 0
    return true
  }
}
