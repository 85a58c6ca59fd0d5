/**
 * Shared subscriptions of durable sessions: `$share/g/f` is a member of queue group `g` on the subjects of
 * `f`, so MQTT clients and NATS clients share one group. The router asks members from a random one on until
 * one takes the message:
 *
 * - one whose client is connected takes it if its user may receive it, unless it has no room and another
 *   one has that may;
 * - one whose client is away takes it only when nobody of the group is here who may. What its user may is
 *   known when it is back.
 *
 * What is taken at QoS 1 or 2 is stored, addressed to the session that took it. QoS 0 waits for no acknowledgement,
 * and for nobody who is away: it goes to the connection of one who is here, and waits there for room.
 */
import {
  type Message,
  type Peer,
  refusalOf,
  type SubjectSpace,
  type Subscription,
} from '../../shared/broker/index.ts'
import { beginsWithDollar } from '../topic-map.ts'
import { SHARED_MEMBERS_ASKED } from './limits.ts'
import type { FilterEntry } from './session-filters.ts'

/** A session, as far as shared subscriptions need it. */
export interface SharingSession {
  readonly isOnline: boolean
  /** Its client is connected, and something could be sent to it now. */
  readonly hasRoom: boolean
  /** True while its client is away: nobody knows. False when it has ended. */
  mayReceive(subject: Uint8Array, group: string): boolean
  /** Stores a message for this session alone. False: it could not be stored, and its publisher was told. */
  take(message: Message, qos: number, group: string): boolean
  /** A QoS 0 message; only while its client is connected. */
  direct(message: Message, entry: FilterEntry): void
}

export interface SharedMember {
  readonly session: SharingSession
  readonly entry: FilterEntry
  readonly subscription: Subscription
  readonly group: SharedGroup
}

/** The members of one queue group on one subject whose clients are connected. */
export class SharedGroup {
  readonly name: string
  readonly key: string
  readonly online = new Set<SharedMember>()
  size = 0

  constructor(name: string, key: string) {
    this.name = name
    this.key = key
  }

  /** Whether another one takes it now; of very many not all are asked. */
  hasOtherWithRoom(than: SharingSession, subject: Uint8Array): boolean {
    let asked = 0
    for (const { session } of this.online) {
      if (session !== than && session.hasRoom && session.mayReceive(subject, this.name)) return true
      if (++asked > SHARED_MEMBERS_ASKED) return false
    }
    return false
  }

  /** Whether somebody is here who may have it, be it later; of very many not all are asked. */
  hasReceiver(subject: Uint8Array): boolean {
    let asked = 0
    for (const { session } of this.online) {
      if (session.isOnline && session.mayReceive(subject, this.name)) return true
      if (++asked > SHARED_MEMBERS_ASKED) return false
    }
    return false
  }
}

export class SharedGroups {
  readonly #space: SubjectSpace
  readonly #peer: Peer
  readonly #qosOf: (message: Message) => number
  readonly #bySubscription = new Map<Subscription, SharedMember>()
  readonly #groups = new Map<string, SharedGroup>()

  constructor(space: SubjectSpace, peer: Peer, qosOf: (message: Message) => number) {
    this.#space = space
    this.#peer = peer
    this.#qosOf = qosOf
  }

  join(name: string, subject: string, session: SharingSession, entry: FilterEntry): SharedMember {
    const key = `${name}\0${subject}`
    let group = this.#groups.get(key)
    if (group === undefined) {
      group = new SharedGroup(name, key)
      this.#groups.set(key, group)
    }
    group.size++
    const subscription = this.#space.subscribe(this.#peer, { subject, queue: name })
    const member: SharedMember = { session, entry, subscription, group }
    this.#bySubscription.set(subscription, member)
    return member
  }

  leave(member: SharedMember): void {
    const { group, subscription } = member
    if (!this.#bySubscription.delete(subscription)) return
    this.#space.unsubscribe(subscription)
    group.online.delete(member)
    if (--group.size === 0) this.#groups.delete(group.key)
  }

  /** Undefined when the subscription is none of a shared one. */
  offer(subscription: Subscription, message: Message): boolean | undefined {
    const member = this.#bySubscription.get(subscription)
    if (member === undefined) return undefined
    const { session, entry, group } = member
    const subject = message.subjectBytes
    if (entry.skipsDollar && beginsWithDollar(subject)) return false
    if (!session.mayReceive(subject, group.name)) return false
    const qos = Math.min(this.#qosOf(message), entry.qos)
    if (qos === 0) {
      // It would have the message before that is on the disk of who publishes it.
      if (message.part === 'logs' || !session.isOnline) return false
      if (!session.hasRoom && this.#hasOtherWithRoom(member, message)) return false
      session.direct(message, entry)
      return true
    }
    if (session.isOnline) {
      if (!session.hasRoom && group.hasOtherWithRoom(session, subject)) return false
    } else if (group.hasReceiver(subject) || this.#isServedBy(group.name, message)) return false
    return session.take(message, qos, group.name)
  }

  close(): void {
    for (const subscription of this.#bySubscription.keys()) this.#space.unsubscribe(subscription)
    this.#bySubscription.clear()
    this.#groups.clear()
  }

  #hasOtherWithRoom({ session, group }: SharedMember, message: Message): boolean {
    if (group.hasOtherWithRoom(session, message.subjectBytes)) return true
    return this.#isServedBy(group.name, message)
  }

  /** Whether the group has a member that is no durable session, a client that is connected, who may have it. */
  #isServedBy(name: string, message: Message): boolean {
    for (const subscription of this.#space.matching(message.subject)) {
      const { queue, peer } = subscription
      if (queue !== name || peer === this.#peer || !IS_HERE.has(peer.kind)) continue
      if (refusalOf(subscription, message) === undefined) return true
    }
    return false
  }
}

/** Members behind a link are asked when nobody here takes a message. */
const IS_HERE: ReadonlySet<string> = new Set(['client', 'mqtt', 'local'])
