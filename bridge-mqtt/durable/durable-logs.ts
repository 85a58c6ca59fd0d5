import type { SubjectSpace } from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { Clock, Random } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { AccountLog, type PublishWill } from './account-log.ts'
import { DURABLE_DEFAULTS, type DurableLimits } from './limits.ts'

export interface DurableLogsParts {
  /** undefined: nothing outlives the process, and there are no durable sessions. */
  readonly store: Store | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits?: Partial<DurableLimits>
  readonly space: (account: string) => SubjectSpace
  readonly nextPeerId: () => number
  readonly publishWill: PublishWill
}

/** No `/`: names with one are those of streams, behind their account's. */
const PREFIX = 'mqtt-log:'

/** The logs of all accounts of a front door. */
export class DurableLogs {
  readonly #parts: DurableLogsParts
  readonly #all = new Map<string, AccountLog>()

  private constructor(parts: DurableLogsParts) {
    this.#parts = parts
  }

  /** Brings back all sessions; what is published from now on reaches them. Before any port is open. */
  static async open(parts: DurableLogsParts): Promise<DurableLogs> {
    const logs = new DurableLogs(parts)
    if (parts.store === undefined) return logs
    for (const [name, stream] of parts.store.streams) {
      if (!name.startsWith(PREFIX)) continue
      logs.of(decodeURIComponent(name.slice(PREFIX.length))).recover(parts.store, stream)
    }
    return logs
  }

  /** Those that somebody has asked for, or that have sessions. */
  get all(): ReadonlyMap<string, AccountLog> {
    return this.#all
  }

  of(account: string): AccountLog {
    const known = this.#all.get(account)
    if (known !== undefined) return known
    const { limits, space, log, ...rest } = this.#parts
    const made = new AccountLog({
      ...rest,
      account,
      streamName: PREFIX + encodeURIComponent(account),
      space: space(account),
      limits: { ...DURABLE_DEFAULTS, ...limits },
      log: log.child({ account }),
    })
    this.#all.set(account, made)
    return made
  }

  /** Ends all sessions of an account and removes its log. Nobody may be attached to them any more. */
  async purge(account: string): Promise<void> {
    await this.#all.get(account)?.purge()
  }

  /** Writes down how far all sessions are: before the store is drained. Idempotent, as `destroy`, which does not. */
  async close(): Promise<void> {
    for (const log of this.#all.values()) log.close()
  }

  destroy(): void {
    for (const log of this.#all.values()) log.destroy()
  }
}
