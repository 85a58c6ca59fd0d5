/** Keys of an encrypted store from start to start: now and then another one, or none, as soon as the old one is not needed. */
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { Store, StoreEncryption } from '../../shared/store/index.ts'
import { bytes } from './opened-store.ts'

export class DrawnKeys {
  encryption: StoreEncryption = { key: bytes('the first key of a drawn store 0') }
  readonly #random: SeededRandom
  #made = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  /** What to open with the next time, after `store` was just opened with `encryption`. */
  next(store: Store): StoreEncryption {
    const { key } = this.encryption
    const isDone = (store.stats.encryption?.segmentsLeft ?? 0) === 0
    if (!isDone || this.#random.below(2) === 0) return this.encryption
    const cipher = this.#random.below(2) === 0 ? ('aes' as const) : ('chacha' as const)
    const isOff = key !== undefined && this.#random.below(3) === 0
    this.encryption = {
      cipher,
      ...(key === undefined ? {} : { previousKey: key }),
      ...(isOff ? {} : { key: bytes(`the next key of a drawn store ${++this.#made}`) }),
    }
    return this.encryption
  }
}
