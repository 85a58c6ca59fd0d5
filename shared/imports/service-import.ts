import {
  type Message,
  type Peer,
  type Publication,
  passedOn,
  publishTraced,
  type Subscription,
  WORK_UNITS,
  work,
} from '../broker/index.ts'
import type { ImportConfig } from '../config/index.ts'
import { hasWildcard, numberWildcards, SubjectTransform } from '../subject/index.ts'
import { headerValue, withHeader } from '../wire/index.ts'
import { type ClientInfo, clientInfo, extended, parseClientInfo } from './client-info.ts'
import type { ImportContext } from './import-context.ts'
import { ImportPeer } from './import-peer.ts'
import { hopsOf, ImportedOrigin, rootOf, type ServiceHop } from './imported-origin.ts'
import type { ServiceExport } from './service-export.ts'
import { sampledBy } from './service-latency.ts'

/**
 * A service of another account: a subscription here that publishes what it gets there, with a reply
 * subject of its own (see ResponseDesk). A request takes each exported service once; imports that lead
 * in a circle end there. Source: nats-server's server/client.go, processServiceImport.
 */
export class ServiceImport extends ImportPeer implements ServiceHop {
  readonly kind = 'local'
  readonly id: number
  readonly config: ImportConfig
  readonly service: ServiceExport
  /** What is subscribed to in the importing account. */
  readonly from: string
  readonly share: boolean
  readonly importer: string
  readonly #context: ImportContext
  readonly #transform: SubjectTransform | undefined
  /** Undefined: the subject of the request. */
  readonly #target: string | undefined

  /** Throws PETIOLE_MAPPING_INVALID. */
  constructor(
    context: ImportContext,
    importer: string,
    config: ImportConfig,
    service: ServiceExport,
  ) {
    super()
    this.id = context.nextPeerId()
    this.config = config
    this.service = service
    this.share = config.share
    this.#context = context
    this.importer = importer
    const { subject, to } = config
    if (!hasWildcard(subject)) {
      this.from = to
      this.#target = subject
    } else if (subject === to) this.from = to
    else {
      // Written as what becomes of the exporter's subject, needed the other way round.
      const there = new SubjectTransform(subject, numberWildcards(to), true)
      this.#transform = there.reverse()
      this.from = this.#transform.source
    }
  }

  offer(_subscription: Subscription, message: Message): boolean {
    const { origin } = message
    // A request from another hub has been through its import there.
    if (origin.kind === 'route' || origin.kind === 'gateway') return false
    const hops = hopsOf(origin)
    if (hops.some((hop) => hop.service === this.service)) return false

    const { headers } = message
    work.units += WORK_UNITS.serviceImport
    const { account, config } = this.service
    const sampled = sampledBy(config.latency, headers, this.#context.random)
    const desk = this.#context.desk(account)
    if (sampled !== undefined && message.replyBytes.length === 0) {
      desk.refused(this.service, origin, this.share, sampled.header)
    }
    const response = desk.expect(message, {
      requester: this.importer,
      service: this.service,
      share: this.share,
      sampled: this.service.isSingle ? sampled : undefined,
    })
    const info = JSON.stringify(this.#infoFor(message, hops))
    const publication = {
      subject: Buffer.from(this.#subjectFor(message.subject)),
      reply: response === undefined ? message.replyBytes : Buffer.from(response.subject),
      headers: withHeader(headers, INFO_HEADER, info),
      payload: message.payload,
    }
    const taken = this.#publish(message, publication)
    if (response !== undefined) {
      if (taken === 0) desk.unavailable(response)
      else if (message.trace?.isOnly) desk.forget(response)
    }
    return taken > 0
  }

  #publish(message: Message, publication: Publication): number {
    const { trace } = message
    const space = this.#context.space(this.service.account)
    const origin = new ImportedOrigin(message.origin, this)
    if (trace !== undefined) {
      const to = Buffer.from(publication.subject).toString()
      trace.asked(this.service.account, message.subject, to)
      // The destination of the trace is a subject of the requester's account: other servers are told
      // to trace no more.
      const headers = withHeader(publication.headers, 'Nats-Trace-Dest', 'trace disabled')
      const silenced = { ...publication, headers }
      if (this.service.config.allow_trace) {
        return publishTraced(space, origin, silenced, trace, passedOn(message))
      }
      return trace.isOnly ? 0 : space.publish(origin, silenced, passedOn(message))
    }
    // A capture of the requester's own account is the one that the publisher waits for.
    const here = this.#context.space(this.importer).routes.locateBytes(message.subjectBytes)
    return space.publish(origin, publication, here.hasCapture ? undefined : passedOn(message))
  }

  #subjectFor(subject: string): string {
    const to = this.#transform?.apply(subject, this.#context.random) ?? this.#target ?? subject
    return this.#context.space(this.service.account).mapped(to) ?? to
  }

  /**
   * Who asks: at least the account and the round trip, all of it when the import shares it. What the
   * request says of itself counts only behind another import, which has written it.
   */
  #infoFor(message: Message, hops: readonly ServiceHop[]): ClientInfo {
    const { place, describe, systemAccount } = this.#context
    const previous = hops.at(-1)
    const share = previous?.share ?? this.share
    const root: Peer = rootOf(message.origin)
    const isToSystem = this.service.account === systemAccount()
    const tellsPlace = !share && (isToSystem || (previous !== undefined && this.share))
    const where = tellsPlace ? { server: place.server, cluster: place.cluster } : {}
    const known = previous === undefined ? undefined : headerValue(message.headers, INFO_HEADER)
    const info = known === undefined ? undefined : parseClientInfo(known)
    if (info !== undefined) return extended(info, { svc: this.importer, ...where })
    const service = previous === undefined ? {} : { svc: this.importer }
    // A fast batch is told by its reply subject, which the exporter does not see.
    const reply = message.reply.endsWith(FAST_BATCH) ? { reply: message.reply } : {}
    const description = describe(root) ?? { account: this.importer }
    return clientInfo(description, share ? place : undefined, { ...service, ...where, ...reply })
  }
}

const INFO_HEADER = 'Nats-Request-Info'
const FAST_BATCH = '.$FI'
