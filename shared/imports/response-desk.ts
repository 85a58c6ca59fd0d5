import {
  type AccountSpace,
  type InterestObserver,
  type Message,
  type Peer,
  type Publication,
  passedOn,
  type Subscription,
} from '../broker/index.ts'
import { hasWildcard, subsetOf } from '../subject/index.ts'
import { EMPTY_HEADERS } from '../wire/index.ts'
import { type ClientInfo, clientInfo } from './client-info.ts'
import type { ImportContext } from './import-context.ts'
import { ImportPeer } from './import-peer.ts'
import { hopsOf, ImportedOrigin, rootOf } from './imported-origin.ts'
import { ABANDONED_SCAN_MAX, PENDING_RESPONSES_PER_IMPORTER_MAX } from './limits.ts'
import type { PendingResponse } from './pending-response.ts'
import type { ServiceExport } from './service-export.ts'
import { LATENCY_FAILURES, latencyEvent, type Sample } from './service-latency.ts'

export interface Expectation {
  /** The account that the reply subject of the message is in. */
  readonly requester: string
  readonly service: ServiceExport
  readonly share: boolean
  /** Undefined when the request is not measured. */
  readonly sampled: { readonly header: Sample['header'] } | undefined
}

/**
 * One account as the others answer to it and wait for it.
 *
 *     requester's account            responder's account (this desk)
 *     PUB help _INBOX.x      ──▶     PUB help _R_.aBcDeF.gHiJkL
 *     _INBOX.x               ◀──     _R_.aBcDeF.gHiJkL: one subscription `_R_.aBcDeF.>` for all
 *
 * A pending response ends with its answer (of a service with single answers), with an empty answer,
 * with its threshold, when nobody listens to the reply any more, and when its account has too many.
 */
export class ResponseDesk extends ImportPeer implements InterestObserver {
  readonly kind = 'local'
  readonly id: number
  readonly account: string
  readonly #context: ImportContext
  readonly #space: AccountSpace
  readonly #responses = new Map<string, PendingResponse>()
  /** The same by requesting account, the one that has waited longest first. */
  readonly #byRequester = new Map<string, Set<PendingResponse>>()
  /** By what requesters of this account listen to. */
  readonly #awaited = new Map<string, Set<PendingResponse>>()
  #prefix = ''
  #listening: Subscription | undefined
  #stop: (() => void) | undefined

  constructor(context: ImportContext, account: string) {
    super()
    this.id = context.nextPeerId()
    this.account = account
    this.#context = context
    this.#space = context.space(account)
  }

  get pendingCount(): number {
    return this.#responses.size
  }

  /** Undefined when the message has no reply, or one that must stay as it is. */
  expect(message: Message, expectation: Expectation): PendingResponse | undefined {
    const { reply } = message
    // Acknowledgements of a stream go to the stream's own account, by an import of their own.
    if (reply === '' || reply.startsWith('$JS.ACK.')) return undefined
    const { requester, service, share, sampled } = expectation
    const { clock } = this.#context
    const startedMs = clock.monotonicMs()
    this.#makeRoom(requester)
    const response: PendingResponse = {
      subject: this.#newSubject(),
      responder: this.account,
      reply,
      requester,
      service,
      share,
      origin: rootOf(message.origin),
      sample: sampled && { header: sampled.header, startedWallMs: clock.wallMs(), startedMs },
      sentMs: startedMs,
    }
    this.#responses.set(response.subject, response)
    const own = this.#byRequester.get(requester)
    if (own === undefined) this.#byRequester.set(requester, new Set([response]))
    else own.add(response)
    service.waitFor(response)
    this.#context.desk(requester).#awaits(response)
    return response
  }

  /** An answer has come. */
  offer(_subscription: Subscription, message: Message): boolean {
    const response = this.#responses.get(message.subject)
    if (response === undefined) return false
    const { origin } = message
    const { service, requester } = response
    if (hopsOf(origin).some((hop) => hop.service === service)) return false
    const followUp = this.#context.desk(requester).expect(message, {
      requester: this.account,
      service,
      share: response.share,
      sampled: undefined,
    })
    if (response.sample !== undefined) this.#measured(response, response.sample, origin)
    const publication = answerOf(message, response.reply, followUp)
    const taken = this.#context
      .space(requester)
      .publish(new ImportedOrigin(origin, response), publication, passedOn(message))
    if (followUp !== undefined && taken === 0) this.#context.desk(requester).forget(followUp)
    const isLast =
      service.isSingle || (message.headers.length === 0 && message.payload.length === 0)
    if (taken === 0 || isLast) this.forget(response)
    else service.refresh(response)
    return taken > 0
  }

  forget(response: PendingResponse): void {
    if (!this.#responses.delete(response.subject)) return
    const own = this.#byRequester.get(response.requester)
    if (own?.delete(response) && own.size === 0) this.#byRequester.delete(response.requester)
    response.service.done(response)
    this.#context.desk(response.requester).#awaitsNoMore(response)
  }

  /** The threshold is over. */
  expired(response: PendingResponse): void {
    this.#failed(response, LATENCY_FAILURES.timeout)
  }

  /** Nobody took the request. */
  unavailable(response: PendingResponse): void {
    this.#failed(response, LATENCY_FAILURES.unavailable)
  }

  /** A request without a reply subject should have been measured. */
  refused(service: ServiceExport, origin: Peer, share: boolean, header: Sample['header']): void {
    const { clock } = this.#context
    const sample = { header, startedWallMs: clock.wallMs(), startedMs: clock.monotonicMs() }
    const requestor = this.#infoOf(rootOf(origin), share)
    this.#publishLatency(service, sample, requestor, LATENCY_FAILURES.badRequest)
  }

  subscriptionAdded(): void {}

  /** Nobody listens to some replies any more, perhaps. */
  subscriptionRemoved({ subject }: Subscription): void {
    if (this.#awaited.size === 0) return
    if (!hasWildcard(subject)) this.#abandon(subject)
    else if (this.#awaited.size <= ABANDONED_SCAN_MAX) {
      for (const reply of [...this.#awaited.keys()])
        if (subsetOf(reply, subject)) this.#abandon(reply)
    }
  }

  /** All that is pending ends: the account is gone. */
  close(): void {
    for (const response of [...this.#responses.values()]) this.forget(response)
    if (this.#listening !== undefined) this.#space.unsubscribe(this.#listening)
    this.#listening = undefined
    this.#prefix = ''
    this.#stop?.()
    this.#stop = undefined
  }

  #awaits(response: PendingResponse): void {
    this.#stop ??= this.#space.observe(this)
    const awaited = this.#awaited.get(response.reply)
    if (awaited === undefined) this.#awaited.set(response.reply, new Set([response]))
    else awaited.add(response)
  }

  #awaitsNoMore(response: PendingResponse): void {
    const awaited = this.#awaited.get(response.reply)
    if (awaited?.delete(response) && awaited.size === 0) this.#awaited.delete(response.reply)
  }

  #abandon(reply: string): void {
    const awaited = this.#awaited.get(reply)
    if (awaited === undefined || this.#space.hasInterest(reply)) return
    for (const response of [...awaited]) {
      this.#context.desk(response.responder).#failed(response, LATENCY_FAILURES.abandoned)
    }
  }

  #failed(response: PendingResponse, failure: readonly [number, string]): void {
    const { sample, service, origin, share } = response
    if (!this.#responses.has(response.subject)) return
    this.forget(response)
    if (sample === undefined) return
    this.#publishLatency(service, sample, this.#infoOf(origin, share), failure)
  }

  #measured(response: PendingResponse, sample: Sample, responder: Peer): void {
    response.sample = undefined
    const { describe, clock } = this.#context
    const { service, origin, share } = response
    const root = rootOf(responder)
    const requestRttMs = describe(origin)?.roundTripMs ?? 0
    const responseRttMs = describe(root)?.roundTripMs ?? 0
    const elapsedMs = clock.monotonicMs() - sample.startedMs
    this.#tell(service, undefined, {
      requestor: this.#infoOf(origin, share),
      responder: this.#infoOf(root, true),
      header: sample.header,
      startMs: sample.startedWallMs - requestRttMs,
      serviceMs: elapsedMs - responseRttMs,
      systemMs: 0,
      totalMs: requestRttMs + elapsedMs,
    })
  }

  #publishLatency(
    service: ServiceExport,
    sample: Sample,
    requestor: ClientInfo | undefined,
    failure: readonly [number, string],
  ): void {
    const rttMs = Number(requestor?.['rtt'] ?? 0) / 1e6
    this.#tell(service, failure, {
      requestor,
      responder: undefined,
      header: sample.header,
      startMs: sample.startedWallMs - rttMs,
      serviceMs: 0,
      systemMs: 0,
      totalMs: 0,
    })
  }

  #tell(
    service: ServiceExport,
    failure: readonly [number, string] | undefined,
    measurement: Parameters<typeof latencyEvent>[3],
  ): void {
    const subject = service.config.latency?.subject
    if (subject === undefined) return
    const id = base62(this.#context.random, EVENT_ID_LENGTH)
    const text = latencyEvent(id, this.#context.clock.wallMs(), failure, measurement)
    this.#space.publish(this, {
      subject: Buffer.from(subject),
      reply: EMPTY_HEADERS,
      headers: EMPTY_HEADERS,
      payload: Buffer.from(text),
    })
  }

  #infoOf(peer: Peer, isDetailed: boolean): ClientInfo | undefined {
    const { describe, place } = this.#context
    const description = describe(peer)
    return description && clientInfo(description, isDetailed ? place : undefined)
  }

  #makeRoom(requester: string): void {
    const own = this.#byRequester.get(requester)
    if (own === undefined || own.size < PENDING_RESPONSES_PER_IMPORTER_MAX) return
    const [oldest] = own
    if (oldest !== undefined) this.expired(oldest)
  }

  #newSubject(): string {
    const { random } = this.#context
    if (this.#prefix === '') {
      this.#prefix = `_R_.${base62(random, PREFIX_LENGTH)}.`
      this.#listening = this.#space.subscribe(this, { subject: `${this.#prefix}>` })
    }
    for (;;) {
      const subject = this.#prefix + base62(random, REPLY_LENGTH)
      if (!this.#responses.has(subject)) return subject
    }
  }
}

function answerOf(
  message: Message,
  reply: string,
  followUp: PendingResponse | undefined,
): Publication {
  const { subjectBytes, shownBytes, replyBytes, headers, payload } = message
  const parts = {
    subject: Buffer.from(reply),
    reply: followUp === undefined ? replyBytes : Buffer.from(followUp.subject),
    headers,
    payload,
  }
  return shownBytes === subjectBytes ? parts : { ...parts, shownSubject: shownBytes }
}

/** Lengths of nats-server's reply subjects. */
const PREFIX_LENGTH = 6
const REPLY_LENGTH = 6
const EVENT_ID_LENGTH = 22
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

function base62(random: ImportContext['random'], length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += DIGITS[random.below(DIGITS.length)]
  return text
}
