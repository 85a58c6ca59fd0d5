import type { Log } from '../../shared/log/index.ts'
import type { Eviction, StreamStore } from '../../shared/store/index.ts'
import { type SeqRange, withClosestJoined, withRange } from './holes.ts'
import { DAMAGED_RANGES_MAX } from './limits.ts'

const DAMAGED_KEY = 'sync/damaged'

/**
 * The ranges of one buffer that the disk could not give back, until the hub knows of them. The store
 * reports damage once, to who listens soon after it was opened, so this must be made before that.
 */
export class DamageLog {
  readonly stop: () => void
  readonly #store: StreamStore
  readonly #log: Log
  #ranges: readonly SeqRange[]

  constructor(store: StreamStore, log: Log) {
    this.#store = store
    this.#log = log
    this.#ranges = decodeRanges(store.states.get(DAMAGED_KEY))
    this.stop = store.onEvict((eviction) => this.#evicted(eviction))
  }

  /** Ascending. */
  get ranges(): readonly SeqRange[] {
    return this.#ranges
  }

  /** The hub knows of all up to there. Throws when the store takes no writes. */
  forget(throughSeq: number): void {
    const rest = this.#ranges.filter((range) => range.lastSeq > throughSeq)
    if (rest.length === this.#ranges.length) return
    this.#ranges = rest
    this.#store.states.set(DAMAGED_KEY, Buffer.from(JSON.stringify(rest)))
  }

  #evicted({ firstSeq, lastSeq, messages, cause }: Eviction): void {
    if (cause !== 'damage') return
    this.#log.error({ firstSeq, lastSeq, messages }, 'buffer has damaged messages')
    const ranges = withRange(this.#ranges, { firstSeq, lastSeq })
    // Only holes are ever explained: what is not one between two joined ranges does not count.
    this.#ranges = ranges.length > DAMAGED_RANGES_MAX ? withClosestJoined(ranges) : ranges
    try {
      this.#store.states.set(DAMAGED_KEY, Buffer.from(JSON.stringify(this.#ranges)))
    } catch (error) {
      this.#log.warn({ err: error }, 'cannot write down what is damaged')
    }
  }
}

function decodeRanges(bytes: Uint8Array | undefined): SeqRange[] {
  return bytes === undefined ? [] : (JSON.parse(Buffer.from(bytes).toString()) as SeqRange[])
}
