/** What is to happen, earliest first; events of the same time in the order they were added. */
export class EventQueue {
  readonly #heap: SimEvent[] = []
  #added = 0

  get size(): number {
    return this.#heap.length
  }

  add(atMs: number, source: string, run: () => void): SimEvent {
    const event = { atMs, order: this.#added++, source, run, isCancelled: false }
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
    return event
  }

  /** The earliest event that is not cancelled, if it is due at `dueMs` or before. */
  take(dueMs: number): SimEvent | undefined {
    for (;;) {
      const first = this.#heap[0]
      if (first === undefined || (!first.isCancelled && first.atMs > dueMs)) return undefined
      const last = this.#heap.pop()!
      if (last !== first) {
        this.#heap[0] = last
        this.#sink(0)
      }
      if (!first.isCancelled) return first
    }
  }

  #rise(from: number): void {
    const heap = this.#heap
    const event = heap[from]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #sink(from: number): void {
    const heap = this.#heap
    const event = heap[from]!
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, event)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = event
  }
}

export interface SimEvent {
  readonly atMs: number
  readonly order: number
  readonly source: string
  readonly run: () => void
  isCancelled: boolean
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
