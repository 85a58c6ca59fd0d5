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
  /** The newest roll-ups that are staged, so that what they take is not counted. */
  readonly #rolledUp = new Map<string, number>()
  #rolledUpAll = 0

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
    if (this.#rolledUp.size > 0 || this.#rolledUpAll > 0) {
      this.#dropRollUps((rolled) => rolled <= seq)
    }
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
    this.#dropRollUps((rolled) => rolled > assignedSeq)
    this.#counted = Math.min(this.#counted, end)
  }

  /** 0 when none is staged on this subject. */
  lastSeqOf(subject: string): number {
    this.#count()
    return this.#newest.get(subject)?.seq ?? 0
  }

  /** How many there are on a subject that has so many stored, when all that is staged is on disk. */
  countWith(subject: string, stored: number): number {
    this.#count()
    const rolledUpTo = Math.max(this.#rolledUp.get(subject) ?? 0, this.#rolledUpAll)
    if (rolledUpTo === 0) return stored + (this.#newest.get(subject)?.count ?? 0)
    return this.seqsOf(subject).filter((seq) => seq >= rolledUpTo).length
  }

  seqsOf(subject: string): number[] {
    const seqs: number[] = []
    for (let i = this.#head; i < this.#seqs.length; i++) {
      if (this.#subjects[i] === subject) seqs.push(this.#seqs[i] ?? 0)
    }
    return seqs
  }

  /** What came before `seq` on the subject, or at all when there is none, goes with the same commit. */
  rollUp(seq: number, subject: string | undefined): void {
    if (subject === undefined) this.#rolledUpAll = seq
    else this.#rolledUp.set(subject, seq)
  }

  /** The newest staged on any subject that matches. */
  lastSeqWhere(matches: (subject: string) => boolean): number {
    this.#count()
    let last = 0
    for (const [subject, { seq }] of this.#newest) if (seq > last && matches(subject)) last = seq
    return last
  }

  #dropRollUps(isOver: (seq: number) => boolean): void {
    for (const [subject, seq] of this.#rolledUp) if (isOver(seq)) this.#rolledUp.delete(subject)
    if (isOver(this.#rolledUpAll)) this.#rolledUpAll = 0
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
    if (this.size === 0) {
      // Emptied in place: it happens with nearly every commit.
      this.#seqs.length = 0
      this.#subjects.length = 0
    } else {
      this.#seqs = this.#seqs.slice(this.#head)
      this.#subjects = this.#subjects.slice(this.#head)
    }
    this.#counted -= this.#head
    this.#head = 0
  }
}
