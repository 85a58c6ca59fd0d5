import { type Identity, publishRulesOf } from '../../shared/account/index.ts'
import type {
  Message,
  PublishCommitted,
  SubjectSpace,
  Subscription,
} from '../../shared/broker/index.ts'
import type { SubjectPermissionConfig } from '../../shared/config/index.ts'
import type { PeerTraffic } from '../../shared/monitor/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Level, Violation, WillMessage } from '../codec/index.ts'
import type { DurableSession, MqttPublisher } from '../durable/index.ts'
import type { Topic } from '../translator.ts'
import type { GroupSubject } from './client-filters.ts'
import type { Answers } from './connection-answers.ts'
import type { Ending } from './connection-ending.ts'
import type { Terms } from './connection-terms.ts'
import type { MqttContext } from './context.ts'
import { Inbound } from './inbound.ts'
import type { InputGate } from './input-gate.ts'
import type { SessionGuard } from './session-guard.ts'
import { Subscriber } from './subscriber.ts'
import type { RetainedSource } from './subscriber-ports.ts'
import { Will } from './will.ts'

/** What a session asks of the connection it is attached to. */
export interface SessionLine {
  readonly channel: Channel
  readonly answers: Answers
  readonly input: Pick<InputGate, 'inTurns'>
  /** A commit made room: input that was paused may flow again. */
  acknowledged(): void
  /** A publish could not be stored; it must not be acknowledged, and the client must send it again. */
  uncommitted(error: PetioleError): void
  /** A packet that was not seen to its end at once has turned out to break a rule. */
  violated(violation: Violation): void
  /** Tells the client why, and closes. */
  end(ending: Ending): void
}

/** Whose session it is. */
export interface SessionOwner {
  readonly clientId: string
  readonly guard: SessionGuard
  readonly terms: Terms
  /** A mosquitto that is a bridge: its subscriptions have no local and retain as published. */
  readonly isBridge?: boolean
  /** What outlasts the connection; undefined: a clean session. */
  readonly durable?: DurableSession
  /** undefined: nothing is retained. */
  readonly retained?: RetainedSource
  /** Whether a stream or buffer stores the subject: what NATS clients publish there has QoS 2. */
  readonly isStored?: (subject: Uint8Array) => boolean
}

/**
 * A client that is here, a peer of its account's subject space: what it publishes (`inbound`), and what
 * it is subscribed to (`subscriber`). Each is made when it is needed first: many a device only listens, or only
 * speaks. A session lives as long as its connection; it reads no packets and owns no timer.
 */
export class Session implements MqttPublisher {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly id: number
  readonly clientId: string
  readonly terms: Terms
  readonly #context: MqttContext
  readonly #space: SubjectSpace
  readonly #line: SessionLine
  readonly #owner: SessionOwner
  readonly #guard: SessionGuard
  #inbound: Inbound | undefined
  #subscriber: Subscriber | undefined
  /** Of a clean session. */
  #will: WillMessage | undefined
  #isClosed = false

  constructor(context: MqttContext, space: SubjectSpace, line: SessionLine, owner: SessionOwner) {
    this.#context = context
    this.#space = space
    this.#owner = owner
    this.id = context.nextPeerId()
    this.clientId = owner.clientId
    this.terms = owner.terms
    this.#guard = owner.guard
    this.#line = line
  }

  get inbound(): Inbound {
    this.#inbound ??= new Inbound(this.#context, this.#space, this.#line, this.#owner, this)
    return this.#inbound
  }

  get subscriber(): Subscriber {
    this.#subscriber ??= new Subscriber(this.#context, this.#space, this.#line, this.#owner, this)
    return this.#subscriber
  }

  get level(): Level {
    return this.terms.level
  }

  get identity(): Identity {
    return this.#guard.identity
  }

  /** How long it outlives the connection. */
  get expirySeconds(): number {
    return this.#owner.durable?.expirySeconds ?? 0
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
    return this.#inbound?.publisher.topic
  }

  get publishingQos(): number {
    return this.#inbound?.publisher.qos ?? 0
  }

  get publishingRetain(): boolean {
    return this.#inbound?.publisher.isRetain === true
  }

  /** The acknowledgement of the publish that is being routed waits for one more; undefined: nobody waits. */
  hold(): PublishCommitted | undefined {
    return this.#inbound?.publisher.hold()
  }

  /** One of its filters leaves out what it publishes itself. */
  get hasNoLocal(): boolean {
    return this.#subscriber?.hasNoLocal === true
  }

  get traffic(): PeerTraffic {
    return {
      inMessages: this.#inbound?.receivedMessages ?? 0,
      inBytes: this.#inbound?.receivedBytes ?? 0,
      outMessages: this.#subscriber?.sentMessages ?? 0,
      outBytes: this.#subscriber?.sentBytes ?? 0,
    }
  }

  get subscriptionCount(): number {
    return this.#subscriber?.subscriptionCount ?? 0
  }

  /** How many of them are shared. */
  get sharedCount(): number {
    return this.#subscriber?.sharedCount ?? 0
  }

  /** Those of them that are the log's. */
  get subscriptionsOfLog(): readonly GroupSubject[] {
    return this.#subscriber?.subscriptionsOfLog ?? []
  }

  /** Messages of QoS 1 and 2 that the client has not seen to their end. */
  get inflight(): number {
    return this.#subscriber?.inflight ?? 0
  }

  /** Its publishes at QoS 1 and 2 that wait for their commit. */
  get unacknowledged(): number {
    return this.#inbound?.unacknowledged ?? 0
  }

  deliver(subscription: Subscription, message: Message): void {
    this.offer(subscription, message)
  }

  offer(subscription: Subscription, message: Message): boolean {
    const { origin } = message
    const isOurs = origin instanceof Session || origin instanceof Will
    return this.subscriber.offer(subscription, message, isOurs ? origin : undefined)
  }

  mayReceive(subject: string, queue: string): boolean {
    return this.#guard.mayReceive(Buffer.from(subject), queue)
  }

  /** Whether deliveries to the client wait. */
  holdDeliveries(isHeld: boolean): void {
    this.#subscriber?.hold(isHeld)
  }

  /** The output has room again. */
  drained(): void {
    this.#subscriber?.flushQueue()
  }

  /** Calls `idle` once, when none of its publishes waits for a commit any more or none will be committed. */
  whenIdle(idle: () => void): void {
    if (this.#inbound === undefined) idle()
    else this.#inbound.whenIdle(idle)
  }

  /** Whether its user belongs to the account, or to any. */
  isOf(account: string | undefined): boolean {
    return account === undefined || this.identity.account === account
  }

  /** The user may do other things now: at once, or after some turns, the connection ends that has more filters than he may have. */
  renew(identity: Identity): void {
    const isPermitted = identity.permissions === this.identity.permissions
    this.#guard.renew(identity)
    this.#recheckWill()
    this.#subscriber?.recheck(isPermitted)
  }

  /** The client has its CONNACK: what its session had before goes on, and it ends as the client now says. */
  begin(will: WillMessage | undefined): void {
    const { durable } = this.#owner
    try {
      this.setWill(will)
      if (durable === undefined) return
      this.subscriber.begin()
      // Behind that: a session whose client is away would end at once by an expiry of 0.
      durable.setExpiry(this.terms.sessionExpirySeconds)
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      // A store that takes nothing keeps nobody from what is stored for him.
      const fields = { client: this.clientId, err: error }
      this.#context.notices.warn(fields, 'session goes on as it was: its changes are not stored')
    }
  }

  /** False when a session that was to end with its connection is to be kept all at once. */
  setExpiry(seconds: number): boolean {
    if (seconds > 0 && this.terms.asksNoExpiry) return false
    const maxMs = this.#context.limits.sessionExpiryMaxMs
    this.#owner.durable?.setExpiry(maxMs === 0 ? seconds : Math.min(seconds, maxMs / 1_000))
    return true
  }

  /**
   * What is published when the client is gone without taking leave. A durable session keeps it itself, for
   * as long as its delay.
   */
  setWill(will: WillMessage | undefined): void {
    const { durable } = this.#owner
    if (durable === undefined) this.#will = will
    else if (will === undefined || !this.#makeWill().isPermitted(will)) durable.setWill(undefined)
    else {
      this.#context.willOwners.set(will, this.identity)
      durable.setWill(will)
    }
  }

  /** The server stops: publishes a will that has not to wait. `done` is called when it is committed. */
  settleWill(done: () => void): void {
    const { durable } = this.#owner
    const will = durable === undefined ? this.#will : durable.will
    const isDelayed = durable !== undefined && (will?.properties.willDelaySeconds ?? 0) > 0
    this.#will = undefined
    if (will === undefined || isDelayed) done()
    else if (durable === undefined) this.#makeWill().publish(will, done)
    else {
      durable.publishWill()
      done()
    }
  }

  /** Receives and acknowledges nothing from now on; of a clean session the will is published. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#subscriber?.close()
    this.#inbound?.close()
    const will = this.#will
    this.#will = undefined
    if (will !== undefined) this.#makeWill().publish(will)
  }

  /** The connection is torn down: of a clean session nothing is left, not even a will. */
  abandon(): void {
    this.#will = undefined
  }

  /** It is dropped at once, and not only when it is due: after a start nobody knows whose it is. */
  #recheckWill(): void {
    const { durable } = this.#owner
    const will = durable?.will
    if (this.#isClosed || will === undefined) return
    this.#context.willOwners.set(will, this.identity)
    if (this.#makeWill().isPermitted(will)) return
    try {
      durable?.setWill(undefined)
    } catch (error) {
      if (!(error instanceof PetioleError)) throw error
      const fields = { client: this.clientId, err: error }
      this.#context.notices.warn(fields, 'will is dropped, but its record stays on disk')
    }
  }

  #makeWill(): Will {
    return new Will(this.#context, this.#space, this.#owner)
  }
}
