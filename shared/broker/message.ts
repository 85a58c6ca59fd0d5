import type { SubjectPermissionConfig } from '../config/index.ts'
import type { PetioleError } from '../runtime/index.ts'
import type { TraceSpan } from './message-tracer.ts'

/**
 * What is on the other end. `client`, `mqtt` and `local` (in-process) are where messages are born;
 * `leaf` is a leaf that attached to us, `uplink` the hub that we attached to, `route` another hub of
 * our region, `gateway` a hub of another one.
 */
export type PeerKind = 'client' | 'mqtt' | 'local' | LinkKind

export type LinkKind = 'leaf' | 'uplink' | 'route' | 'gateway'

/** Whoever publishes and subscribes in an account. */
export interface Peer {
  readonly kind: PeerKind
  /** Unique in this process, and the `client_id` of INFO. */
  readonly id: number
  /** Told to the peer's own subscriptions too, unless false (CONNECT `echo`). */
  readonly echo: boolean
  /**
   * Stops and restarts what the peer sends, when a receiver cannot keep up with it: its channel. A
   * peer without one is never held up.
   */
  readonly flow?: { pause(): void; resume(): void }
  /**
   * Takes one message for one of the peer's subscriptions; called synchronously from the router.
   * Never throws and never blocks. It may publish: the publication is routed before this call returns,
   * up to NESTED_PUBLICATIONS_MAX one in the other, and `message` stays valid meanwhile. Who may do it
   * after the call as well does so.
   */
  deliver(subscription: Subscription, message: Message): void
  /**
   * What its user may publish, for who stores in its name what it brings in bulk; undefined: everything. The
   * same object as long as the rules are the same.
   */
  readonly publishRules?: SubjectPermissionConfig | undefined
  /** It tells a message's trace itself what becomes of the message. */
  readonly tellsTrace?: boolean
  /**
   * It stores what it gets, beside the captures: all, or, as those, what `fits` its limits. A publisher whose
   * acknowledgement means that all have stored it has them asked before anybody is told (`PublishOptions.isRefused`).
   */
  readonly stores?: 'all' | 'fits' | undefined
  /** Whether its user may receive what he is subscribed to, as a member of a queue group or '' of none; absent: all. */
  mayReceive?(subject: string, queue: string): boolean
  /** In place of `deliver` for a peer that may pass a message over: whether it took it. */
  offer?(subscription: Subscription, message: Message): boolean
}

/** A link to another server: takes each message once, however many of its subscriptions match. */
export interface LinkPeer extends Peer {
  readonly kind: LinkKind
  /**
   * False from its end on, though its subscriptions are forgotten piece by piece after that: nothing is
   * sent over it meanwhile, and no choice falls on it. Read for each message.
   */
  readonly isUp: boolean
  /** Of a `gateway`: the region that it leads to. */
  readonly region?: string
  /** Of the last PING; undefined before its answer, and where nobody asks. */
  readonly roundTripMs?: number | undefined
  /** What the server on the other end calls itself. */
  readonly remoteName?: string
  /** The other end tells nothing of messages that are traced, and delivers those that only ask for a trace. */
  readonly ignoresTraces?: boolean
  /**
   * Whether it would not send this message, by the rules of its ends: then no choice falls on it, and nobody
   * counts it. Asked before `forward`; absent where all is sent.
   */
  refuses?(message: Message): boolean
  /**
   * @param plain true when plain subscriptions of the other side match
   * @param queues the queue groups for which the other side must pick a member
   * @param isToStore the other side's capture stores the message: no capture here did
   */
  forward(message: Message, plain: boolean, queues: readonly string[], isToStore: boolean): void
}

export interface Subscription {
  readonly peer: Peer
  readonly subject: string
  /** '' for a plain subscription. */
  readonly queue: string
  /** The peer's own name for it. */
  readonly sid: string
  /** Queue members on the other side of a link that this one stands for; 1 for all others. */
  readonly weight: number
  /**
   * Stores what it gets: skipped by publications that are stored already. A link's stands for a stream
   * at another hub, which is asked only when no capture here takes the message.
   */
  readonly isCapture: boolean
  /** Each hub has its own of it, so that no other hub is told. */
  readonly isConfined?: boolean
}

/** Tells a publisher that its message is on disk, or why it is not. */
export type PublishCommitted = (error: PetioleError | undefined) => void

/**
 * The message on its way through the router. One object is used again and again: everything in it
 * is valid during `deliver` or `forward` only, and each getter makes its value on first use.
 */
export interface Message {
  /** Differs from message to message: what a receiver finds out about one holds for the next receiver. */
  readonly serial: number
  readonly origin: Peer
  readonly subject: string
  readonly subjectBytes: Uint8Array
  /** What receivers see; the same as `subject` but for Publication.shownSubject. */
  readonly shownSubject: string
  /** The same object as `subjectBytes` when the two are one. */
  readonly shownBytes: Uint8Array
  /** '' when there is none. */
  readonly reply: string
  readonly replyBytes: Uint8Array
  /** The header block with its `NATS/1.0` line and the final empty line; length 0 when there is none. */
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** What is to be told of the message's way; undefined for nearly all. */
  readonly trace?: TraceSpan | undefined
  /** As in `PublishOptions`: of `logs` nobody is told yet, and a receiver that is not to store it passes it over. */
  readonly part?: MessagePart | undefined
  /**
   * Taken by the capture that stores the message: from then on it owes exactly one call. undefined
   * when nobody waits, or when a capture has taken it already.
   */
  takeCommitted(): PublishCommitted | undefined
  /**
   * For who stores the message beside the captures, which are served after all others: the publisher waits
   * for this call as well. undefined when nobody waits.
   */
  shareCommitted(): PublishCommitted | undefined
}

/** What a peer other than a NATS client hands to the router. */
export interface Publication {
  readonly subject: Uint8Array
  readonly reply: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /**
   * The subject that receivers see, when it is not the one it is routed by: a stored message goes to
   * the inbox that asked for it (`subject`) under the subject it was stored with. NATS clients get
   * `MSG <shown> <sid> [reply] …`; over a leaf link it travels as `LMSG <subject> <reply>@<shown> …`,
   * nats-server's form, which the last server before the client takes apart again.
   */
  readonly shownSubject?: Uint8Array
}

/**
 * A stored message as it lies in memory: the subject that receivers see [subjectAt, headersAt), headers up to
 * `payloadAt`, payload up to `end`.
 */
export interface LaidOutMessage {
  readonly bytes: DataView
  readonly subjectAt: number
  readonly headersAt: number
  readonly payloadAt: number
  readonly end: number
}

/**
 * Half of a publication, for who stores a message himself before he tells of it: `logs` are those who store what they
 * get beside the captures, members of queue groups too, to be served within his transaction; `others` all but them,
 * when that is on disk. Default: all. A queue group casts its lot in the first part: a member that stores has the message
 * then, and to any other it is offered first in the second.
 */
export type MessagePart = 'logs' | 'others'

export interface PublishOptions {
  /**
   * Queue groups to serve: messages from a link carry the sender's choice. undefined serves all, but
   * none when the origin is a link: a queue member is never served from an un-queued link message.
   */
  readonly queues?: readonly string[]
  /** The rest of a message that named too many groups for one line: plain subscriptions had theirs. */
  readonly isForGroupsOnly?: boolean
  /** False for what is stored already: captures are passed over. */
  readonly capture?: boolean
  /**
   * Called when the message is on disk, at once when no capture took it, with an error when one refused it: as
   * soon as that is known, which is before `publish` returns if it can be.
   */
  readonly committed?: PublishCommitted
  /**
   * Given by a publisher whose acknowledgement means that all who store the message have it: those are served
   * before all others, and when this has become true, by an error of `committed`, nobody else gets it.
   * undefined, as for NATS clients: whether a stream takes a message is no matter of the other subscribers.
   */
  readonly isRefused?: boolean | undefined
  readonly part?: MessagePart | undefined
  /** Of a message in two parts: the first fills it, the second goes by it. One member for each queue group on which a lot fell. */
  readonly lots?: Subscription[] | undefined
  /** Does all that `store` stores or, when the message is refused meanwhile, nothing of it. */
  together?(store: () => void): void
}

/** Follows the interest of an account. Called for each change, never for the observer's past. */
export interface InterestObserver {
  subscriptionAdded(subscription: Subscription): void
  subscriptionRemoved(subscription: Subscription): void
  /** A link's queue weight has changed in place; who sums up weights takes the difference. */
  subscriptionReweighed?(subscription: Subscription, previousWeight: number): void
}

/**
 * One account's subject space, as its peers see it. Peers of other layers (leaf links, MQTT sessions,
 * in-process services) use this; NATS clients have their own faster road through the same router.
 */
export interface SubjectSpace {
  readonly account: string
  subscribe(peer: Peer, options: SubscribeOptions): Subscription
  unsubscribe(subscription: Subscription): void
  /** Changes a link's queue weight in place; observers get `subscriptionReweighed`. */
  reweigh(subscription: Subscription, weight: number): Subscription
  /**
   * Routes one message; returns how many peers took it. A subject or reply with white space in it
   * reaches nobody, and `committed` gets PETIOLE_SUBJECT_INVALID.
   * One that is nested too deep reaches nobody either (PETIOLE_PUBLICATION_TOO_DEEP).
   * With a `reply` and none taking it, the caller sends the 503 if its protocol has one.
   */
  publish(origin: Peer, publication: Publication, options?: PublishOptions): number
  /**
   * What the account's mappings make of a literal subject: itself when none concerns it, empty when the
   * message is dropped. `publish` does not map: whoever brings a message in from outside does, since
   * what he may publish depends on it.
   */
  mappedSubject(subject: Uint8Array): Uint8Array
  /** Whether any subscription but those of `except` would take a message on this literal subject. */
  hasInterest(subject: string, except?: Peer): boolean
  subscriptions(): Iterable<Subscription>
  /** All subscriptions that a message on the literal `subject` concerns, in no order. */
  matching(subject: string): readonly Subscription[]
  observe(observer: InterestObserver): () => void
}

export interface SubscribeOptions {
  readonly subject: string
  readonly queue?: string
  readonly sid?: string
  readonly weight?: number
  readonly isCapture?: boolean
  readonly isConfined?: boolean
}
