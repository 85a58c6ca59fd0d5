import { type AccountBook, GLOBAL_ACCOUNT } from '../account/index.ts'
import type { Broker } from '../broker/index.ts'
import type { Cancel, Clock } from '../runtime/index.ts'
import { every } from '../runtime/index.ts'
import type { StreamEngine } from '../stream/index.ts'
import { GONE_ACCOUNTS_LOOK_MS } from './limits.ts'
import type { OwnClients } from './own-clients.ts'
import type { ServerLinks } from './server-links.ts'

export interface GoneAccountsParts {
  readonly clock: Clock
  readonly book: AccountBook
  readonly broker: Broker
  readonly links: ServerLinks
  readonly clients: OwnClients
  readonly engines: ReadonlyMap<string, StreamEngine>
}

/**
 * Accounts that this server keeps something for and does not know (any more): deleted ones, which their last
 * connections and links leave bit by bit, and those that only other hubs have. As an operator may make and
 * delete accounts without end, what is left of them is let go of once nobody is in it.
 */
export class GoneAccounts {
  readonly #parts: GoneAccountsParts
  readonly #names = new Set<string>()
  readonly #stopFollowing: readonly (() => void)[]
  #cancel: Cancel | undefined

  constructor(parts: GoneAccountsParts) {
    const { book, broker } = parts
    this.#parts = parts
    this.#stopFollowing = [
      broker.onSpace((account) => {
        if (book.get(account) === undefined) this.#add(account)
      }),
      book.onChange((after, before) => {
        if (after !== undefined) this.#names.delete(after.name)
        else if (before !== undefined) this.#add(before.name)
      }),
    ]
  }

  stop(): void {
    for (const stop of this.#stopFollowing) stop()
    this.#cancel?.()
    this.#cancel = undefined
  }

  #add(account: string): void {
    this.#names.add(account)
    this.#cancel ??= every(this.#parts.clock, GONE_ACCOUNTS_LOOK_MS, () => this.#look())
  }

  #look(): void {
    for (const account of this.#names) {
      if (this.#release(account)) this.#names.delete(account)
    }
    if (this.#names.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** Lets go of what is kept for the account; false while somebody still needs it. */
  #release(account: string): boolean {
    const { broker, links, clients, engines } = this.#parts
    if (account === GLOBAL_ACCOUNT || engines.has(account) || clients.isIn(account)) return false
    if (!links.isFree(account) || !broker.release(account)) return false
    links.accounts.release(account)
    return true
  }
}
