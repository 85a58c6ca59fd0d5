import type { Clock } from '../../shared/runtime/index.ts'
import { onDisk, RetentionClock, type Store } from '../../shared/store/index.ts'
import { JournalRetained } from './journal-retained.ts'
import { RETAINED_DEFAULTS, type RetainedLimits } from './limits.ts'
import { MemoryRetained } from './memory-retained.ts'
import { PageLine } from './page-line.ts'
import type { RetainedStore } from './retained-store.ts'

export interface RetainedStoresParts {
  /** undefined: retained messages last as long as the process. */
  readonly store: Store | undefined
  readonly clock: Clock
  readonly limits?: Partial<RetainedLimits>
}

type ClosableStore = RetainedStore & { close(): void }

/** No `/`: names with one are those of JetStream's streams, behind their account's. */
const PREFIX = 'mqtt-retained:'

/** The retained messages of all accounts: of each those that its own clients published. */
export class RetainedStores {
  readonly #parts: RetainedStoresParts
  readonly #limits: RetainedLimits
  readonly #pages = new PageLine()
  readonly #retentionClock: RetentionClock
  readonly #stores = new Map<string, ClosableStore>()

  private constructor(parts: RetainedStoresParts) {
    this.#parts = parts
    this.#limits = { ...RETAINED_DEFAULTS, ...parts.limits }
    this.#retentionClock = new RetentionClock(parts.clock, () => newestMs(parts.store))
    // A jump from now on is seen as one.
    this.#retentionClock.nowMs()
  }

  /** Goes on with what is on disk; rejects when that cannot be read. */
  static async open(parts: RetainedStoresParts): Promise<RetainedStores> {
    const stores = new RetainedStores(parts)
    const { store } = parts
    try {
      for (const name of store === undefined ? [] : [...store.streams.keys()]) {
        if (!name.startsWith(PREFIX)) continue
        const account = decodeURIComponent(name.slice(PREFIX.length))
        const retained = stores.of(account)
        if (retained instanceof JournalRetained) await retained.recover()
      }
      return stores
    } catch (error) {
      stores.close()
      throw error
    }
  }

  /** By account: all that were asked for, and all that have messages. */
  get all(): ReadonlyMap<string, RetainedStore> {
    return this.#stores
  }

  of(account: string): RetainedStore {
    const known = this.#stores.get(account)
    if (known !== undefined) return known
    const made = this.#make(account)
    this.#stores.set(account, made)
    return made
  }

  /** Removes all that is kept for an account. */
  async purge(account: string): Promise<void> {
    const { store } = this.#parts
    this.#stores.get(account)?.close()
    this.#stores.delete(account)
    const name = PREFIX + encodeURIComponent(account)
    if (store?.streams.has(name) === true) {
      await onDisk((done) => store.removeStream(name, done))
    }
  }

  /** Nothing expires any more. Before the store is closed. */
  close(): void {
    for (const retained of this.#stores.values()) retained.close()
  }

  #make(account: string): ClosableStore {
    const { store, clock } = this.#parts
    if (store === undefined) return new MemoryRetained(clock, this.#limits)
    return new JournalRetained(PREFIX + encodeURIComponent(account), {
      store,
      clock,
      retentionClock: this.#retentionClock,
      limits: this.#limits,
      pages: this.#pages,
    })
  }
}

/** The time of the newest message in the store, to hold the clock against at the start. */
function newestMs(store: Store | undefined): number {
  let newest = 0
  for (const { state } of store?.streams.values() ?? []) newest = Math.max(newest, state.lastTimeMs)
  return newest
}
