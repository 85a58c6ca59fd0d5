/**
 * `$JS.API.>` of one account: finds the route of a request, answers it, counts it. Requests are
 * begun in the order they come; those that wait for the disk do not hold up the ones behind them.
 */
import type { Log } from '../../log/index.ts'
import { messageOf } from '../../runtime/index.ts'
import { headerValue, NO_BYTES, nobodyHeaders, statusHeaders, withHeaders } from '../headers.ts'
import { JetStreamError, toJetStreamError } from '../jetstream-error.ts'
import type { PortMessage } from '../port.ts'
import { API_PREFIX, type ApiContext, type ApiRequest, type ApiRoute } from './api-context.ts'
import { DirectDesk } from './direct-desk.ts'
import { directGet, directGetNow } from './direct-get.ts'
import { RequestLoad } from './request-load.ts'
import { findRoute, isAsking, typeOf } from './routes.ts'

const DIRECT_PREFIX = 'DIRECT.GET.'

export class Api {
  readonly #context: ApiContext
  readonly #log: Log
  readonly #load: RequestLoad
  readonly #direct: DirectDesk

  constructor(context: ApiContext, log: Log) {
    this.#context = context
    this.#log = log
    this.#load = new RequestLoad(context.limits.server)
    this.#direct = new DirectDesk({
      serve: (request) =>
        directGet(context, request).catch((error: unknown) => {
          log.error({ err: messageOf(error) }, 'direct get failed')
        }),
      refuse: ({ message: { reply } }) => {
        if (reply !== '') {
          context.port.publish(reply, '', statusHeaders('429 Too Many Requests'), NO_BYTES)
        }
      },
    })
  }

  /** @param subject the request's, without the API's prefix */
  handle(subject: string, message: PortMessage): void {
    if (subject.startsWith(DIRECT_PREFIX) && this.#direct.isIdle) {
      if (directGetNow(this.#context, subject.slice(DIRECT_PREFIX.length), message)) return
    }
    const tokens = subject.split('.')
    if (tokens[0] === 'CONSUMER' && tokens[1] === 'MSG' && tokens[2] === 'NEXT') {
      this.#pull(tokens, message)
      return
    }
    if (tokens[0] === 'DIRECT' && tokens[1] === 'GET') {
      this.#direct.ask({ args: tokens.slice(2), message, isStrict: false, headers: [] })
      return
    }
    const found = findRoute(tokens)
    if (found === undefined || found.route.isServed?.(this.#context, found.args) === false) {
      this.#log.debug({ subject: `${API_PREFIX}${subject}` }, 'unknown jetstream request')
      return
    }
    const { isStrict } = this.#context.limits.server
    const request = { args: found.args, message, isStrict, headers: [] }
    this.#answer(found.route, request, subject).catch((error: unknown) => {
      this.#log.error({ subject, err: messageOf(error) }, 'jetstream request failed')
    })
  }

  async #answer(route: ApiRoute, request: ApiRequest, subject: string): Promise<void> {
    const { counts, port, audit } = this.#context
    const type = typeOf(route)
    // What a consumer answers itself is none of the API's requests.
    const isCounted = route.isServed === undefined
    const load = { isAsking: isAsking(route), bytes: request.message.payload.length }
    let body: Readonly<Record<string, unknown>>
    try {
      if (!this.#load.begin(load)) {
        audit.refused()
        throw new JetStreamError(10167)
      }
      counts.inflight++
      try {
        this.#checkLevel(request.message)
        body = await route.handle(this.#context, request)
      } finally {
        counts.inflight--
        this.#load.end(load)
        audit.hasRoom()
      }
    } catch (error) {
      if (isCounted) counts.errors++
      const refusal = toJetStreamError(error)
      if (refusal !== error) {
        this.#log.warn({ type, err: messageOf(error) }, 'jetstream request failed')
      }
      body = { error: refusal, ...route.zeros }
    }
    // After the answer was made: nats-server does not count a request in its own answer.
    if (isCounted) counts.total++
    const answer = Buffer.from(JSON.stringify({ type, ...body }))
    const headers = request.headers.length === 0 ? NO_BYTES : withHeaders(NO_BYTES, request.headers)
    if (request.message.reply !== '') port.publish(request.message.reply, '', headers, answer)
    if (isCounted) audit.answered(subject, request.message, answer)
  }

  #checkLevel(message: PortMessage): void {
    if (!this.#isLevelMet(message)) throw new JetStreamError(10185)
  }

  #isLevelMet({ headers }: PortMessage): boolean {
    const required = headerValue(headers, 'Nats-Required-Api-Level')
    return required === undefined || Number(required) <= this.#context.level.level
  }

  /** CONSUMER.MSG.NEXT.<stream>.<consumer> */
  #pull(tokens: readonly string[], message: PortMessage): void {
    const { reply, payload, headers } = message
    const [, , , streamName = '', consumerName = ''] = tokens
    const consumer = this.#context.stream(streamName)?.consumers.get(consumerName)
    if (consumer === undefined || tokens.length !== 5) this.#nobody(message)
    else if (headers.length === 0 || this.#isLevelMet(message)) consumer.pull(reply, payload)
    else if (reply !== '') {
      this.#context.port.publish(reply, '', statusHeaders('412 Required Api Level'), NO_BYTES)
    }
  }

  #nobody({ subject, reply }: PortMessage): void {
    if (reply !== '') this.#context.port.publish(reply, '', nobodyHeaders(subject), NO_BYTES)
  }
}
