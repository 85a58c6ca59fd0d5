import type { Output } from './output.ts'

/**
 * The outputs that hold bytes since the last flush. A network has one: it opens the queue before it
 * hands a chunk to a handler and flushes after it, so that all output of one chunk leaves in one
 * write per channel. Output that comes at another time is flushed by `soon`.
 */
export class FlushQueue {
  readonly #soon: (flush: () => void) => void
  readonly #flushScheduled = (): void => {
    this.#isScheduled = false
    this.flush()
  }
  /** The first `#count` of it; the array is never shortened, because that costs a new one each time. */
  readonly #dirty: (Output | undefined)[] = []
  #count = 0
  #isInChunk = false
  #isScheduled = false

  constructor(soon: (flush: () => void) => void) {
    this.#soon = soon
  }

  beginChunk(): void {
    this.#isInChunk = true
  }

  /** @param isMoreComing another chunk follows at once: whole segments leave now, the rests with it */
  endChunk(isMoreComing: boolean): void {
    this.#isInChunk = false
    if (isMoreComing) this.#flushSegments()
    else this.flush()
  }

  add(output: Output): void {
    this.#dirty[this.#count++] = output
    if (!this.#isInChunk) this.#schedule()
  }

  flush(): void {
    const dirty = this.#dirty
    for (let i = 0; i < this.#count; i++) {
      dirty[i]?.flushQueued()
      dirty[i] = undefined
    }
    this.#count = 0
  }

  #flushSegments(): void {
    const dirty = this.#dirty
    let kept = 0
    for (let i = 0; i < this.#count; i++) {
      const output = dirty[i]
      dirty[i] = undefined
      if (output?.flushSegments()) dirty[kept++] = output
    }
    this.#count = kept
    // Nothing may come after all.
    if (kept > 0) this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#soon(this.#flushScheduled)
  }

  /** Frees the slots of all that can be sent now, when a new slot is needed and none is left. */
  relieve(): void {
    for (let i = 0; i < this.#count; i++) this.#dirty[i]?.flush()
  }
}
