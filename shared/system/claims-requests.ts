import type { ClientMessage, LocalClient } from '../client/index.ts'
import type { Log } from '../log/index.ts'
import { messageOf } from '../runtime/index.ts'
import type { Claims } from './ports.ts'
import type { ServerStamp } from './server-stamp.ts'

/**
 * Account JWTs in the system account: what `nsc push` and `nats auth account push` use, and what other
 * servers ask for. A lookup is answered with the JWT itself, all others with JSON.
 */
export class ClaimsRequests {
  readonly #client: LocalClient
  readonly #claims: Claims
  readonly #stamp: ServerStamp
  readonly #log: Log

  constructor(client: LocalClient, claims: Claims, stamp: ServerStamp, log: Log) {
    this.#client = client
    this.#claims = claims
    this.#stamp = stamp
    this.#log = log
  }

  start(): void {
    const claims = this.#claims
    const account = ({ subject }: ClientMessage, token: number): string =>
      subject.split('.')[token] ?? ''
    this.#on('$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP', (message) => claims.lookup(account(message, 3)))
    this.#on('$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE', (message) =>
      claims.update(account(message, 3), textOf(message)),
    )
    // What servers and tools of long ago use.
    this.#on('$SYS.ACCOUNT.*.CLAIMS.UPDATE', (message) =>
      claims.update(account(message, 2), textOf(message)),
    )
    this.#on('$SYS.REQ.CLAIMS.UPDATE', (message) => claims.update('', textOf(message)))
    this.#on('$SYS.REQ.CLAIMS.LIST', () => claims.list())
    this.#on('$SYS.REQ.CLAIMS.PACK', ({ payload }) => claims.pack(payload))
    this.#on('$SYS.REQ.CLAIMS.DELETE', (message) => claims.delete(textOf(message)))
  }

  #on(
    subject: string,
    answer: (message: ClientMessage) => Promise<string | object | undefined>,
  ): void {
    this.#client.subscribe(subject, (message) => {
      answer(message).then(
        (body) => this.#send(message, body),
        (error: unknown) => {
          this.#log.warn({ subject: message.subject, err: error }, 'claims request failed')
          this.#send(message, { error: { code: 500, description: messageOf(error) } })
        },
      )
    })
  }

  #send({ reply }: ClientMessage, body: string | object | undefined): void {
    if (reply === '' || body === undefined) return
    const text =
      typeof body === 'string' ? body : JSON.stringify({ server: this.#stamp.next(), ...body })
    this.#client.publish(reply, Buffer.from(text))
  }
}

function textOf({ payload }: ClientMessage): string {
  return Buffer.from(payload).toString()
}
