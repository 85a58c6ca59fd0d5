import { isLiteral } from '../subject/index.ts'
import { arenaBytes, arenaView } from '../transport/index.ts'
import {
  encodeError,
  encodeHeaders,
  type ParsedPublication,
  type PublicationSink,
  SERVER_ERRORS,
} from '../wire/index.ts'
import { type AccountSpace, EVERYWHERE } from './account-space.ts'
import type { ClientOutlet } from './client-outlet.ts'
import { ClientSubscription } from './client-subscription.ts'
import { Interest } from './interest.ts'
import { Route, type RouteTable } from './route-table.ts'
import { takeMessage } from './routed-message.ts'

/**
 * The publishing half of a NATS client's connection: takes messages from the parser to the router.
 *
 * It remembers the last subject. A client that publishes to one subject pays one comparison of
 * bytes for it, and the message goes to the one receiver of that subject without anything between.
 */
export class ClientInlet implements PublicationSink {
  receivedMessages = 0
  receivedBytes = 0
  isVerbose = true
  isPedantic = true
  wantsNoResponders = false
  readonly #outlet: ClientOutlet
  #space: AccountSpace
  #routes: RouteTable
  #last = NO_ROUTE
  /** The words that `#last` points into; other words outdate it. */
  #lastWords: Int32Array | undefined
  /** Interest in the subject that was scanned last. */
  #interest = Interest.none

  constructor(outlet: ClientOutlet, space: AccountSpace) {
    this.#outlet = outlet
    this.#space = space
    this.#routes = space.routes
  }

  enter(space: AccountSpace): void {
    this.#space = space
    this.#routes = space.routes
    this.#lastWords = undefined
  }

  scanSubject(start: number, end: number): number {
    const routes = this.#routes
    const last = this.#last
    if (this.#lastWords === routes.words && routes.isAt(last, start)) {
      this.#interest = routes.interestOf(last)
      return start + last.size - 1
    }
    const interest = routes.locate(start, end)
    if (interest === undefined) return -1
    this.#interest = interest
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
    const hasReply = replyEnd !== tailStart
    const word = arenaView.getInt32(subjectStart, true)
    if (word === GATEWAY || word === RAFT || (hasReply && isReservedReply(tailStart))) {
      const subject = arenaBytes.toString('utf8', subjectStart, tailStart - 1)
      if (this.#refuses(subject, arenaBytes.toString('utf8', tailStart, replyEnd))) return
    }
    if (this.isPedantic || this.isVerbose) this.#remark(subjectStart, tailStart)
    const { only } = this.#interest
    let taken: boolean
    if (only !== undefined && (headerBytes < 0 || only.peer.supportsHeaders)) {
      const end = bodyStart + totalBytes + 2
      taken = only.peer.takeRun(
        only,
        this.#outlet,
        headerBytes >= 0,
        subjectStart,
        tailStart,
        end,
        totalBytes,
      )
    } else {
      taken = this.#route(subjectStart, tailStart, replyEnd, bodyStart, headerBytes, totalBytes)
    }
    if (!taken && hasReply && this.wantsNoResponders) {
      this.#tellNoResponders(
        arenaBytes.toString('utf8', subjectStart, tailStart - 1),
        arenaBytes.toString('utf8', tailStart, replyEnd),
      )
    }
  }

  publishParts(publication: ParsedPublication): void {
    this.receivedMessages++
    this.receivedBytes += publication.headers.length + publication.payload.length
    const subject = Buffer.from(publication.subject).toString()
    const reply = Buffer.from(publication.reply).toString()
    if (this.#refuses(subject, reply)) return
    this.#remarkOn(subject)
    const taken = this.#space.publish(this.#outlet, publication)
    if (taken === 0 && reply !== '' && this.wantsNoResponders)
      this.#tellNoResponders(subject, reply)
  }

  #route(
    subjectStart: number,
    tailStart: number,
    replyEnd: number,
    bodyStart: number,
    headerBytes: number,
    totalBytes: number,
  ): boolean {
    if (this.#interest.isEmpty) return false
    const message = takeMessage()
    message.setFrame(this.#outlet)
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

  #remark(subjectStart: number, tailStart: number): void {
    this.#remarkOn(this.isPedantic ? arenaBytes.toString('utf8', subjectStart, tailStart - 1) : 'a')
  }

  #remarkOn(subject: string): void {
    if (this.isVerbose) this.#outlet.write(OK)
    if (this.isPedantic && !isLiteral(subject)) this.#outlet.write(INVALID_PUBLISH_SUBJECT)
  }

  /** Subjects that only servers may use, by nats-server's rules. */
  #refuses(subject: string, reply: string): boolean {
    if (/^(?:_R_\.|_GR_\.|\$JS\.ACK\.)/.test(reply)) {
      const text = `Permissions Violation for Publish with Reply of "${reply}"`
      this.#outlet.write(encodeError(text))
      return true
    }
    if (!/^(?:_GR_\.|\$NRG\.)/.test(subject)) return false
    this.#outlet.write(encodeError(`Permissions Violation for Publish to "${subject}"`))
    return true
  }

  /** The 503 that spares a request its timeout; only who listens for the reply himself gets it. */
  #tellNoResponders(subject: string, reply: string): void {
    const subscription = this.#space.subscriptionOf(this.#outlet, reply)
    if (!(subscription instanceof ClientSubscription)) return
    const headers = encodeHeaders({ 'Nats-Subject': subject }, { code: 503 })
    const line = `HMSG ${reply} ${subscription.sid} ${headers.length} ${headers.length}\r\n`
    this.#outlet.write(Buffer.concat([Buffer.from(line), headers, Buffer.from('\r\n')]))
  }
}

const OK = Buffer.from('+OK\r\n')
const INVALID_PUBLISH_SUBJECT = encodeError(SERVER_ERRORS.invalid_publish_subject)
const NO_ROUTE = new Route('', 0, 0, 0)

const GATEWAY = wordOf('_GR_')
const RAFT = wordOf('$NRG')
const SERVICE_REPLY = wordOf('_R_.')
const JETSTREAM = wordOf('$JS.')

function wordOf(text: string): number {
  return Buffer.from(text).readInt32LE(0)
}

/** Whether the reply may be a reserved one: worth a closer look. */
function isReservedReply(start: number): boolean {
  const word = arenaView.getInt32(start, true)
  return word === SERVICE_REPLY || word === GATEWAY || word === JETSTREAM
}
