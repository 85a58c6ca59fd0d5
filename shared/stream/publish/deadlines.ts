/**
 * Sequences by the time at which something is due, the earliest first: a binary heap in typed arrays,
 * 16 bytes an entry, so that a million of them cost 16 MB and no garbage. Entries of messages that
 * are gone are left where they are until they come up, or until there are more of them than of others.
 */
const CAPACITY_MIN = 64

export class Deadlines {
  #due = new Float64Array(CAPACITY_MIN)
  #seqs = new Float64Array(CAPACITY_MIN)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** When the next one is due; Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#due[0] as number)
  }

  add(seq: number, dueMs: number): void {
    if (this.#size === this.#due.length) this.#resize(this.#size * 2)
    this.#rise(this.#size++, dueMs, seq)
  }

  /** Takes the earliest when it is due; 0 when none is. */
  take(nowMs: number): number {
    if (this.#size === 0 || (this.#due[0] as number) > nowMs) return 0
    const seq = this.#seqs[0] as number
    const last = --this.#size
    if (last > 0) this.#sink(0, this.#due[last] as number, this.#seqs[last] as number)
    return seq
  }

  /** Drops those that are not to be kept. */
  prune(isKept: (seq: number) => boolean): void {
    let kept = 0
    for (let i = 0; i < this.#size; i++) {
      if (!isKept(this.#seqs[i] as number)) continue
      this.#due[kept] = this.#due[i] as number
      this.#seqs[kept] = this.#seqs[i] as number
      kept++
    }
    this.#size = kept
    if (this.#due.length > CAPACITY_MIN && kept < this.#due.length / 4) {
      this.#resize(Math.max(CAPACITY_MIN, kept * 2))
    }
    for (let i = (kept >> 1) - 1; i >= 0; i--) {
      this.#sink(i, this.#due[i] as number, this.#seqs[i] as number)
    }
  }

  #rise(hole: number, dueMs: number, seq: number): void {
    let at = hole
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#due[parent] as number) <= dueMs) break
      this.#move(parent, at)
      at = parent
    }
    this.#due[at] = dueMs
    this.#seqs[at] = seq
  }

  #sink(hole: number, dueMs: number, seq: number): void {
    let at = hole
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#size) break
      const other = child + 1
      if (other < this.#size && (this.#due[other] as number) < (this.#due[child] as number)) {
        child = other
      }
      if ((this.#due[child] as number) >= dueMs) break
      this.#move(child, at)
      at = child
    }
    this.#due[at] = dueMs
    this.#seqs[at] = seq
  }

  #move(from: number, to: number): void {
    this.#due[to] = this.#due[from] as number
    this.#seqs[to] = this.#seqs[from] as number
  }

  #resize(capacity: number): void {
    const due = new Float64Array(capacity)
    const seqs = new Float64Array(capacity)
    due.set(this.#due.subarray(0, this.#size))
    seqs.set(this.#seqs.subarray(0, this.#size))
    this.#due = due
    this.#seqs = seqs
  }
}
