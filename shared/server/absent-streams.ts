/**
 * The JetStream API where there is none: accounts without it are told so, as nats-server tells them, and
 * the system account, which may have no streams, removes those of others. Requests that somebody else
 * takes, such as the account from which this one imports the API, are not answered here.
 */
import type { Account, AccountBook } from '../account/index.ts'
import type { ClientMessage, LocalClient } from '../client/index.ts'
import { ImportedOrigin } from '../imports/index.ts'
import type { Log } from '../log/index.ts'
import {
  type AbsentAnswer,
  answerPurge,
  answerSystem,
  answerWithoutStreams,
} from '../stream/index.ts'

export interface AbsentStreamsParts {
  readonly book: AccountBook
  readonly log: Log
  /** '' for none. */
  readonly domain: string
  readonly client: (account: string) => LocalClient
  readonly isStrict: boolean
  /** Removes all streams of an account. Rejects with why not. */
  readonly purge: (account: string) => Promise<number>
}

const API_PREFIX = '$JS.API.'
const PURGE = 'ACCOUNT.PURGE.'

export class AbsentStreams {
  readonly #parts: AbsentStreamsParts
  readonly #clients = new Map<string, LocalClient>()
  #stopFollowing: (() => void) | undefined

  constructor(parts: AbsentStreamsParts) {
    this.#parts = parts
  }

  start(): void {
    const { book } = this.#parts
    this.#stopFollowing ??= book.onChange((after, before) => {
      this.#follow(after?.name ?? before?.name ?? '', after)
    })
    for (const account of book.accounts()) this.#follow(account.name, account)
  }

  /** Idempotent. */
  stop(): void {
    this.#stopFollowing?.()
    for (const client of this.#clients.values()) client.destroy()
    this.#clients.clear()
  }

  #follow(name: string, account: Account | undefined): void {
    const isAbsent = account !== undefined && !account.config.jetstream
    const client = this.#clients.get(name)
    if (!isAbsent) {
      client?.destroy()
      this.#clients.delete(name)
    } else if (client === undefined) this.#serve(account)
  }

  #serve({ name, isSystem }: Account): void {
    const { client: open, domain, isStrict } = this.#parts
    const client = open(name)
    this.#clients.set(name, client)
    const prefixes = domain === '' ? [API_PREFIX] : [API_PREFIX, `$JS.${domain}.API.`]
    for (const prefix of prefixes) {
      const handle = (message: ClientMessage): void => {
        const subject = message.subject.slice(prefix.length)
        if (message.reply === '' && !subject.startsWith(PURGE)) return
        if (isSystem) this.#takeSystem(client, subject, message)
        else if (!client.hasInterest(message.subject)) {
          send(client, message, answerWithoutStreams(subject, message, isStrict))
        }
      }
      client.subscribe(`${prefix}>`, handle, { isConfined: true })
    }
  }

  #takeSystem(client: LocalClient, subject: string, message: ClientMessage): void {
    const account = subject.startsWith(PURGE) ? subject.slice(PURGE.length) : ''
    if (account === '' || account.includes('.')) {
      send(client, message, answerSystem(subject, message))
      return
    }
    // Who imports this from the system account is not the system account.
    if (message.origin instanceof ImportedOrigin) return
    const { purge, log } = this.#parts
    log.info({ account }, 'purge request for account')
    purge(account).then(
      () => send(client, message, answerPurge(undefined)),
      (error: unknown) => send(client, message, answerPurge(error)),
    )
  }
}

function send(client: LocalClient, { reply }: ClientMessage, answer: AbsentAnswer | undefined) {
  if (reply === '' || answer === undefined || client.isClosed) return
  client.publish(reply, answer.payload, { headers: answer.headers })
}
