import type { ClientMessage, LocalClient } from '../client/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import { RELAY_MS, RELAYS_MAX } from './limits.ts'

const TOKEN_BYTES = 12

interface Requester {
  readonly client: LocalClient
  readonly reply: string
}

/**
 * Passes requests of accounts on to the system account and the answers back: every server answers for
 * itself, so there may be many. A request above RELAYS_MAX at one time is not answered.
 */
export class Relay {
  readonly #client: LocalClient
  readonly #clock: Clock
  /** Of subjects that nobody else knows; those of requests end in a number. */
  readonly prefix: string
  readonly #requesters = new Map<string, Requester>()
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
    if (this.#requesters.size >= RELAYS_MAX) return
    const token = (this.#count++).toString(36)
    this.#requesters.set(token, { client, reply: request.reply })
    this.#clock.after(RELAY_MS, () => this.#requesters.delete(token))
    const { payload, headers } = request
    this.#client.publish(target, payload, { reply: this.prefix + token, headers })
  }
}
