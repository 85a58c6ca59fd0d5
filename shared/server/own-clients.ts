import type { LocalClient } from '../client/index.ts'

/** The server's own in-process clients, and among them, for each account that it asks, the one that asks. */
export class OwnClients {
  readonly #make: (account: string) => LocalClient
  readonly #all = new Map<LocalClient, string>()
  readonly #asking = new Map<string, LocalClient>()

  constructor(make: (account: string) => LocalClient) {
    this.#make = make
  }

  open(account: string): LocalClient {
    const client = this.#make(account)
    this.#all.set(client, account)
    return client
  }

  /** Whether one is left in the account: those that were closed are forgotten. */
  isIn(account: string): boolean {
    for (const [client, where] of this.#all) {
      if (client.isClosed) this.#all.delete(client)
      else if (where === account) return true
    }
    return false
  }

  /** A client for the server's own questions in an account: one for all of them. */
  asking(account: string): LocalClient {
    const known = this.#asking.get(account)
    if (known !== undefined) return known
    const client = this.open(account)
    this.#asking.set(account, client)
    return client
  }

  /** The account is gone: nothing is asked there. */
  askNoMore(account: string): void {
    const client = this.#asking.get(account)
    if (client === undefined) return
    this.#asking.delete(account)
    this.#all.delete(client)
    client.destroy()
  }

  async drain(): Promise<void> {
    await Promise.all([...this.#all.keys()].map((client) => client.drain()))
  }

  destroy(): void {
    for (const client of this.#all.keys()) client.destroy()
  }
}
