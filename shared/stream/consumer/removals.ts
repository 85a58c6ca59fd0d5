/**
 * How often something left a stream, for whoever has read ahead of it: a reader that holds messages compares
 * two numbers, and looks what is gone when they differ. Not counted is what only leaves because consumers are
 * done with it: none of them holds that as something to be delivered.
 */
import type { Eviction } from '../../store/index.ts'

export class Removals {
  #count = 0
  #holes = 0

  /** Rises with every removal. */
  get count(): number {
    return this.#count
  }

  /** Rises with those that may leave others before them. */
  get holes(): number {
    return this.#holes
  }

  /** What limits take is gone before it is told to the consumers. */
  noteEviction({ cause }: Eviction): void {
    if (cause === 'subject' || cause === 'damage') this.noteAnywhere()
    else this.noteFront()
  }

  /** Messages are gone, and all before them. */
  noteFront(): void {
    this.#count++
  }

  noteAnywhere(): void {
    this.#count++
    this.#holes++
  }
}

/** What a reader has seen of them. */
export interface RemovalsSeen {
  readonly count: number
  readonly holes: number
}
