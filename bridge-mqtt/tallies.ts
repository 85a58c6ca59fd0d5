import type { PeerTraffic } from '../shared/monitor/index.ts'

/** What the clients of one account have done that are gone, and how many there were. */
export interface Tally extends PeerTraffic {
  readonly connected: number
  /** The most at a time. */
  readonly maximum: number
  readonly ever: number
}

type Counted = { -readonly [Field in keyof Tally]: Tally[Field] }

/**
 * Counts clients by account as they come and go, so that nothing has to be counted by account for each
 * message: what those move who are here is asked of them.
 */
export class Tallies {
  readonly #byAccount = new Map<string, Counted>()

  entered(account: string): void {
    const tally = this.#of(account)
    tally.connected++
    tally.ever++
    tally.maximum = Math.max(tally.maximum, tally.connected)
  }

  left(account: string, moved: PeerTraffic | undefined): void {
    const tally = this.#of(account)
    tally.connected--
    tally.inMessages += moved?.inMessages ?? 0
    tally.inBytes += moved?.inBytes ?? 0
    tally.outMessages += moved?.outMessages ?? 0
    tally.outBytes += moved?.outBytes ?? 0
  }

  get(account: string): Tally | undefined {
    return this.#byAccount.get(account)
  }

  /** The account is gone, and so are its clients, or nearly so. */
  forget(account: string): void {
    if (this.#byAccount.get(account)?.connected === 0) this.#byAccount.delete(account)
  }

  /** Accounts that have had clients. */
  get size(): number {
    return this.#byAccount.size
  }

  [Symbol.iterator](): MapIterator<[account: string, tally: Tally]> {
    return this.#byAccount[Symbol.iterator]()
  }

  #of(account: string): Counted {
    const known = this.#byAccount.get(account)
    if (known !== undefined) return known
    const made = {
      ...{ connected: 0, maximum: 0, ever: 0 },
      ...{ inMessages: 0, inBytes: 0, outMessages: 0, outBytes: 0 },
    }
    this.#byAccount.set(account, made)
    return made
  }
}
