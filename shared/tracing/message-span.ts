import type { Peer, PeerKind, Subscription, TracedIngress, TraceSpan } from '../broker/index.ts'
import type { Clock } from '../runtime/index.ts'
import { withHeader } from '../wire/index.ts'
import { TRACE_EVENTS_MAX } from './limits.ts'
import { TRACE_HEADERS, type TraceRequest } from './trace-request.ts'

/** nats-server's numbers for what is at the other end of a connection. */
const KINDS: Readonly<Record<PeerKind, number>> = {
  client: 0,
  mqtt: 0,
  route: 1,
  gateway: 2,
  leaf: 4,
  uplink: 4,
  local: 6,
}

export interface SpanOptions {
  readonly clock: Clock
  readonly request: TraceRequest
  readonly ingress: TracedIngress
  readonly isOnly: boolean
  readonly subject: string
  readonly messageBytes: number
  /** What the peer calls itself: a client's name, a server's for a link; '' for none. */
  readonly nameOf: (peer: Peer) => string
  /** The stream of the account that stores the subject; '' when it is not known. */
  readonly streamOf: (account: string, subject: string) => string
}

/**
 * What became of one message on this server, in the order in which it happened. Events and their fields
 * are nats-server's. Source: its server/msgtrace.go, ADR-41.
 */
export class MessageSpan implements TraceSpan {
  readonly isOnly: boolean
  readonly #options: SpanOptions
  readonly #events: Readonly<Record<string, unknown>>[] = []
  #hops = 0

  constructor(options: SpanOptions) {
    const { ingress, subject } = options
    this.#options = options
    this.isOnly = options.isOnly
    const { peer, account, name, error } = ingress
    this.#add('in', {
      kind: KINDS[peer.kind],
      cid: peer.id,
      name: name === '' ? undefined : name,
      acc: account,
      subj: ingress.mappedFrom ?? subject,
      error,
    })
    if (ingress.mappedFrom !== undefined) this.#add('sm', { to: subject })
  }

  delivered(subscription: Subscription, account: string, error?: string): void {
    const { peer, subject, queue } = subscription
    // Services of this server are no receivers that a trace tells of.
    if (peer.kind === 'local') return
    this.#egress(peer, account, {
      sub: subject,
      queue: queue === '' ? undefined : queue,
      error,
    })
  }

  captured(_subscription: Subscription, account: string, subject: string): void {
    this.#add('js', { stream: this.#options.streamOf(account, subject), subject })
  }

  forwarded(link: Peer, account: string, headers: Uint8Array, error?: string): Uint8Array {
    this.#hops++
    const before = this.#options.request.hop
    const isFirst = before === '' || isBornHere(this.#options.ingress.peer)
    const hop = isFirst ? `${this.#hops}` : `${before}.${this.#hops}`
    this.#egress(link, account, { hop, error })
    return withHeader(headers, TRACE_HEADERS.hop, hop)
  }

  exported(account: string, to: string): void {
    this.#add('se', { acc: account, to })
  }

  asked(account: string, from: string, to: string): void {
    this.#add('si', { acc: account, from, to })
  }

  /** The trace event as it is published. */
  encode(server: Readonly<Record<string, unknown>>): string {
    const { request, messageBytes } = this.#options
    const names = [...request.header.keys()].toSorted()
    const header = Object.fromEntries(names.map((name) => [name, request.header.get(name)]))
    return JSON.stringify({
      server,
      request: { header, msgsize: messageBytes },
      hops: this.#hops === 0 ? undefined : this.#hops,
      events: this.#events,
    })
  }

  #egress(peer: Peer, account: string, more: Readonly<Record<string, unknown>>): void {
    const { nameOf, ingress } = this.#options
    const name = nameOf(peer)
    const { hop, ...rest } = more
    this.#add('eg', {
      kind: KINDS[peer.kind],
      cid: peer.id,
      name: name === '' ? undefined : name,
      hop,
      // nats-server names it for clients and leaves alone.
      acc: account === ingress.account || isBeside(peer) ? undefined : account,
      ...rest,
    })
  }

  #add(type: string, more: Readonly<Record<string, unknown>>): void {
    if (this.#events.length >= TRACE_EVENTS_MAX) return
    const ts = new Date(this.#options.clock.wallMs()).toISOString()
    this.#events.push({ type, ts, ...more })
  }
}

function isBeside({ kind }: Peer): boolean {
  return kind === 'route' || kind === 'gateway'
}

/** A client cannot say that its message has come a long way. */
function isBornHere({ kind }: Peer): boolean {
  return kind === 'client' || kind === 'mqtt' || kind === 'local'
}
