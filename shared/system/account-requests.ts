import type { Account, Identity } from '../account/index.ts'
import type { ClientMessage, LocalClient } from '../client/index.ts'
import { given, nanos } from '../monitor/index.ts'
import { Answers } from './answers.ts'
import type { SystemPorts } from './ports.ts'
import type { Relay } from './relay.ts'
import type { ServerStamp } from './server-stamp.ts'

/** Subjects of an account, and the system account's subject that answers them for this account alone. */
const RELAYED: readonly (readonly [subject: string, report: string])[] = [
  ['$SYS.REQ.SERVER.PING.CONNZ', 'CONNZ'],
  ['$SYS.REQ.ACCOUNT.PING.CONNZ', 'CONNZ'],
  ['$SYS.REQ.ACCOUNT.PING.STATZ', 'STATZ'],
]

export interface AccountRequestsOptions {
  readonly ports: SystemPorts
  readonly account: Account
  readonly client: LocalClient
  readonly stamp: ServerStamp
  /** undefined in the system account itself, which has the whole. */
  readonly relay: Relay | undefined
}

/**
 * What every account may ask the system: who its user is, who else is connected to the account, and how
 * much it moves. nats-server imports these services into each account; here a client in the account
 * answers, or passes the request on to the system account in the account's name. Other servers are not
 * told of it: each has its own.
 */
export class AccountRequests {
  readonly #options: AccountRequestsOptions
  readonly #answers: Answers

  constructor(options: AccountRequestsOptions) {
    const { client, stamp, ports } = options
    this.#options = options
    this.#answers = new Answers({ client, stamp, log: ports.log, concerns: () => true })
  }

  start(): void {
    const { account, relay } = this.#options
    this.#serve('$SYS.REQ.USER.INFO', (message) => this.#userInfo(message))
    if (relay === undefined) return
    for (const [subject, report] of RELAYED) {
      const target = `$SYS.REQ.ACCOUNT.${account.name}.${report}`
      this.#serve(subject, (message) => {
        const { client } = this.#options
        if (!relay.pass(message, target, client)) this.#answers.refuse(message)
      })
    }
  }

  close(): void {
    this.#options.client.destroy()
  }

  #serve(subject: string, handler: (message: ClientMessage) => void): void {
    this.#options.client.subscribe(
      subject,
      (message) => {
        if (message.reply !== '') handler(message)
      },
      { isConfined: true },
    )
  }

  /** Only the server that the user is connected to knows. */
  #userInfo(message: ClientMessage): void {
    const { ports, account, stamp } = this.#options
    const identity = message.origin && ports.identityOf(message.origin)
    if (identity === undefined) return
    const data = userInfo(identity, account, ports.clock.wallMs())
    this.#answers.send(message, { server: stamp.next(), data })
  }
}

function userInfo(identity: Identity, account: Account, nowMs: number): object {
  const { user, permissions, expiresMs, nameTag } = identity
  return {
    user,
    account: account.name,
    ...given({
      account_name: account.displayName,
      user_name: nameTag,
      permissions: permissions && permissionsOf(permissions.config),
      expires: expiresMs === undefined ? 0 : nanos(Math.max(0, expiresMs - nowMs)),
    }),
  }
}

type PermissionsConfig = NonNullable<Identity['permissions']>['config']

function permissionsOf({ publish, subscribe, allow_responses: responses }: PermissionsConfig) {
  return {
    publish: given({ allow: publish.allow, deny: publish.deny }),
    subscribe: given({ allow: subscribe.allow, deny: subscribe.deny }),
    ...(responses === undefined
      ? {}
      : { responses: { max: responses.max, ttl: nanos(responses.expires) } }),
  }
}
