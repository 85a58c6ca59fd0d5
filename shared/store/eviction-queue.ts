import type { JournalStream } from './journal-stream.ts'

/** Streams whose evictions wait for a commit that takes their records along. */
export class EvictionQueue {
  readonly #streams = new Set<JournalStream>()
  /** Called when the first one comes. */
  onFirst: () => void = () => {}

  get isEmpty(): boolean {
    return this.#streams.size === 0
  }

  add(stream: JournalStream): void {
    const isFirst = this.isEmpty
    this.#streams.add(stream)
    if (isFirst) this.onFirst()
  }

  /** Appends their records to the commit that is being gathered. */
  logAll(): void {
    for (const stream of this.#streams) stream.logEvictions()
    this.#streams.clear()
  }
}
