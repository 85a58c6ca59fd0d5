import { gzipSync } from 'node:zlib'
import type { ClientMessage, NatsClient } from '../client/index.ts'
import type { Log } from '../log/index.ts'
import { RequestFields } from '../monitor/index.ts'
import { codeOf, messageOf } from '../runtime/index.ts'
import { encodeHeaders, headerValue } from '../wire/index.ts'
import { COMPRESSED_BYTES_MIN } from './limits.ts'
import type { ServerStamp } from './server-stamp.ts'

/** What an answer holds; undefined: nothing to say, the request is left to other servers. */
export type Produce = (fields: RequestFields) => object | undefined | Promise<object | undefined>

/** A request was understood and done, and there is nothing to tell. */
export const DONE: object = {}

export interface AnswersOptions {
  readonly client: NatsClient
  readonly stamp: ServerStamp
  readonly log: Log
  /** Whether a request concerns this server; throws PETIOLE_BAD_REQUEST. */
  readonly concerns: (fields: RequestFields) => boolean
}

/** Answers requests with `{ server, data }`, or `{ server, error: { code, description } }`. */
export class Answers {
  readonly #options: AnswersOptions

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** Without a reply subject there is nobody to answer. */
  answer(message: ClientMessage, produce: Produce): void {
    const { stamp } = this.#options
    this.answerWhole(message, produce, (data) =>
      data === DONE ? { server: stamp.next() } : { server: stamp.next(), data },
    )
  }

  /** The same for a body that is not `data`. */
  answerWhole(
    message: ClientMessage,
    produce: Produce,
    bodyOf: (produced: object) => object = (produced) => produced,
  ): void {
    if (message.reply === '') return
    const finish = (produced: object | undefined): void => {
      if (produced !== undefined) this.send(message, bodyOf(produced))
    }
    try {
      const fields = RequestFields.parse(message.payload)
      if (!this.#options.concerns(fields)) return
      const produced = produce(fields)
      if (produced instanceof Promise) {
        produced.then(finish, (error: unknown) => this.#fail(message, error))
      } else finish(produced)
    } catch (error) {
      this.#fail(message, error)
    }
  }

  /** Any JSON, compressed when the request asks for it. */
  send({ reply, headers }: ClientMessage, body: object | number): void {
    const bytes = Buffer.from(JSON.stringify(body))
    const accepted = headerValue(headers, 'Accept-Encoding')?.toLowerCase()
    if (accepted === undefined || accepted === '') {
      this.#options.client.publish(reply, bytes)
      return
    }
    // nats-server would take S2 where that is named; who asks for it takes plain answers, too.
    const isZipped = accepted.includes('gzip') && bytes.length >= COMPRESSED_BYTES_MIN
    const encoding = encodeHeaders([['Content-Encoding', isZipped ? 'gzip' : 'identity']])
    const payload = isZipped ? gzipSync(bytes) : bytes
    this.#options.client.publish(reply, payload, { headers: encoding })
  }

  /** 400 is for a request that cannot be read, 500 for what cannot be done, as in nats-server. */
  #fail(message: ClientMessage, error: unknown): void {
    const { log, stamp } = this.#options
    const code = codeOf(error) === 'PETIOLE_BAD_REQUEST' ? 400 : 500
    if (code === 500 && codeOf(error) !== 'PETIOLE_BAD_QUERY') {
      log.warn({ subject: message.subject, err: error }, 'system request failed')
    }
    const description = messageOf(error)
    this.send(message, { server: stamp.next(), error: { code, description } })
  }
}
