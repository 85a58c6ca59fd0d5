import type { Subscription } from '../broker/index.ts'
import { COUNTED_PER_SET } from './limits.ts'

/**
 * Goes over the subscriptions that an account has when its first link comes, piece by piece while they
 * change: there may be a million. Whoever changes one meanwhile hears whether it is counted already. Those
 * that are lie in many small sets, since a set that grows copies all that it holds in one go.
 */
export class StockTaking {
  readonly #rest: Iterator<Subscription>
  readonly #counted: Set<Subscription>[] = []
  /** Came while the others were counted, and are counted themselves. */
  readonly #added = new Set<Subscription>()

  constructor(subscriptions: Iterable<Subscription>) {
    this.#rest = subscriptions[Symbol.iterator]()
  }

  /** The next one that is not counted, which it is from now on; undefined when there is none. */
  next(): Subscription | undefined {
    for (;;) {
      const { value: subscription } = this.#rest.next()
      if (subscription === undefined) return undefined
      if (this.#added.has(subscription)) continue
      let last = this.#counted.at(-1)
      if (last === undefined || last.size >= COUNTED_PER_SET) {
        last = new Set()
        this.#counted.push(last)
      }
      last.add(subscription)
      return subscription
    }
  }

  has(subscription: Subscription): boolean {
    return this.#added.has(subscription) || this.#counted.some((set) => set.has(subscription))
  }

  added(subscription: Subscription): void {
    this.#added.add(subscription)
  }

  /** Whether it was counted. */
  removed(subscription: Subscription): boolean {
    return this.#added.delete(subscription) || this.#counted.some((set) => set.delete(subscription))
  }
}
