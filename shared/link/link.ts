import type {
  LinkPeer,
  Message,
  Publication,
  PublishOptions,
  SubjectSpace,
  Subscription,
} from '../broker/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock } from '../runtime/index.ts'
import { isValidSubject } from '../subject/index.ts'
import type { AccountLinks, InterestListener } from './account-links.ts'
import { withShownSubject } from './ack-reply.ts'
import {
  CONTROL_LINE_BYTES_MAX,
  DROP_LOG_INTERVAL_MS,
  IN_FLIGHT_BYTES_MAX,
  type LinkLimits,
} from './limits.ts'
import { lineParts } from './line-parts.ts'
import type { LinkConnection, LinkPhase } from './link-connection.ts'
import {
  loopDetected,
  publishViolation,
  subscriptionViolation,
  TOO_MANY_SUBSCRIPTIONS,
} from './link-errors.ts'
import type { SubjectRules } from './link-hello.ts'
import type { LinkPermissions } from './link-permissions.ts'
import type { LinkResponses } from './link-responses.ts'
import { shortAckInterest } from './short-ack.ts'

/**
 * A link that is up, the same on both sides once the handshake is done: the other side's interest
 * lives in our subject space as subscriptions of this peer, ours is told as it changes, and messages
 * cross by interest, at most once. `leaf` is a spoke that attached to us, `uplink` the hub above us;
 * the kind alone decides which interest the other side hears of (see account-links.ts).
 */
export interface LinkOptions {
  readonly kind: 'leaf' | 'uplink'
  /** Unique in this process: `Core.nextPeerId`. */
  readonly id: number
  readonly connection: LinkConnection
  readonly links: AccountLinks
  readonly clock: Clock
  readonly log: Log
  readonly limits: LinkLimits
  readonly permissions: LinkPermissions
  /** What breaks the rules ends the link: the other side was told them, and logs in with them. */
  readonly isStrict: boolean
  readonly responses: LinkResponses | undefined
  /** What the other side's user may publish; undefined: everything. */
  readonly publishRules?: SubjectRules | undefined
  readonly remote: {
    readonly cluster: string
    readonly hasHeaders: boolean
    readonly isIsolated: boolean
    /** The largest message that the other side takes; 0 when it did not say. */
    readonly payloadBytesMax: number
    readonly name: string
    /** It speaks a protocol without message traces. */
    readonly ignoresTraces: boolean
  }
  /** Messages that do not leave over this link though the other side is interested. */
  readonly withholds: (message: Message) => boolean
  /** Messages that came over this link and are passed over when false. */
  readonly accepts: (publication: Publication) => boolean
  /** INFO after the handshake: the other side's addresses have changed, say. */
  readonly onInfo: (json: string) => void
  readonly onRefused: (error: string) => void
  readonly onEnded: (reason: string) => void
}

/** Counters since the link came up; plain numbers, read by whoever scrapes. */
export interface LinkStats {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Not taken because the link was slower than its messages. */
  readonly droppedSlow: number
  /** Not sent because the other side takes no messages of that size. */
  readonly droppedLarge: number
  /** Came in on subjects that may not cross, or were not accepted. */
  readonly droppedIn: number
  readonly subscriptions: number
  readonly pendingBytes: number
  /** Of the last PING; undefined before the first answer. */
  readonly roundTripMs: number | undefined
}

const NO_PARTS: readonly (readonly string[])[] = []
const NO_QUEUES: PublishOptions = { queues: [] }

export class Link implements LinkPeer, InterestListener, LinkPhase {
  readonly kind: 'leaf' | 'uplink'
  readonly id: number
  readonly echo = false
  readonly remoteCluster: string
  readonly isIsolated: boolean
  readonly remoteName: string
  readonly ignoresTraces: boolean
  readonly publishRules: SubjectRules | undefined
  readonly connection: LinkConnection
  readonly #options: LinkOptions
  readonly #space: SubjectSpace
  readonly #subscriptions = new Map<string, Subscription>()
  #isAttached = false
  #messagesIn = 0
  #messagesOut = 0
  #droppedSlow = 0
  #droppedLarge = 0
  #droppedIn = 0
  #dropLoggedMs = Number.NEGATIVE_INFINITY

  constructor(options: LinkOptions) {
    this.#options = options
    this.kind = options.kind
    this.id = options.id
    this.connection = options.connection
    this.remoteCluster = options.remote.cluster
    this.isIsolated = options.remote.isIsolated
    this.remoteName = options.remote.name
    this.ignoresTraces = options.remote.ignoresTraces
    this.publishRules = options.publishRules
    this.#space = options.links.space
  }

  get peer(): LinkPeer {
    return this
  }

  get isUp(): boolean {
    return this.#isAttached
  }

  get isBusy(): boolean {
    return this.connection.channel.pendingBytes > IN_FLIGHT_BYTES_MAX
  }

  get stats(): LinkStats {
    return {
      messagesIn: this.#messagesIn,
      messagesOut: this.#messagesOut,
      bytesIn: this.connection.bytesIn,
      bytesOut: this.connection.output.writtenBytes,
      droppedSlow: this.#droppedSlow,
      droppedLarge: this.#droppedLarge,
      droppedIn: this.#droppedIn,
      subscriptions: this.#subscriptions.size,
      pendingBytes: this.connection.output.pendingBytes,
      roundTripMs: this.connection.roundTripMs,
    }
  }

  /** What the other side asks for, in the order in which it said so. */
  get subjects(): readonly string[] {
    return [...this.#subscriptions.values()].map(({ subject }) => subject)
  }

  /** Tells the other side all our interest, and each change from now on. */
  attach(pingIntervalMs: number): void {
    this.#isAttached = true
    this.connection.enter(this, this.#space.account, pingIntervalMs)
    this.#options.links.join(this)
  }

  refuses(message: Message): boolean {
    if (!this.#isAttached || message.origin === this || this.#isSibling(message)) return true
    const { permissions, withholds, remote } = this.#options
    if (!permissions.maySend(message.subjectBytes) || withholds(message)) return true
    const acks = shortAckInterest(message.subjectBytes)
    if (acks !== undefined && !this.#subscriptions.has(acks)) return true
    const size = message.headers.length + message.payload.length
    if (remote.payloadBytesMax === 0 || size <= remote.payloadBytesMax) return false
    this.#droppedLarge++
    this.#logDrop(`message of ${size} bytes is above the other side's max_payload`)
    return true
  }

  forward(message: Message, plain: boolean, queues: readonly string[]): void {
    const parts = queues.length === 0 ? NO_PARTS : lineParts(message, queues)
    if (parts.length === 0) {
      this.#send(message, queues)
      return
    }
    // Plain subscribers would get each part: then the groups of the first alone are served.
    for (const part of plain ? parts.slice(0, 1) : parts) this.#send(message, part)
    if (plain) this.#logDrop('more queue groups on one subject than a control line holds')
  }

  deliver(subscription: Subscription, message: Message): void {
    if (this.refuses(message)) return
    this.forward(message, subscription.queue === '', queuesOf(subscription))
  }

  interestChanged(subject: string, queue: string, weight: number): void {
    if (!this.#isAttached || !this.#options.permissions.mayAdvertise(subject)) return
    const line = Buffer.from(interestLine(subject, queue, weight))
    if (line.length <= CONTROL_LINE_BYTES_MAX) this.connection.send(line)
  }

  interest(subject: string, queue: string, weight: number): void {
    const { links, permissions, limits, log } = this.#options
    if (subject === links.loopSubject) {
      this.connection.fail(loopDetected(this.#space.account))
      return
    }
    if (!isValidSubject(subject) || !permissions.mayServe(subject)) {
      log.debug({ subject }, 'interest of the other side passed over')
      return
    }
    if (this.#options.isStrict && permissions.refusesInterest(subject)) {
      this.connection.fail(subscriptionViolation(subject))
      return
    }
    const key = keyOf(subject, queue)
    const known = this.#subscriptions.get(key)
    if (known !== undefined) {
      if (queue !== '') this.#subscriptions.set(key, this.#space.reweigh(known, weight))
      return
    }
    if (this.#subscriptions.size >= limits.subscriptionsMax) {
      this.connection.send(Buffer.from(`-ERR '${TOO_MANY_SUBSCRIPTIONS}'\r\n`))
      return
    }
    const subscription = this.#space.subscribe(this, { subject, queue, weight, sid: key })
    this.#subscriptions.set(key, subscription)
  }

  interestGone(subject: string, queue: string): void {
    const key = keyOf(subject, queue)
    const known = this.#subscriptions.get(key)
    if (known === undefined) return
    this.#subscriptions.delete(key)
    this.#space.unsubscribe(known)
  }

  message(publication: Publication, queues: readonly string[]): void {
    const { permissions, accepts, links } = this.#options
    const acks = shortAckInterest(publication.subject)
    const isLost = acks !== undefined && !links.isAskedFor(acks)
    const isAllowed =
      permissions.mayReceive(publication.subject) ||
      (this.#options.responses?.takes(publication.subject) ?? false)
    if (isLost || !isAllowed || !accepts(publication)) {
      this.#droppedIn++
      if (!isAllowed && this.#options.isStrict && permissions.breaksRules(publication.subject)) {
        this.connection.fail(publishViolation(Buffer.from(publication.subject).toString()))
      }
      return
    }
    this.#messagesIn++
    // Behind the check: nats-server holds a leaf to its rules by the subject on the wire as well
    // (server/leafnode.go, `leafMsgAllowed`), unlike a client.
    const subject = this.#space.mappedSubject(publication.subject)
    if (subject.length === 0) return
    const mapped = subject === publication.subject ? publication : { ...publication, subject }
    const options = queues.length === 0 ? NO_QUEUES : { queues }
    const mappedFrom = mapped === publication ? undefined : publication.subject
    links.publish(this, withShownSubject(mapped), options, mappedFrom)
  }

  /** Whether a trace may go where a message of the other side says. */
  mayPublish(subject: string): boolean {
    return this.#options.permissions.mayReceive(Buffer.from(subject))
  }

  info(json: string): void {
    this.#options.onInfo(json)
  }

  /** A second CONNECT changes nothing [leafnode protocol, 8b]. */
  connect(_json: string): void {}

  allowsHeartbeat(): boolean {
    return true
  }

  refused(error: string): void {
    this.#options.onRefused(error)
  }

  ended(reason: string): void {
    if (this.#isAttached) this.#detach()
    this.#options.onEnded(reason)
  }

  #send(message: Message, queues: readonly string[]): void {
    const { connection, remote, responses } = this.#options
    if (connection.output.message(message, queues, remote.hasHeaders)) {
      this.#messagesOut++
      responses?.delivered(message.reply)
    } else {
      this.#droppedSlow++
      this.#logDrop('the link is slower than its live messages')
    }
  }

  #detach(): void {
    this.#isAttached = false
    this.#options.links.leave(this, this.#subscriptions)
  }

  /** Servers of one cluster have passed the message to each other already. */
  #isSibling(message: Message): boolean {
    const { origin } = message
    return (
      origin instanceof Link &&
      this.remoteCluster !== '' &&
      origin.remoteCluster === this.remoteCluster
    )
  }

  #logDrop(reason: string): void {
    const now = this.#options.clock.monotonicMs()
    if (now - this.#dropLoggedMs < DROP_LOG_INTERVAL_MS) return
    this.#dropLoggedMs = now
    const { droppedSlow, droppedLarge, pendingBytes } = this.stats
    this.#options.log.warn(
      { reason, droppedSlow, droppedLarge, pendingBytes },
      'live messages dropped on a leaf link',
    )
  }
}

function queuesOf(subscription: Subscription): readonly string[] {
  return subscription.queue === '' ? [] : [subscription.queue]
}

function keyOf(subject: string, queue: string): string {
  return queue === '' ? subject : `${subject} ${queue}`
}

function interestLine(subject: string, queue: string, weight: number): string {
  if (weight === 0) return `LS- ${keyOf(subject, queue)}\r\n`
  return queue === '' ? `LS+ ${subject}\r\n` : `LS+ ${subject} ${queue} ${weight}\r\n`
}
