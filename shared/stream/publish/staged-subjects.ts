/**
 * Which subjects the appends that are not on disk yet are on: checks of expected sequences must see
 * them. Appends are a queue in the order of their sequences: those that are on disk leave at its
 * head, those whose commit failed or whose transaction was undone leave at its tail, because their
 * sequences are given out again. Few streams are ever asked, so subjects are counted at the first
 * question only.
 */
interface Newest {
  seq: number
  count: number
}

const COMPACT_ENTRIES = 1024

export class StagedSubjects {
  #seqs: number[] = []
  #subjects: string[] = []
  #head = 0
  /** Entries before this one are in `#newest`. */
  #counted = 0
  readonly #newest = new Map<string, Newest>()

  get size(): number {
    return this.#seqs.length - this.#head
  }

  add(seq: number, subject: string): void {
    this.trim(seq - 1)
    this.#seqs.push(seq)
    this.#subjects.push(subject)
  }

  /** All up to `seq` are on disk. */
  settle(seq: number): void {
    let head = this.#head
    for (; head < this.#seqs.length && (this.#seqs[head] ?? 0) <= seq; head++) {
      if (head < this.#counted) this.#uncount(head)
    }
    this.#head = head
    this.#counted = Math.max(this.#counted, head)
    if (head === this.#seqs.length || head >= COMPACT_ENTRIES) this.#compact()
  }

  /** Takes out what a store that has given out `assignedSeq` last can not hold. */
  trim(assignedSeq: number): void {
    let end = this.#seqs.length
    if ((this.#seqs[end - 1] ?? 0) <= assignedSeq) return
    while (end > this.#head && (this.#seqs[end - 1] ?? 0) > assignedSeq) {
      end--
      if (end < this.#counted) this.#uncount(end)
    }
    this.#seqs.length = end
    this.#subjects.length = end
    this.#counted = Math.min(this.#counted, end)
  }

  /** 0 when none is staged on this subject. */
  lastSeqOf(subject: string): number {
    this.#count()
    return this.#newest.get(subject)?.seq ?? 0
  }

  countOf(subject: string): number {
    this.#count()
    return this.#newest.get(subject)?.count ?? 0
  }

  /** The newest staged on any subject that matches. */
  lastSeqWhere(matches: (subject: string) => boolean): number {
    this.#count()
    let last = 0
    for (const [subject, { seq }] of this.#newest) if (seq > last && matches(subject)) last = seq
    return last
  }

  #count(): void {
    for (; this.#counted < this.#seqs.length; this.#counted++) {
      const subject = this.#subjects[this.#counted] ?? ''
      const seq = this.#seqs[this.#counted] ?? 0
      const newest = this.#newest.get(subject)
      if (newest === undefined) this.#newest.set(subject, { seq, count: 1 })
      else {
        newest.seq = seq
        newest.count++
      }
    }
  }

  #uncount(index: number): void {
    const subject = this.#subjects[index] ?? ''
    const newest = this.#newest.get(subject)
    if (newest === undefined) return
    newest.count--
    if (newest.count === 0) this.#newest.delete(subject)
    else if (newest.seq === this.#seqs[index]) {
      newest.seq = this.#seqs[this.#subjects.lastIndexOf(subject, index - 1)] ?? 0
    }
  }

  #compact(): void {
    this.#seqs = this.#seqs.slice(this.#head)
    this.#subjects = this.#subjects.slice(this.#head)
    this.#counted -= this.#head
    this.#head = 0
  }
}
