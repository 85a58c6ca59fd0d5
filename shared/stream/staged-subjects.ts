/**
 * Which subjects the appends that are not on disk yet are on: checks of expected sequences must see
 * them. An entry whose commit failed, or whose transaction was undone, is recognised by its
 * sequence: it is above the last one given out, or was given to another message since.
 */
export class StagedSubjects {
  readonly #bySeq = new Map<number, string>()
  readonly #newest = new Map<string, { seq: number; count: number }>()

  get size(): number {
    return this.#bySeq.size
  }

  add(seq: number, subject: string): void {
    this.remove(seq)
    this.#bySeq.set(seq, subject)
    const newest = this.#newest.get(subject)
    if (newest === undefined) {
      this.#newest.set(subject, { seq, count: 1 })
    } else {
      newest.seq = Math.max(newest.seq, seq)
      newest.count++
    }
  }

  /** It is on disk, or never will be. */
  remove(seq: number): void {
    const subject = this.#bySeq.get(seq)
    if (subject === undefined) return
    this.#bySeq.delete(seq)
    const newest = this.#newest.get(subject)
    if (newest === undefined) return
    newest.count--
    if (newest.count === 0) this.#newest.delete(subject)
    else if (newest.seq === seq) newest.seq = this.#lastSeqOf(subject)
  }

  /** Takes out what a store that has given out `assignedSeq` last can not hold. */
  trim(assignedSeq: number): void {
    if (this.#bySeq.size === 0) return
    for (const seq of [...this.#bySeq.keys()]) {
      if (seq <= assignedSeq) continue
      this.remove(seq)
    }
  }

  /** 0 when none is staged on this subject. */
  lastSeqOf(subject: string): number {
    return this.#newest.get(subject)?.seq ?? 0
  }

  countOf(subject: string): number {
    return this.#newest.get(subject)?.count ?? 0
  }

  /** The newest staged on any subject that matches. */
  lastSeqWhere(matches: (subject: string) => boolean): number {
    let last = 0
    for (const [subject, { seq }] of this.#newest) if (seq > last && matches(subject)) last = seq
    return last
  }

  #lastSeqOf(subject: string): number {
    let last = 0
    for (const [seq, other] of this.#bySeq) if (other === subject && seq > last) last = seq
    return last
  }
}
