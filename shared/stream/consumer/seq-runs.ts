/**
 * A set of sequences as runs without holes, which is what messages that nobody could handle come to:
 * a few runs, however many they are. When there are too many runs the two lowest become one, and what
 * lies between them counts as in the set too.
 */
export class SeqRuns {
  readonly #runsMax: number
  #runs: (readonly [first: number, last: number])[] = []
  #size = 0

  constructor(runsMax: number) {
    this.#runsMax = runsMax
  }

  get size(): number {
    return this.#size
  }

  /** Ascending; they neither overlap nor touch. */
  get runs(): readonly (readonly [first: number, last: number])[] {
    return this.#runs
  }

  has(seq: number): boolean {
    const run = this.#runs[this.#find(seq)]
    return run !== undefined && run[0] <= seq
  }

  add(seq: number): void {
    const at = this.#find(seq)
    const run = this.#runs[at]
    if (run !== undefined && run[0] <= seq) return
    const before = this.#runs[at - 1]
    const touchesBefore = before !== undefined && before[1] + 1 === seq
    const touchesNext = run !== undefined && run[0] - 1 === seq
    const first = touchesBefore ? before[0] : seq
    const last = touchesNext ? run[1] : seq
    this.#runs.splice(
      touchesBefore ? at - 1 : at,
      (touchesBefore ? 1 : 0) + (touchesNext ? 1 : 0),
      [first, last],
    )
    this.#size++
    if (this.#runs.length > this.#runsMax) this.#joinLowest()
  }

  /** Returns whether it was there. */
  delete(seq: number): boolean {
    if (this.#size === 0) return false
    const at = this.#find(seq)
    const run = this.#runs[at]
    if (run === undefined || run[0] > seq) return false
    const left: (readonly [number, number])[] = []
    if (run[0] < seq) left.push([run[0], seq - 1])
    if (run[1] > seq) left.push([seq + 1, run[1]])
    this.#runs.splice(at, 1, ...left)
    this.#size--
    return true
  }

  deleteBelow(seq: number): void {
    let gone = 0
    for (const [first, last] of this.#runs) {
      if (last >= seq) break
      this.#size -= last - first + 1
      gone++
    }
    if (gone > 0) this.#runs.splice(0, gone)
    const run = this.#runs[0]
    if (run === undefined || run[0] >= seq) return
    this.#size -= seq - run[0]
    this.#runs[0] = [seq, run[1]]
  }

  /** @param runs as `runs` gives them */
  restore(runs: readonly (readonly [first: number, last: number])[]): void {
    this.#runs = [...runs]
    this.#size = runs.reduce((sum, [first, last]) => sum + last - first + 1, 0)
  }

  /** Those in [from, through], ascending. */
  *within(from: number, through: number): IterableIterator<number> {
    for (const [first, last] of this.#runs.slice(this.#find(from))) {
      if (first > through) return
      const end = Math.min(last, through)
      for (let seq = Math.max(first, from); seq <= end; seq++) yield seq
    }
  }

  #joinLowest(): void {
    const [lowest, next] = this.#runs
    if (lowest === undefined || next === undefined) return
    this.#size += next[0] - lowest[1] - 1
    this.#runs.splice(0, 2, [lowest[0], next[1]])
  }

  /** Index of the first run that ends at `seq` or behind it. */
  #find(seq: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle] as readonly [number, number])[1] < seq) low = middle + 1
      else high = middle
    }
    return low
  }
}
