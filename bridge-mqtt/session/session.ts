import { type Identity, publishRulesOf } from '../../shared/account/index.ts'
import type {
  Message,
  Peer,
  PublishCommitted,
  SubjectSpace,
  Subscription,
} from '../../shared/broker/index.ts'
import type { SubjectPermissionConfig } from '../../shared/config/index.ts'
import type { PeerTraffic } from '../../shared/monitor/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Level, WillMessage } from '../codec/index.ts'
import type { Topic } from '../translator.ts'
import type { Answers } from './connection-answers.ts'
import type { Terms } from './connection-terms.ts'
import type { MqttContext } from './context.ts'
import { Inbound } from './inbound.ts'
import type { SessionGuard } from './session-guard.ts'
import { Subscriber } from './subscriber.ts'
import type { RetainedSource, SubscriberLog } from './subscriber-ports.ts'
import { Will } from './will.ts'

/** What a session asks of the connection it is attached to. */
export interface SessionLine {
  readonly channel: Channel
  readonly answers: Answers
  /** A commit made room: input that was paused may flow again. */
  acknowledged(): void
  /** A publish could not be stored; it must not be acknowledged, and the client must send it again. */
  uncommitted(error: PetioleError): void
}

/** Whose session it is. */
export interface SessionOwner {
  readonly clientId: string
  /** Of the session among all that there are. */
  readonly key: string
  /** What the client speaks. */
  readonly level: Level
  readonly guard: SessionGuard
  readonly terms: Terms
  /** Of CONNECT: QoS 1 and 2 messages that the client takes at a time; not given: 65,535. */
  readonly receiveMaximum?: number
  /** The longest packet that it takes; not given: any. */
  readonly packetSizeMax?: number
  /** Topic aliases that it takes; not given: none. */
  readonly topicAliasMax?: number
  /** Whether answers may have a reason string; not given: they may. */
  readonly wantsProblemInfo?: boolean
  /** Failures are not explained to the client, neither by a code of their own nor in words. */
  readonly hidesReasons?: boolean
  /** A mosquitto that is a bridge: its subscriptions have no local and retain as published. */
  readonly isBridge?: boolean
  /** What outlasts the connection; undefined: a clean session. */
  readonly durable?: SubscriberLog
  /** undefined: nothing is retained. */
  readonly retained?: RetainedSource
  /** Whether a stream or buffer stores the subject: what NATS clients publish there has QoS 2. */
  readonly isStored?: (subject: Uint8Array) => boolean
}

/**
 * A client that is here, a peer of its account's subject space: what it publishes (`inbound`), and what
 * it is subscribed to (`subscriber`). It lives as long as its connection; it reads no packets and owns
 * no timer.
 */
export class Session implements Peer {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  readonly clientId: string
  readonly level: Level
  readonly inbound: Inbound
  readonly subscriber: Subscriber
  readonly terms: Terms
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #owner: SessionOwner
  readonly #guard: SessionGuard
  /** How long it is kept without a connection. */
  #expirySeconds = 0
  #isClosed = false

  constructor(context: MqttContext, space: SubjectSpace, line: SessionLine, owner: SessionOwner) {
    this.#context = context
    this.#space = space
    this.#owner = owner
    this.id = context.nextPeerId()
    this.clientId = owner.clientId
    this.level = owner.level
    this.terms = owner.terms
    this.#guard = owner.guard
    this.inbound = new Inbound(context, space, line, owner, this)
    this.subscriber = new Subscriber(context, space, line, owner, this)
  }

  get identity(): Identity {
    return this.#guard.identity
  }

  get publishRules(): SubjectPermissionConfig | undefined {
    return publishRulesOf(this.identity.permissions)
  }

  get expiresMs(): number {
    return this.#guard.expiresMs
  }

  get account(): string {
    return this.#space.account
  }

  get publishing(): Topic | undefined {
    return this.inbound.publisher.topic
  }

  get publishingQos(): number {
    return this.inbound.publisher.qos
  }

  get publishingRetain(): boolean {
    return this.inbound.publisher.isRetain
  }

  /** The acknowledgement of the publish that is being routed waits for one more; undefined: nobody waits. */
  hold(): PublishCommitted | undefined {
    return this.inbound.publisher.hold()
  }

  /** One of its filters leaves out what it publishes itself. */
  get hasNoLocal(): boolean {
    return this.subscriber.hasNoLocal
  }

  get traffic(): PeerTraffic {
    const { sentMessages: outMessages, sentBytes: outBytes } = this.subscriber
    const { receivedMessages: inMessages, receivedBytes: inBytes } = this.inbound
    return { inMessages, inBytes, outMessages, outBytes }
  }

  get subscriptionCount(): number {
    return this.subscriber.subscriptionCount
  }

  deliver(subscription: Subscription, message: Message): void {
    this.offer(subscription, message)
  }

  offer(subscription: Subscription, message: Message): boolean {
    const { origin } = message
    const isOurs = origin instanceof Session || origin instanceof Will
    const isTaken = this.subscriber.offer(subscription, message, isOurs ? origin : undefined)
    // Who is subscribed for himself has no successor: he was there, though it was nothing for him.
    return isTaken || subscription.queue === ''
  }

  /** Whether its user belongs to the account, or to any. */
  isOf(account: string | undefined): boolean {
    return account === undefined || this.identity.account === account
  }

  /** The user may do other things now. False when it has more filters than are allowed. */
  renew(identity: Identity): boolean {
    this.#guard.renew(identity)
    return this.subscriber.recheck()
  }

  /** False when a session that was to end with its connection is to be kept all at once. */
  setExpiry(seconds: number): boolean {
    if (seconds > 0 && this.terms.asksNoExpiry) return false
    this.#expirySeconds = Math.min(this.#expirySeconds, seconds)
    return true
  }

  /** How long a will waits for its client to come back: no longer than its session [MQTT-3.1.3-9]. */
  delaySecondsOf({ properties }: WillMessage): number {
    return Math.min(properties.willDelaySeconds ?? 0, this.#expirySeconds)
  }

  /** @param done called when it is committed, or will never be */
  publishWill(will: WillMessage, done?: () => void): void {
    new Will(this.#context, this.#space, this.#owner).publish(will, done)
  }

  /** The client is gone: publishes its will, or has it wait for its delay. */
  leaveWill(will: WillMessage): void {
    const delayMs = this.delaySecondsOf(will) * 1_000
    if (delayMs === 0) this.publishWill(will)
    else this.#context.wills.keep(this.#owner.key, delayMs, () => this.publishWill(will))
  }

  /** Receives and acknowledges nothing from now on. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.subscriber.close()
    this.inbound.close()
  }
}
