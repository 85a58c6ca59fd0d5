/** The last so many of what was put in, oldest first. */
export class ClosedRing<Item> {
  readonly #capacity: number
  #items: Item[] = []
  /** Where the oldest is, once it is full. */
  #next = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  push(item: Item): void {
    if (this.#capacity <= 0) return
    if (this.#items.length < this.#capacity) this.#items.push(item)
    else {
      this.#items[this.#next] = item
      this.#next = (this.#next + 1) % this.#capacity
    }
  }

  /** A copy. */
  toArray(): Item[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)]
  }
}
