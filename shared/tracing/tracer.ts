import { gzipSync } from 'node:zlib'
import type { AccountBook } from '../account/index.ts'
import {
  type AccountSpace,
  type MessageTracer,
  type Peer,
  type Publication,
  type PublishOptions,
  publishTraced,
  type TracedIngress,
} from '../broker/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import { isLiteral } from '../subject/index.ts'
import { EMPTY_HEADERS, encodeHeaders, PERMISSION_ERRORS, withHeader } from '../wire/index.ts'
import { MessageSpan } from './message-span.ts'
import {
  TRACE_DISABLED,
  TRACE_HEADERS,
  type TraceRequest,
  traceRequestOf,
} from './trace-request.ts'

export interface TracerOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly book: AccountBook
  readonly nextPeerId: () => number
  /** nats-server's ServerInfo: name, host, id … seq, time. */
  readonly server: () => Readonly<Record<string, unknown>>
  /** What a peer calls itself; '' for none. */
  readonly nameOf: (peer: Peer) => string
  /** Which stream of an account stores a subject; '' when none does. */
  readonly streamOf: (account: string, subject: string) => string
}

/**
 * Traces the messages that ask for it, by `Nats-Trace-Dest` or by a sampled `traceparent` in an account
 * that has a destination for those, and publishes what became of each. Source: nats-server's
 * server/msgtrace.go (initMsgTrace), ADR-41.
 */
export class Tracer implements MessageTracer {
  readonly #options: TracerOptions
  readonly #peer: Peer

  constructor(options: TracerOptions) {
    this.#options = options
    this.#peer = { kind: 'local', id: options.nextPeerId(), echo: true, deliver: () => {} }
  }

  followsTraceParent(account: string): boolean {
    return this.#accountTrace(account) !== undefined
  }

  publish(
    space: AccountSpace,
    ingress: TracedIngress,
    publication: Publication,
    options?: PublishOptions,
  ): number | undefined {
    const request = traceRequestOf(publication.headers)
    if (request === undefined) return undefined
    const isOnly = !request.isExternal && /^(?:1|true|on)$/i.test(request.only)
    if (request.originAccount !== '') {
      this.#options.log.warn({ account: ingress.account }, 'message tracing disabled by a header')
      return isOnly ? NOWHERE : this.#publishUntraced(space, ingress, publication, options)
    }
    const destination = this.#destinationOf(request, ingress)
    if (destination === undefined) {
      return this.#publishUntraced(space, ingress, publication, options)
    }
    if (destination === '') return undefined
    if (!isLiteral(destination)) {
      this.#options.log.warn({ destination }, 'invalid destination of a message trace')
      return isOnly ? NOWHERE : undefined
    }
    if (ingress.mayPublish?.(destination) === false) {
      ingress.complain?.(PERMISSION_ERRORS.publish(destination))
      return NOWHERE
    }
    const span = this.#spanOf(request, ingress, publication, isOnly)
    const taken =
      ingress.error === undefined
        ? publishTraced(space, ingress.peer, publication, span, options)
        : 0
    this.#send(space, destination, request, span)
    return taken
  }

  /** '' when the account has none, undefined when it is not this message's turn. */
  #destinationOf(request: TraceRequest, ingress: TracedIngress): string | undefined {
    if (!request.isExternal) return request.destination
    const trace = this.#accountTrace(ingress.account)
    if (trace === undefined) return ''
    const { dest, sampling } = trace
    const { kind } = ingress.peer
    if (kind !== 'client' && kind !== 'mqtt') return dest
    const isSampled = sampling <= 0 || sampling >= 100 || this.#options.random.below(100) < sampling
    return isSampled ? dest : undefined
  }

  #accountTrace(account: string): { readonly dest: string; readonly sampling: number } | undefined {
    const trace = this.#options.book.get(account)?.config.msg_trace
    return trace === undefined || trace.dest === '' ? undefined : trace
  }

  #spanOf(
    request: TraceRequest,
    ingress: TracedIngress,
    publication: Publication,
    isOnly: boolean,
  ): MessageSpan {
    const { clock, nameOf, streamOf } = this.#options
    return new MessageSpan({
      clock,
      request,
      ingress,
      isOnly,
      subject: Buffer.from(publication.subject).toString(),
      messageBytes: publication.headers.length + publication.payload.length,
      nameOf,
      streamOf,
    })
  }

  /** Servers further on must not begin a trace that was refused here. */
  #publishUntraced(
    space: AccountSpace,
    ingress: TracedIngress,
    publication: Publication,
    options: PublishOptions | undefined,
  ): number {
    if (ingress.error !== undefined) return 0
    const headers = withHeader(publication.headers, TRACE_HEADERS.destination, TRACE_DISABLED)
    return space.publish(ingress.peer, { ...publication, headers }, options)
  }

  #send(space: AccountSpace, destination: string, request: TraceRequest, span: MessageSpan): void {
    const text = Buffer.from(span.encode(this.#options.server()))
    const accepted = request.acceptEncoding.toLowerCase()
    const isZipped = accepted.includes('gzip')
    const encoding = isZipped ? 'gzip' : 'identity'
    space.publish(this.#peer, {
      subject: Buffer.from(destination),
      reply: EMPTY_HEADERS,
      headers:
        accepted === ''
          ? EMPTY_HEADERS
          : encodeHeaders([[TRACE_HEADERS.contentEncoding, encoding]]),
      payload: isZipped ? gzipSync(text) : text,
    })
  }
}

/** Not even the publisher hears of it. */
const NOWHERE = -1
