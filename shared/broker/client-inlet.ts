import { isLiteral } from '../subject/index.ts'
import { allocate, arenaBytes, arenaView } from '../transport/index.ts'
import {
  hasSampledParent,
  headerValue,
  type ParsedPublication,
  PERMISSION_ERRORS,
  type PublicationSink,
  SERVER_ERRORS,
} from '../wire/index.ts'
import { type AccountSpace, EVERYWHERE } from './account-space.ts'
import type { ClientOutlet } from './client-outlet.ts'
import type { ClientSubscription } from './client-subscription.ts'
import { Interest } from './interest.ts'
import type { Publication } from './message.ts'
import { holdsTraceHeader, type MessageTracer, type TracedIngress } from './message-tracer.ts'
import type { PermissionGuard } from './permission-guard.ts'
import { Route } from './route.ts'
import type { RouteTable } from './route-table.ts'
import { takeMessage, writeSizes } from './routed-message.ts'
import type { TurnShare } from './turn-share.ts'
import { WORK_UNITS, work } from './work.ts'

/** Whom an inlet publishes for. */
export interface InletOwner {
  /** What the client calls itself. */
  readonly options: { readonly name: string }
  readonly turn: TurnShare
  /** Sends -ERR; the connection lives on. */
  complain(text: string): void
}

/**
 * The publishing half of a NATS client's connection: takes messages from the parser to the router.
 *
 * It remembers the last subject. A client that publishes to one subject pays one comparison of
 * bytes for it, and the message goes to the one receiver of that subject without anything between.
 * Permissions and mappings make it watched; nobody else pays for them. Where messages can be traced,
 * which is in every server, those with headers pay a search for the header that asks for it.
 */
export class ClientInlet implements PublicationSink {
  receivedMessages = 0
  receivedBytes = 0
  isVerbose = true
  isPedantic = true
  wantsNoResponders = false
  tracer: MessageTracer | undefined
  readonly #outlet: ClientOutlet
  readonly #owner: InletOwner
  #space: AccountSpace
  #routes: RouteTable
  #guard: PermissionGuard | undefined
  #isSystem = false
  /** Messages may be refused, mapped or traced: `#intercepts` looks at each. */
  #isWatched = false
  #followsTraceParent = false
  #last = NO_ROUTE
  /** The words that `#last` points into; other words outdate it. */
  #lastWords: Int32Array | undefined
  /** Interest in the subject that was scanned last, and its route if it has one. */
  #interest = Interest.none
  #route: Route | undefined

  constructor(outlet: ClientOutlet, space: AccountSpace, owner: InletOwner) {
    this.#outlet = outlet
    this.#owner = owner
    this.#space = space
    this.#routes = space.routes
  }

  enter(space: AccountSpace, isSystem: boolean): void {
    this.#space = space
    this.#routes = space.routes
    this.#isSystem = isSystem
    this.#lastWords = undefined
  }

  /** Called whenever the permissions, or the account's mappings or traces, have changed. */
  watch(guard: PermissionGuard | undefined): void {
    this.#guard = guard?.restrictsPublish ? guard : undefined
    this.#followsTraceParent = this.tracer?.followsTraceParent(this.#space.account) ?? false
    this.#isWatched =
      this.#guard !== undefined || this.tracer !== undefined || this.#space.mappings !== undefined
  }

  scanSubject(start: number, end: number): number {
    const routes = this.#routes
    const last = this.#last
    if (this.#lastWords === routes.words && routes.isAt(last, start)) {
      this.#interest = routes.interestOf(last)
      this.#route = last
      return start + last.size - 1
    }
    const interest = routes.locate(start, end)
    if (interest === undefined) return -1
    this.#owner.turn.look()
    this.#interest = interest
    this.#route = routes.located
    if (routes.located !== undefined) {
      this.#last = routes.located
      this.#lastWords = routes.words
    }
    return routes.spaceAt
  }

  publishRun(
    subjectStart: number,
    tailStart: number,
    replyEnd: number,
    bodyStart: number,
    headerBytes: number,
    totalBytes: number,
  ): void {
    this.receivedMessages++
    this.receivedBytes += totalBytes
    if (this.isPedantic) this.#checkLiteral(textAt(subjectStart, tailStart - 1))
    const bodyEnd = bodyStart + totalBytes
    if (this.#isWatched && this.#needsLook(subjectStart, tailStart, bodyStart, headerBytes)) {
      this.#publishLooked(
        partsAt(subjectStart, tailStart, replyEnd, bodyStart, headerBytes, bodyEnd),
      )
      this.#owner.turn.spend(WORK_UNITS.line)
      return
    }
    const hasReply = replyEnd !== tailStart
    const word = arenaView.getInt32(subjectStart, true)
    if (isReservedSubject(word) || (hasReply && isReservedReply(tailStart))) {
      if (this.#refuses(textAt(subjectStart, tailStart - 1), textAt(tailStart, replyEnd))) return
    }
    if (this.isVerbose) this.#outlet.write(OK)
    const { only } = this.#interest
    let taken: boolean
    if (only !== undefined && (headerBytes < 0 || only.peer.supportsHeaders)) {
      taken = only.peer.takeRun(
        only,
        this.#outlet,
        headerBytes >= 0,
        subjectStart,
        tailStart,
        bodyEnd + 2,
        totalBytes,
      )
    } else {
      taken = this.#dispatch(subjectStart, tailStart, replyEnd, bodyStart, headerBytes, totalBytes)
      this.#owner.turn.look()
    }
    if (!taken && hasReply && this.wantsNoResponders) {
      this.#tellNoResponders(subjectStart, tailStart, replyEnd)
    }
  }

  publishParts(publication: ParsedPublication): void {
    this.receivedMessages++
    this.receivedBytes += publication.headers.length + publication.payload.length
    if (this.isPedantic) this.#checkLiteral(textOf(publication.subject))
    this.#publishLooked(publication)
    this.#owner.turn.spend(WORK_UNITS.line)
  }

  #dispatch(
    subjectStart: number,
    tailStart: number,
    replyEnd: number,
    bodyStart: number,
    headerBytes: number,
    totalBytes: number,
  ): boolean {
    if (this.#interest.isEmpty) return false
    const message = takeMessage()
    message.setFrame(this.#outlet, this.#route?.subject)
    message.hasHeaders = headerBytes >= 0
    message.subjectStart = subjectStart
    message.tailStart = tailStart
    message.replyEnd = replyEnd
    message.bodyStart = bodyStart
    message.end = bodyStart + totalBytes + 2
    message.headerBytes = Math.max(headerBytes, 0)
    message.totalBytes = totalBytes
    return this.#space.dispatch(this.#interest, message, EVERYWHERE) > 0
  }

  /** Whether the message must take the road where it is mapped, refused or traced. */
  #needsLook(
    subjectStart: number,
    tailStart: number,
    bodyStart: number,
    headerBytes: number,
  ): boolean {
    const { mappings } = this.#space
    const route = this.#route
    if (mappings !== undefined) {
      const mapping =
        route === undefined
          ? mappings.find(textAt(subjectStart, tailStart - 1))
          : route.mappingIn(mappings)
      if (mapping !== undefined) return true
    }
    if (this.#guard !== undefined && (route === undefined || !this.#guard.mayPublishTo(route))) {
      return true
    }
    return (
      this.tracer !== undefined &&
      headerBytes > 0 &&
      holdsTraceHeader(bodyStart, bodyStart + headerBytes, this.#followsTraceParent)
    )
  }

  /** The whole of what nats-server checks, in its order; the road for whatever is not plain. */
  #publishLooked(parsed: Publication): void {
    const written = textOf(parsed.subject)
    const mapped = this.#space.mapped(written)
    if (mapped === '') return
    const subject = mapped ?? written
    const publication = mapped === undefined ? parsed : { ...parsed, subject: Buffer.from(mapped) }
    const reply = textOf(parsed.reply)
    const error = this.#errorOf(subject, reply)
    if (error !== undefined) this.#owner.complain(error)
    else if (this.isVerbose) this.#outlet.write(OK)
    const taken = this.#trace(publication, mapped === undefined ? undefined : written, error)
    if (error !== undefined) return
    const count = taken ?? this.#space.publish(this.#outlet, publication)
    if (count > 0 || reply === '' || !this.wantsNoResponders) return
    // Laid out as a publisher would have written it, for the one road that answers.
    const replyStart = SCRATCH + publication.subject.length + 1
    const replyEnd = replyStart + publication.reply.length
    if (replyEnd >= SCRATCH + SCRATCH_BYTES) return
    arenaBytes[append(SCRATCH, publication.subject)] = SPACE
    arenaBytes[append(replyStart, publication.reply)] = SPACE
    this.#tellNoResponders(SCRATCH, replyStart, replyEnd)
  }

  /** undefined: the message is not traced, and still to be routed. */
  #trace(
    publication: Publication,
    mappedFrom: string | undefined,
    error: string | undefined,
  ): number | undefined {
    const { tracer } = this
    if (tracer === undefined || publication.headers.length === 0) return undefined
    const { headers } = publication
    const isAsked =
      headerValue(headers, 'Nats-Trace-Dest') !== undefined ||
      (this.#followsTraceParent && hasSampledParent(headers))
    if (!isAsked) return undefined
    const ingress: TracedIngress = {
      peer: this.#outlet,
      name: this.#owner.options.name,
      account: this.#space.account,
      mayPublish: (subject) => this.#errorOf(subject, '') === undefined,
      complain: (text) => this.#owner.complain(text),
      ...(mappedFrom === undefined ? {} : { mappedFrom }),
      ...(error === undefined ? {} : { error }),
    }
    work.units += WORK_UNITS.trace
    return tracer.publish(this.#space, ingress, publication)
  }

  #checkLiteral(subject: string): void {
    if (!isLiteral(subject)) this.#owner.complain(SERVER_ERRORS.invalid_publish_subject)
  }

  #refuses(subject: string, reply: string): boolean {
    const error = this.#errorOf(subject, reply)
    if (error !== undefined) this.#owner.complain(error)
    return error !== undefined
  }

  /** Permissions, and subjects that only servers may use, by nats-server's rules and in its order. */
  #errorOf(subject: string, reply: string): string | undefined {
    if (/^(?:_GR_\.|\$GR\.)./.test(subject)) return PERMISSION_ERRORS.publish(subject)
    if (this.#guard !== undefined && !this.#guard.mayPublish(subject)) {
      return PERMISSION_ERRORS.publish(subject)
    }
    if (subject.startsWith('$NRG.') && !this.#isSystem) return PERMISSION_ERRORS.publish(subject)
    return /^(?:_R_\.|(?:_GR_|\$GR|\$JS\.ACK)\..)/.test(reply)
      ? PERMISSION_ERRORS.reply(reply)
      : undefined
  }

  /**
   * The 503 that spares a request its timeout; only who listens for the reply himself gets it. In the
   * arena lie `<subject> <reply> `. A server without services is asked in vain all day: no garbage here.
   *
   *     HMSG <reply> <sid> <size> <size>\r\nNATS/1.0 503\r\nNats-Subject: <subject>\r\n\r\n\r\n
   */
  #tellNoResponders(subjectStart: number, tailStart: number, replyEnd: number): void {
    const listening = this.#routes.locate(tailStart, replyEnd + 1)
    const subscription = this.#ownOf(listening?.clients)
    if (subscription === undefined) return
    const subjectSize = tailStart - 1 - subjectStart
    const size = STATUS_503.length + subjectSize + HEADERS_END.length
    const { output } = this.#outlet
    const replySize = replyEnd + 1 - tailStart
    const lineRoom = SIZES_ROOM + replySize + subscription.sidBytes.length
    let at = output.reserve(lineRoom + size)
    if (at < 0) return
    at = append(at, HMSG)
    arenaBytes.copyWithin(at, tailStart, replyEnd + 1)
    at = append(at + replySize, subscription.sidBytes)
    at = append(writeSizes(at, size, size), STATUS_503)
    arenaBytes.copyWithin(at, subjectStart, subjectStart + subjectSize)
    at = append(append(at + subjectSize, HEADERS_END), CRLF)
    output.commit(at)
    this.#outlet.checkPending()
  }

  #ownOf(subscriptions: readonly ClientSubscription[] | undefined): ClientSubscription | undefined {
    if (subscriptions === undefined) return undefined
    for (const subscription of subscriptions) {
      if (subscription.peer === this.#outlet) return subscription
    }
    return undefined
  }
}

const SPACE = 32
const HMSG = Buffer.from('HMSG ')
const STATUS_503 = Buffer.from('NATS/1.0 503\r\nNats-Subject: ')
const HEADERS_END = Buffer.from('\r\n\r\n')
const CRLF = Buffer.from('\r\n')
/** `HMSG `, two sizes, blanks and line ends. */
const SIZES_ROOM = 40
/** Subject and reply of a message that does not lie in the arena. */
const SCRATCH_BYTES = 16 * 1024
const SCRATCH = allocate(SCRATCH_BYTES + 64)

function append(at: number, bytes: Uint8Array): number {
  arenaBytes.set(bytes, at)
  return at + bytes.length
}

const OK = Buffer.from('+OK\r\n')
const NO_ROUTE = new Route('', 0, 0, 0)

const GATEWAY = wordOf('_GR_')
const OLD_GATEWAY = wordOf('$GR.')
const RAFT = wordOf('$NRG')
const SERVICE_REPLY = wordOf('_R_.')
const JETSTREAM = wordOf('$JS.')

function wordOf(text: string): number {
  return Buffer.from(text).readInt32LE(0)
}

/** Whether the subject that begins so may be a servers' own: worth a closer look. */
function isReservedSubject(word: number): boolean {
  return word === GATEWAY || word === RAFT || word === OLD_GATEWAY
}

/** The same for replies. */
function isReservedReply(start: number): boolean {
  const word = arenaView.getInt32(start, true)
  return word === JETSTREAM || word === SERVICE_REPLY || isReservedSubject(word)
}

function textAt(start: number, end: number): string {
  return arenaBytes.toString('utf8', start, end)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

/** Views of a message that lies in the arena. */
function partsAt(
  subjectStart: number,
  tailStart: number,
  replyEnd: number,
  bodyStart: number,
  headerBytes: number,
  bodyEnd: number,
): Publication {
  const payloadStart = bodyStart + Math.max(headerBytes, 0)
  return {
    subject: arenaBytes.subarray(subjectStart, tailStart - 1),
    reply: arenaBytes.subarray(tailStart, replyEnd),
    headers: arenaBytes.subarray(bodyStart, payloadStart),
    payload: arenaBytes.subarray(payloadStart, bodyEnd),
  }
}
