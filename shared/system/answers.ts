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

/** The same of a report, which is made at once. */
export type ProduceNow = (fields: RequestFields) => object | undefined

/** An answer as it is published. */
export interface EncodedAnswer {
  readonly payload: Uint8Array
  readonly headers: Uint8Array | undefined
}

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
  send(message: ClientMessage, body: object | number): void {
    this.publish(message.reply, encoded(message, body))
  }

  /** The same as `answer`, to be published; undefined: there is nothing to say. */
  make(message: ClientMessage, produce: ProduceNow): EncodedAnswer | undefined {
    const { stamp } = this.#options
    try {
      const fields = RequestFields.parse(message.payload)
      if (!this.#options.concerns(fields)) return undefined
      const data = produce(fields)
      return data && encoded(message, { server: stamp.next(), data })
    } catch (error) {
      return encoded(message, this.#failure(message, error))
    }
  }

  publish(reply: string, { payload, headers }: EncodedAnswer): void {
    this.#options.client.publish(reply, payload, headers && { headers })
  }

  /** For a request that there is no room for. */
  refuse(message: ClientMessage): void {
    const error = { code: 503, description: 'too many requests wait for an answer' }
    this.send(message, { server: this.#options.stamp.next(), error })
  }

  /** 400 is for a request that cannot be read, 500 for what cannot be done, as in nats-server. */
  #failure(message: ClientMessage, error: unknown): object {
    const { log, stamp } = this.#options
    const code = codeOf(error) === 'PETIOLE_BAD_REQUEST' ? 400 : 500
    if (code === 500 && codeOf(error) !== 'PETIOLE_BAD_QUERY') {
      log.warn({ subject: message.subject, err: error }, 'system request failed')
    }
    const description = messageOf(error)
    return { server: stamp.next(), error: { code, description } }
  }

  #fail(message: ClientMessage, error: unknown): void {
    this.send(message, this.#failure(message, error))
  }
}

function encoded({ headers }: ClientMessage, body: object | number): EncodedAnswer {
  const bytes = Buffer.from(JSON.stringify(body))
  const accepted = headerValue(headers, 'Accept-Encoding')?.toLowerCase()
  if (accepted === undefined || accepted === '') return { payload: bytes, headers: undefined }
  // nats-server would take S2 where that is named; who asks for it takes plain answers, too.
  const isZipped = accepted.includes('gzip') && bytes.length >= COMPRESSED_BYTES_MIN
  const encoding = isZipped ? 'gzip' : 'identity'
  return {
    payload: isZipped ? gzipSync(bytes) : bytes,
    headers: encodeHeaders([['Content-Encoding', encoding]]),
  }
}
