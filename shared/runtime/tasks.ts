import { setMaxListeners } from 'node:events'
import { invariant } from './invariant.ts'

/**
 * Background work with a name and an end. `drain` waits for what runs, `destroy` aborts it first;
 * both are idempotent, and neither lets a rejection pass unseen.
 */
export class Tasks {
  readonly #onFailure: (name: string, error: unknown) => void
  readonly #running = new Map<Promise<void>, string>()
  readonly #abort = new AbortController()

  /** @param onFailure called with the task's name for every rejection, but not after an abort. */
  constructor(onFailure: (name: string, error: unknown) => void) {
    this.#onFailure = onFailure
    // Each task that waits listens to it: how many there are is bounded by whoever starts them.
    setMaxListeners(0, this.#abort.signal)
  }

  get names(): readonly string[] {
    return [...this.#running.values()]
  }

  run(name: string, work: (signal: AbortSignal) => Promise<void>): void {
    invariant(!this.#abort.signal.aborted, `task ${name} started after destroy`)
    const settled = work(this.#abort.signal)
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) this.#onFailure(name, error)
      })
      .finally(() => this.#running.delete(settled))
    this.#running.set(settled, name)
  }

  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.keys())
  }

  async destroy(): Promise<void> {
    this.#abort.abort()
    await this.drain()
  }
}
