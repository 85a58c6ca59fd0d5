import { type Identity, publishRulesOf } from '../../shared/account/index.ts'
import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import type { SubjectPermissionConfig } from '../../shared/config/index.ts'
import type { PeerTraffic } from '../../shared/monitor/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Level } from '../codec/index.ts'
import type { Topic } from '../translator.ts'
import type { MqttContext } from './context.ts'
import { Inbound } from './inbound.ts'
import type { SessionGuard } from './session-guard.ts'
import { Subscriber } from './subscriber.ts'

/** What a session asks of the connection it is attached to. */
export interface SessionLine {
  readonly channel: Channel
  /** A commit made room: input that was paused may flow again. */
  acknowledged(): void
  /** A publish could not be stored; it must not be acknowledged, and the client must send it again. */
  uncommitted(error: PetioleError): void
}

/** Whose session it is. */
export interface SessionOwner {
  readonly clientId: string
  /** What the client speaks. */
  readonly level: Level
  readonly guard: SessionGuard
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
  readonly #space: SubjectSpace
  readonly #guard: SessionGuard
  #isClosed = false

  constructor(context: MqttContext, space: SubjectSpace, line: SessionLine, owner: SessionOwner) {
    this.#space = space
    this.id = context.nextPeerId()
    this.clientId = owner.clientId
    this.level = owner.level
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
    return this.inbound.publishing
  }

  get publishingQos(): number {
    return this.inbound.publishingQos
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
    const { origin } = message
    this.subscriber.deliver(subscription, message, origin instanceof Session ? origin : undefined)
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

  /** Receives and acknowledges nothing from now on. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.subscriber.close()
    this.inbound.close()
  }
}
