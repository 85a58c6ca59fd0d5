import type { InflightMessage } from './inflight.ts'

/** Messages in flight in the order in which they came, chained by themselves: any of them may leave first. */
export class InflightOrder implements Iterable<InflightMessage> {
  #first: InflightMessage | undefined
  #last: InflightMessage | undefined

  push(entry: InflightMessage): void {
    entry.before = this.#last
    if (this.#last === undefined) this.#first = entry
    else this.#last.after = entry
    this.#last = entry
  }

  /** One that is here. It points at no other afterwards: whoever still has it would hold all that came later. */
  remove(entry: InflightMessage): void {
    const { before, after } = entry
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    entry.before = undefined
    entry.after = undefined
  }

  *[Symbol.iterator](): Generator<InflightMessage> {
    let entry = this.#first
    while (entry !== undefined) {
      const { after } = entry
      yield entry
      entry = after
    }
  }
}
