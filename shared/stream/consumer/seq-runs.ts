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
    this.#size = sizeOf(runs)
  }

  /**
   * Leaves of [from, through] only what is there. A run is looked through by what is there, not by its
   * sequences: two that became one may be as far apart as any two messages.
   * @param nextThere the first that is there from a sequence on, 0 when there is none
   */
  retain(from: number, through: number, nextThere: (seq: number) => number): void {
    const at = this.#find(from)
    const kept: [number, number][] = []
    let end = at
    for (let run = this.#runs[at]; run !== undefined && run[0] <= through; run = this.#runs[end]) {
      end++
      if (run[0] < from) kept.push([run[0], from - 1])
      const last = Math.min(run[1], through)
      for (let seq = nextThere(Math.max(run[0], from)); seq > 0 && seq <= last; ) {
        pushOnto(kept, seq, seq)
        seq = nextThere(seq + 1)
      }
      if (run[1] > through) pushOnto(kept, through + 1, run[1])
    }
    if (end === at) return
    const gone = this.#runs.splice(at, end - at, ...kept)
    this.#size += sizeOf(kept) - sizeOf(gone)
    while (this.#runs.length > this.#runsMax) this.#joinLowest()
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

function sizeOf(runs: readonly (readonly [first: number, last: number])[]): number {
  return runs.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

/** Appends a run, or lets the last one go on with it. */
function pushOnto(runs: [number, number][], first: number, last: number): void {
  const before = runs[runs.length - 1]
  if (before !== undefined && before[1] + 1 === first) before[1] = last
  else runs.push([first, last])
}
