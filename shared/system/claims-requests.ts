import type { ClaimsService } from '../account/index.ts'
import type { ClientMessage, LocalClient } from '../client/index.ts'
import type { Log } from '../log/index.ts'
import { type Cancel, type Clock, every, Tasks } from '../runtime/index.ts'
import type { ServerStamp } from './server-stamp.ts'

const PACK = '$SYS.REQ.CLAIMS.PACK'
const NOTHING = new Uint8Array(0)

export interface ClaimsRequestsOptions {
  readonly client: LocalClient
  readonly claims: ClaimsService
  readonly stamp: ServerStamp
  readonly clock: Clock
  readonly log: Log
  /** Where answers of other servers come in; nobody else's. */
  readonly inbox: string
}

/**
 * Account JWTs in the system account: what `nsc push` and `nats auth account push` use, and what servers
 * keep each other up to date with. Lookups and packs are answered with JWTs, all else with JSON.
 * Source: server/accounts.go, DirAccResolver and CacheDirAccResolver.
 */
export class ClaimsRequests {
  readonly #options: ClaimsRequestsOptions
  readonly #tasks: Tasks
  #cancel: Cancel = () => {}

  constructor(options: ClaimsRequestsOptions) {
    this.#options = options
    this.#tasks = new Tasks((name, error) =>
      options.log.warn({ name, err: error }, 'claims failed'),
    )
  }

  start(): void {
    const { claims, clock } = this.#options
    this.#answer('$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE', (message) => this.#update(message, 3))
    // What servers and tools of long ago use.
    this.#answer('$SYS.ACCOUNT.*.CLAIMS.UPDATE', (message) => this.#update(message, 2))
    if (claims.kind === 'none') return
    this.#answer('$SYS.REQ.CLAIMS.UPDATE', (message) => claims.update(textOf(message)))
    this.#answer('$SYS.REQ.CLAIMS.LIST', () => Promise.resolve({ data: claims.list() }))
    this.#answer('$SYS.REQ.CLAIMS.DELETE', (message) => claims.delete(textOf(message)))
    if (claims.kind !== 'full') return
    this.#on('$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP', async ({ subject, reply }) => {
      const jwt = await claims.lookup(subject.split('.')[3] ?? '')
      // An empty answer says that it is not here.
      this.#send(reply, Buffer.from(jwt))
    })
    this.#on(PACK, ({ payload, reply }) => this.#pack(payload, reply))
    this.#on(this.#options.inbox, async (message) => {
      if (message.payload.length > 0) await claims.merge(textOf(message))
    })
    if (claims.intervalMs > 0) {
      this.#cancel = every(clock, claims.intervalMs, () => this.#compare())
    }
  }

  stop(): Promise<void> {
    this.#cancel()
    return this.#tasks.destroy()
  }

  #update(message: ClientMessage, accountToken: number): Promise<object> {
    const account = message.subject.split('.')[accountToken] ?? ''
    return this.#options.claims.update(textOf(message), account)
  }

  /** All that the other side does not have, and an empty message at its end. */
  async #pack(digest: Uint8Array, reply: string): Promise<void> {
    for await (const line of this.#options.claims.pack(digest)) {
      this.#send(reply, Buffer.from(line))
    }
    this.#send(reply, NOTHING)
  }

  /** Asks other servers for what is not here. */
  #compare(): void {
    const { client, claims, inbox } = this.#options
    if (client.hasInterest(PACK)) client.publish(PACK, claims.digest(), { reply: inbox })
  }

  #answer(subject: string, produce: (message: ClientMessage) => Promise<object>): void {
    this.#on(subject, async (message) => {
      const body = await produce(message)
      const { stamp } = this.#options
      this.#send(message.reply, Buffer.from(JSON.stringify({ server: stamp.next(), ...body })))
    })
  }

  #on(subject: string, handle: (message: ClientMessage) => Promise<void>): void {
    this.#options.client.subscribe(subject, (message) => {
      this.#tasks.run(subject, () => handle(message))
    })
  }

  #send(reply: string, bytes: Uint8Array): void {
    if (reply !== '') this.#options.client.publish(reply, bytes)
  }
}

function textOf({ payload }: ClientMessage): string {
  return Buffer.from(payload).toString()
}
