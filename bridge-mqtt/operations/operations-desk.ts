import type { AccountBook } from '../../shared/account/index.ts'
import { type ClientMessage, LocalClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { RequestFields } from '../../shared/monitor/index.ts'
import { codeOf, messageOf, PetioleError } from '../../shared/runtime/index.ts'
import type { Core } from '../../shared/server/index.ts'
import {
  ANSWER_BYTES_MAX,
  ANSWER_OVERHEAD_BYTES,
  PAGE_ENTRIES_MAX,
  REQUEST_BYTES_MAX,
} from '../limits.ts'
import type { MqttDirectory, Page, PageQuery } from './directory.ts'
import { RequestLine } from './request-line.ts'

/** Requests of operators; the first level is the server's own, to which devices cannot publish. */
export const OPERATIONS = '$MQTT.REQ'
/** `$MQTT.REQ.<server id>.<NAME>`. */
const NAME_TOKEN = 3

export interface DeskOptions {
  readonly core: Core
  readonly directory: MqttDirectory
  readonly log: Log
}

/** What stands in one account. */
interface Counter {
  readonly client: LocalClient
  /** undefined for the system account: it speaks for all. */
  readonly account: string | undefined
}

interface Request {
  readonly message: ClientMessage
  readonly fields: RequestFields
  readonly counter: Counter
}

type Handler = (request: Request) => object | Promise<object>

/**
 * Answers operators in every account, for this account alone, and in the system account for all of them:
 *
 *     $MQTT.REQ.PING                      who serves MQTT; every server answers
 *     $MQTT.REQ.<server id>.CLIENTS       { account, client, offset, limit }
 *     $MQTT.REQ.<server id>.SESSIONS      the same
 *     $MQTT.REQ.<server id>.RETAINED      { account, filter, offset, limit }
 *     $MQTT.REQ.<server id>.KICK          { account, client, session: true to end that too }
 *     $MQTT.REQ.<server id>.END           { account, client }: a session
 *     $MQTT.REQ.<server id>.FORGET        { account, topic }: a retained message
 *
 * All fields may be left out but `client` and `topic` of the last three. An answer is `{ server, … }`, or
 * `{ server, error: { code, description } }`. Who may publish to `$MQTT.REQ.>` in an account may do all of it
 * there, as with the account's streams: permissions decide. Over a link from a leaf nothing can be changed.
 */
export class OperationsDesk {
  readonly #options: DeskOptions
  readonly #line: RequestLine
  readonly #counters = new Map<string, Counter>()
  readonly #handlers: Readonly<Record<string, Handler>>
  #unobserve: (() => void) | undefined

  constructor(options: DeskOptions) {
    const { core, directory } = options
    this.#options = options
    this.#line = new RequestLine(core.machine.clock)
    this.#handlers = {
      CLIENTS: (request) => paged('clients', request, directory.clients(this.#queryOf(request))),
      SESSIONS: (request) => paged('sessions', request, directory.sessions(this.#queryOf(request))),
      RETAINED: async (request) =>
        paged('retained', request, await directory.retained(this.#queryOf(request))),
      KICK: (request) => this.#kick(request),
      END: (request) => this.#end(request),
      FORGET: (request) => this.#forget(request),
    }
  }

  start(): void {
    const { book } = this.#options.core.accounts
    for (const { name } of book.accounts()) this.#serve(book, name)
    this.#unobserve = book.onChange((after, before) => {
      if (after !== undefined) this.#serve(book, after.name)
      else if (before !== undefined) this.#leave(before.name)
    })
  }

  /** Idempotent. */
  stop(): void {
    this.#unobserve?.()
    this.#line.stop()
    for (const name of [...this.#counters.keys()]) this.#leave(name)
  }

  #serve(book: AccountBook, name: string): void {
    if (this.#counters.has(name)) return
    const { core } = this.#options
    const { clock, random } = core.machine
    const client = new LocalClient(core.space(name), core.nextPeerId(), clock, random)
    const counter = { client, account: name === book.systemAccount ? undefined : name }
    this.#counters.set(name, counter)
    const choices = { isConfined: true }
    client.subscribe(`${OPERATIONS}.PING`, (message) => this.#pinged(counter, message), choices)
    const own = `${OPERATIONS}.${core.identity.id}.*`
    client.subscribe(own, (message) => this.#asked(counter, message), choices)
  }

  #leave(name: string): void {
    this.#counters.get(name)?.client.destroy()
    this.#counters.delete(name)
  }

  #pinged(counter: Counter, message: ClientMessage): void {
    if (message.reply !== '') this.#answer(counter, message, {})
  }

  #asked(counter: Counter, message: ClientMessage): void {
    if (message.reply === '') return
    if (message.payload.length > REQUEST_BYTES_MAX) {
      const error = { code: 400, description: `a request has ${REQUEST_BYTES_MAX} bytes at most` }
      this.#answer(counter, message, { error })
    } else if (!this.#line.add(counter.account ?? '', () => this.#handle(counter, message))) {
      const error = { code: 503, description: 'too many requests wait for an answer' }
      this.#answer(counter, message, { error })
    }
  }

  async #handle(counter: Counter, message: ClientMessage): Promise<void> {
    const name = message.subject.split('.')[NAME_TOKEN] ?? ''
    try {
      const handler = Object.hasOwn(this.#handlers, name) ? this.#handlers[name] : undefined
      if (handler === undefined) throw refusal(404, `there is no request ${name}`)
      const fields = RequestFields.parse(message.payload)
      this.#answer(counter, message, await handler({ message, fields, counter }))
    } catch (error) {
      this.#answer(counter, message, { error: this.#failure(name, error) })
    }
  }

  #failure(request: string, error: unknown): { code: number; description: string } {
    const description = messageOf(error)
    if (error instanceof Refusal) return { code: error.status, description }
    if (codeOf(error) === 'PETIOLE_BAD_REQUEST') return { code: 400, description }
    this.#options.log.warn({ request, err: error }, 'request of an operator failed')
    return { code: 500, description }
  }

  #answer({ client }: Counter, { reply }: ClientMessage, body: object): void {
    const { identity, serverName, version } = this.#options.core
    const server = { id: identity.id, name: serverName, version }
    if (!client.isClosed) client.publish(reply, Buffer.from(JSON.stringify({ server, ...body })))
  }

  #queryOf(request: Request): PageQuery {
    const { fields } = request
    const { payloadBytesMax } = this.#options.core
    const limit = fields.count('limit')
    return {
      account: this.#accountOf(request),
      clientId: fields.text('client'),
      filter: fields.text('filter'),
      offset: Math.max(0, fields.count('offset')),
      limit: limit > 0 ? Math.min(limit, PAGE_ENTRIES_MAX) : PAGE_ENTRIES_MAX,
      bytesMax: Math.min(ANSWER_BYTES_MAX, payloadBytesMax - ANSWER_OVERHEAD_BYTES),
    }
  }

  async #kick(request: Request): Promise<object> {
    const { directory, log } = this.#options
    const clientId = required(request, 'client')
    const account = this.#accountOfClient(request, clientId)
    const isSessionToo = request.fields.flag('session')
    const isDone = isSessionToo
      ? await directory.endSession(account, clientId)
      : directory.kick(account, clientId)
    if (!isDone) throw this.#notConnected(account, clientId)
    log.info({ account, client: clientId, session: isSessionToo }, 'client was kicked')
    return { account, kicked: clientId }
  }

  async #end(request: Request): Promise<object> {
    const { directory, log } = this.#options
    const clientId = required(request, 'client')
    const account = this.#accountOfClient(request, clientId)
    const isDone = await directory.endSession(account, clientId)
    if (!isDone) {
      const where = this.#whereOf(account)
      throw refusal(
        404,
        `there is no session ${clientId} ${where}: \`petiole mqtt sessions\` lists them`,
      )
    }
    log.info({ account, client: clientId }, 'session was ended by an operator')
    return { account, ended: clientId }
  }

  async #forget(request: Request): Promise<object> {
    const { directory, log } = this.#options
    const topic = required(request, 'topic')
    directory.checkTopic(topic)
    const account = await this.#accountOfTopic(request, topic)
    const isDone = await directory.removeRetained(account, topic)
    if (!isDone) throw this.#notRetained(topic, this.#whereOf(account))
    log.info({ account, topic }, 'retained message was removed by an operator')
    return { account, removed: topic }
  }

  /** Who speaks for all accounts need not name one where it is plain which is meant. */
  #accountOfClient(request: Request, clientId: string): string {
    const named = this.#accountOf(request)
    if (named !== undefined) return named
    const found = this.#options.directory.accountsOf(clientId)
    if (found[0] === undefined) {
      const where = this.#whereOf(undefined)
      throw refusal(404, `no client ${clientId} is connected, or has a session, ${where}`)
    }
    return onlyOne(clientId, found)
  }

  async #accountOfTopic(request: Request, topic: string): Promise<string> {
    const named = this.#accountOf(request)
    if (named !== undefined) return named
    const everywhere = { ...this.#queryOf(request), filter: topic, offset: 0 }
    const { entries } = await this.#options.directory.retained(everywhere)
    const found = entries.filter((entry) => entry.topic === topic).map(({ account }) => account)
    if (found[0] === undefined) throw this.#notRetained(topic, this.#whereOf(undefined))
    return onlyOne(topic, found)
  }

  /** undefined: all accounts. Throws a refusal. */
  #accountOf({ fields, counter: { account } }: Request): string | undefined {
    const named = fields.text('account')
    if (account === undefined) {
      const { accounts, serverName } = this.#options.core
      if (named === '' || accounts.book.get(named) !== undefined) return named || undefined
      throw refusal(404, `there is no account ${named} at ${serverName}`)
    }
    if (named === '' || named === account) return account
    throw refusal(403, 'the system account alone may name another account')
  }

  #notConnected(account: string, clientId: string): Refusal {
    const { directory } = this.#options
    const what = `no client ${clientId} is connected ${this.#whereOf(account)}`
    const advice = directory.accountsOf(clientId).includes(account)
      ? 'it has a session, which `petiole mqtt end` ends'
      : '`petiole mqtt clients` lists those that are'
    return refusal(404, `${what}: ${advice}`)
  }

  #notRetained(topic: string, where: string): Refusal {
    const advice = '`petiole mqtt retained` lists what is'
    return refusal(404, `nothing is retained on ${topic} ${where}: ${advice}`)
  }

  #whereOf(account: string | undefined): string {
    const { serverName } = this.#options.core
    return account === undefined ? `at ${serverName}` : `in account ${account} at ${serverName}`
  }
}

/** Answered with its status: nothing that the server's log is to know of. */
class Refusal extends PetioleError {
  readonly status: number

  constructor(status: number, message: string) {
    super('PETIOLE_BAD_REQUEST', message)
    this.status = status
  }
}

function refusal(status: number, message: string): Refusal {
  return new Refusal(status, message)
}

/** Of a request that changes something: never from a leaf. Throws a refusal. */
function required({ message, fields }: Request, name: 'client' | 'topic'): string {
  if (message.origin?.kind === 'leaf') throw refusal(403, 'a leaf changes nothing here')
  const text = fields.text(name)
  if (text === '') throw refusal(400, `${name} is missing`)
  return text
}

/** Throws a refusal. */
function onlyOne(name: string, [only = '', ...others]: readonly string[]): string {
  if (others.length === 0) return only
  const all = [only, ...others].join(', ')
  throw refusal(409, `${name} is in several accounts, name one (--account): ${all}`)
}

function paged(name: string, { fields }: Request, page: Page<object>): object {
  const { entries, total, next } = page
  return { total, offset: Math.max(0, fields.count('offset')), next, [name]: entries }
}
