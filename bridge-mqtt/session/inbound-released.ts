import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'

/** @param error why nobody knows whether it is on disk */
export type Released = (packetId: number, error: PetioleError | undefined) => void

/**
 * PUBRELs whose identifiers are not in use: answered when all that came before them is on disk. Those that
 * come while others wait are gathered by identifier and wait together, so that a client that sends nothing
 * else, to a disk that is slow, has no more of them here than there are identifiers.
 */
export class RepeatedReleases {
  readonly #store: Store
  readonly #released: Released
  #waiting = new Set<number>()
  #gathering = new Set<number>()

  constructor(store: Store, released: Released) {
    this.#store = store
    this.#released = released
  }

  add(packetId: number): void {
    this.#gathering.add(packetId)
    if (this.#waiting.size === 0) this.#wait()
  }

  #wait(): void {
    const waiting = this.#gathering
    this.#gathering = this.#waiting
    this.#waiting = waiting
    this.#store.barrier((error) => {
      // Who is answered may send the next one at once.
      const settled = [...waiting]
      waiting.clear()
      if (this.#gathering.size > 0) this.#wait()
      for (const packetId of settled) this.#released(packetId, error)
    })
  }
}
