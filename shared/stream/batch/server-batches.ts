/** What the batches of all streams of one server take together: one store is one server. */
import type { Store } from '../../store/index.ts'

export class ServerBatches {
  atomic = 0
  fast = 0
  /** Of messages in atomic batches that are not committed yet. */
  stagedBytes = 0

  static #ofStore = new WeakMap<Store, ServerBatches>()

  static of(store: Store): ServerBatches {
    const known = ServerBatches.#ofStore.get(store)
    if (known !== undefined) return known
    const batches = new ServerBatches()
    ServerBatches.#ofStore.set(store, batches)
    return batches
  }
}
