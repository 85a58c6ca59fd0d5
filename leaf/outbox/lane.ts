import type { BufferDrain } from './buffer-drain.ts'

/**
 * Decides whose turn it is. One lane for now: the buffers take turns, so that none waits for
 * another's backlog.
 */
export class Lane {
  readonly #drains: readonly BufferDrain[]
  #turn = 0

  constructor(drains: readonly BufferDrain[]) {
    this.#drains = drains
  }

  /** The next buffer that has something to send; undefined when none has. */
  next(nowMs: number): BufferDrain | undefined {
    for (let i = 0; i < this.#drains.length; i++) {
      const at = (this.#turn + i) % this.#drains.length
      const drain = this.#drains[at]
      if (drain?.isReady(nowMs)) {
        this.#turn = at + 1
        return drain
      }
    }
    return undefined
  }

  /** When a buffer that waits may go on; Infinity when none waits. */
  wakeAtMs(nowMs: number): number {
    const times = this.#drains.map((drain) => drain.blockedUntilMs).filter((ms) => ms > nowMs)
    return Math.min(Number.POSITIVE_INFINITY, ...times)
  }
}
