import type { ClientMessage, LocalClient } from '../client/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import { RELAY_MS, RELAYS_PER_ACCOUNT_MAX, RELAYS_PER_CONNECTION_MAX } from './limits.ts'

const TOKEN_BYTES = 12
/** Those that end close together end together. */
const EXPIRY_STEP_MS = 50

interface Requester {
  readonly client: LocalClient
  readonly reply: string
  readonly origin: number
  readonly endsMs: number
}

/** What is open of one account, which has one client. */
interface Account {
  open: number
  readonly byOrigin: Map<number, number>
}

/**
 * Passes requests of accounts on to the system account and the answers back: every server answers for
 * itself, so there may be many. Their inbox tells the connections apart that ask, so that every server can
 * serve them in turn:
 *
 *     $SYS._INBOX.<random>.<connection>-<number>
 */
export class Relay {
  readonly #client: LocalClient
  readonly #clock: Clock
  /** Of subjects that nobody else knows. */
  readonly prefix: string
  /** Oldest first, since all last equally long: one timer is enough. */
  readonly #requesters = new Map<string, Requester>()
  readonly #accounts = new Map<LocalClient, Account>()
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

  /** False when the connection, or its account, waits for too many answers already. */
  pass(request: ClientMessage, target: string, client: LocalClient): boolean {
    const origin = request.origin?.id ?? 0
    if (!this.#open(client, origin)) return false
    const token = `${origin.toString(36)}-${(this.#count++).toString(36)}`
    if (this.#requesters.size === 0) this.#clock.after(RELAY_MS, () => this.#expire())
    const endsMs = this.#clock.monotonicMs() + RELAY_MS
    this.#requesters.set(token, { client, reply: request.reply, origin, endsMs })
    const { payload, headers } = request
    this.#client.publish(target, payload, { reply: this.prefix + token, headers })
    return true
  }

  #open(client: LocalClient, origin: number): boolean {
    const account = this.#accounts.get(client) ?? { open: 0, byOrigin: new Map<number, number>() }
    const ofOrigin = account.byOrigin.get(origin) ?? 0
    if (account.open >= RELAYS_PER_ACCOUNT_MAX || ofOrigin >= RELAYS_PER_CONNECTION_MAX)
      return false
    account.open++
    account.byOrigin.set(origin, ofOrigin + 1)
    this.#accounts.set(client, account)
    return true
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    for (const [token, requester] of this.#requesters) {
      const leftMs = requester.endsMs - nowMs
      if (leftMs > 0) {
        this.#clock.after(Math.max(leftMs, EXPIRY_STEP_MS), () => this.#expire())
        return
      }
      this.#requesters.delete(token)
      this.#close(requester)
    }
  }

  #close({ client, origin }: Requester): void {
    const account = this.#accounts.get(client)
    if (account === undefined) return
    const left = (account.byOrigin.get(origin) ?? 0) - 1
    if (left > 0) account.byOrigin.set(origin, left)
    else account.byOrigin.delete(origin)
    if (--account.open === 0) this.#accounts.delete(client)
  }
}
