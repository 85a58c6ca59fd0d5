/**
 * How many streams there are, and what they say that they may grow to: kept up to date as they come, change
 * and go, so that a request for one more costs the same beside five thousand as beside none.
 */
import { tierNameOf } from './account-limits.ts'
import type { StreamConfig } from './config/stream-config.ts'

type Storage = StreamConfig['storage']

interface Total {
  count: number
  /** Whole numbers of any size: what was added can be taken away again without a rest. */
  readonly bytes: Record<Storage, bigint>
}

export class StreamTotals {
  readonly #configs = new Map<string, StreamConfig>()
  /** By tier; '' is all of them. */
  readonly #byTier = new Map<string, Total>()

  constructor(configs: Iterable<StreamConfig> = []) {
    for (const config of configs) this.set(config)
  }

  /** There is a stream of this configuration now, instead of one of that name. */
  set(config: StreamConfig): void {
    const before = this.#configs.get(config.name)
    if (before === config) return
    if (before !== undefined) this.#add(before, -1)
    this.#configs.set(config.name, config)
    this.#add(config, 1)
  }

  drop(name: string): void {
    const before = this.#configs.get(name)
    if (before === undefined) return
    this.#configs.delete(name)
    this.#add(before, -1)
  }

  /** @param tier '' for all @param except the name of one that does not count */
  count(tier: string, except = ''): number {
    const count = this.#byTier.get(tier)?.count ?? 0
    return isIn(this.#configs.get(except), tier) ? count - 1 : count
  }

  /** The sum of what streams say they may grow to. The rest as for `count`. */
  reservedBytes(storage: Storage, tier = '', except = ''): number {
    const bytes = this.#byTier.get(tier)?.bytes[storage] ?? 0n
    const other = this.#configs.get(except)
    if (other?.storage !== storage || !isIn(other, tier)) return Number(bytes)
    return Number(bytes - reservedOf(other))
  }

  #add(config: StreamConfig, sign: 1 | -1): void {
    const bytes = reservedOf(config)
    for (const tier of ['', tierNameOf(config.num_replicas)]) {
      const total = this.#byTier.get(tier) ?? { count: 0, bytes: { file: 0n, memory: 0n } }
      total.count += sign
      total.bytes[config.storage] += sign === 1 ? bytes : -bytes
      if (total.count === 0) this.#byTier.delete(tier)
      else this.#byTier.set(tier, total)
    }
  }
}

function isIn(config: StreamConfig | undefined, tier: string): boolean {
  return config !== undefined && (tier === '' || tierNameOf(config.num_replicas) === tier)
}

function reservedOf({ max_bytes }: StreamConfig): bigint {
  return max_bytes > 0 ? BigInt(max_bytes) : 0n
}
