import type { ClientMessage, LocalClient } from '../client/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import { RELAY_MS, RELAYS_PER_ACCOUNT_MAX } from './limits.ts'

const TOKEN_BYTES = 12

interface Requester {
  readonly client: LocalClient
  readonly reply: string
}

/**
 * Passes requests of accounts on to the system account and the answers back: every server answers for
 * itself, so there may be many. A request above RELAYS_PER_ACCOUNT_MAX is not answered: it is its own
 * account that has asked for more than that.
 */
export class Relay {
  readonly #client: LocalClient
  readonly #clock: Clock
  /** Of subjects that nobody else knows; those of requests end in a number. */
  readonly prefix: string
  readonly #requesters = new Map<string, Requester>()
  /** How many of them are an account's, which has one client. */
  readonly #open = new Map<LocalClient, number>()
  #count = 0

  constructor(client: LocalClient, clock: Clock, random: Random) {
    this.#client = client
    this.#clock = clock
    this.prefix = `$SYS._INBOX.${Buffer.from(random.bytes(TOKEN_BYTES)).toString('hex')}.`
  }

  start(): void {
    this.#client.subscribe(`${this.prefix}*`, ({ subject, payload, headers }) => {
      const requester = this.#requesters.get(subject.slice(this.prefix.length))
      requester?.client.publish(requester.reply, payload, { headers })
    })
  }

  pass(request: ClientMessage, target: string, client: LocalClient): void {
    const open = this.#open.get(client) ?? 0
    if (open >= RELAYS_PER_ACCOUNT_MAX) return
    this.#open.set(client, open + 1)
    const token = (this.#count++).toString(36)
    this.#requesters.set(token, { client, reply: request.reply })
    this.#clock.after(RELAY_MS, () => this.#end(token, client))
    const { payload, headers } = request
    this.#client.publish(target, payload, { reply: this.prefix + token, headers })
  }

  #end(token: string, client: LocalClient): void {
    this.#requesters.delete(token)
    const open = this.#open.get(client) ?? 0
    if (open > 1) this.#open.set(client, open - 1)
    else this.#open.delete(client)
  }
}
