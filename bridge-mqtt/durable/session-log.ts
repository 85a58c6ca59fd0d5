import {
  type Message,
  type Peer,
  type PublishCommitted,
  type SubjectSpace,
  type Subscription,
  Turns,
} from '../../shared/broker/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Clock, messageOf, type PetioleError } from '../../shared/runtime/index.ts'
import type { Committed, RetentionClock, Store, StreamStore } from '../../shared/store/index.ts'
import type { WillMessage } from '../codec/index.ts'
import { loggedHeaders, plainQos, qosOfHeaders } from '../headers/index.ts'
import { subjectToTopic } from '../topic-map.ts'
import { addressed, addresseeOf, addressOf, isOwn } from './address.ts'
import type { Delivery } from './delivery.ts'
import { DeliveryTurns } from './delivery-turns.ts'
import type { DurableSession } from './durable-session.ts'
import type { SessionCommitted } from './filter-journal.ts'
import { RECENT_READERS_MAX, TROUBLE_INTERVAL_MS } from './limits.ts'
import { type LogInterest, LogInterests } from './log-interest.ts'
import { LogSweep } from './log-sweep.ts'
import { type MqttPublisher, publisherOf } from './publisher.ts'
import { RecentLog } from './recent-log.ts'
import type { KeptMessage, SessionHost } from './session-host.ts'
import { SessionRecords } from './session-records.ts'
import type { WillSession } from './session-will.ts'
import { SharedGroups } from './shared-groups.ts'
import { SharedHandover } from './shared-handover.ts'
import { StateWriter } from './state-writer.ts'
import type { StoredSubjects } from './stored-subjects.ts'

export interface SessionLogParts {
  readonly store: Store
  readonly stream: StreamStore
  readonly space: SubjectSpace
  readonly stored: StoredSubjects
  readonly retention: RetentionClock
  readonly clock: Clock
  readonly log: Log
  readonly peerId: number
  /** By key. */
  readonly sessions: ReadonlyMap<string, DurableSession>
  readonly left: (session: DurableSession) => void
  readonly ended: (session: DurableSession) => void
  readonly publishWill: (session: WillSession, will: WillMessage) => void
}

/**
 * The log of one account's durable sessions: each message of QoS 1 or 2 that any of them is to have is stored
 * once, whoever published it. It is a peer of the account's subject space, with one subscription for each
 * distinct subject that sessions have; of those that match a message the eldest appends it.
 *
 * A publish touches the sessions whose clients are connected and match, and no other.
 */
export class SessionLog implements Peer, SessionHost {
  readonly kind = 'mqtt'
  readonly echo = true
  readonly stores = 'all'
  readonly id: number
  readonly store: Store
  readonly stream: StreamStore
  readonly clock: Clock
  readonly log: Log
  readonly recent = new RecentLog(() => this.#neededFrom)
  readonly records: SessionRecords
  readonly writer: StateWriter
  readonly interests: LogInterests
  readonly groups: SharedGroups
  readonly handover: SharedHandover
  readonly sweeping: LogSweep
  readonly deliveries = new Set<Delivery>()
  readonly arriving = new Set<DurableSession>()
  readonly turns: DeliveryTurns
  /** Messages stored since the start, those that could not be, and those that limits or damage took away. */
  readonly counters = { appended: 0, refused: 0, evicted: 0 }
  readonly #parts: SessionLogParts
  /** Sessions that may have in flight what their filters do not match any more [MQTT-3.10.4-3]. */
  readonly #strays = new Set<DurableSession>()
  readonly #stops: readonly (() => void)[]
  /** Those who wait for the next commit. */
  #waiting: Delivery[] = []
  #waitingBefore: Delivery[] = []
  #troubleMs = Number.NEGATIVE_INFINITY
  #isDestroyed = false

  constructor(parts: SessionLogParts) {
    const { store, stream, space, clock, log } = parts
    this.#parts = parts
    this.id = parts.peerId
    this.store = store
    this.stream = stream
    this.clock = clock
    this.log = log
    this.turns = new DeliveryTurns(clock)
    this.records = new SessionRecords(stream.states)
    this.writer = new StateWriter({ states: stream.states, clock, log })
    this.interests = new LogInterests(space, this)
    this.groups = new SharedGroups(space, this, (message) => this.qosOf(message))
    this.handover = new SharedHandover({
      ...{ store, stream, space, clock, log, records: this.records, peer: this },
      nowMs: () => this.nowMs(),
      doInPieces: (next) => this.doInPieces(next),
      done: () => this.sweep(),
    })
    this.sweeping = new LogSweep({
      stream,
      clock,
      log,
      isNeeded: (seq, subject) => this.#isNeeded(seq, subject),
    })
    this.#stops = [
      stream.onCommit(() => this.#wake()),
      stream.stage.onTakenBack(() => {
        this.recent.takenBack(stream.assignedSeq)
        for (const delivery of this.deliveries) delivery.takenBack(stream.assignedSeq)
      }),
      stream.onEvict(({ messages, cause }) => this.#evicted(messages, cause)),
    ]
  }

  deliver(subscription: Subscription, message: Message): void {
    const subject = message.subjectBytes
    const matched = this.interests.match(subject)
    if (matched[0]?.subscription !== subscription || isOwn(subject)) return
    const publisher = publisherOf(message.origin)
    const qos = publisher?.publishingQos ?? this.qosOf(message)
    if (qos === 0) return
    const committed = publisher === undefined ? message.shareCommitted() : publisher.hold()
    const headers = headersFor(message, qos, publisher, this.#parts.space.account)
    const seq = this.#append(subject, headers, message.payload, committed)
    if (seq === 0) return
    let isAwaited = this.arriving.size > 0
    for (const { online } of matched) if (online.size > 0) isAwaited = true
    if (!isAwaited) return
    this.recent.add(seq, subject, headers, message.payload, this.#timeFor(headers))
    for (const session of this.arriving) session.appended(seq)
    for (const interest of matched) tellOnline(interest, seq)
  }

  /** For shared subscriptions, whose members may pass a message over. */
  offer(subscription: Subscription, message: Message): boolean {
    const taken = isOwn(message.subjectBytes) ? false : this.groups.offer(subscription, message)
    if (taken !== undefined) return taken
    this.deliver(subscription, message)
    return true
  }

  /** What a message is worth: what its publisher says, else its headers; what is stored is worth the most. */
  qosOf(message: Message): number {
    const publisher = publisherOf(message.origin)
    if (publisher !== undefined) return publisher.publishingQos
    const qos = qosOfHeaders(message.headers)
    return qos === 0 && this.#parts.stored.isStored(message.subjectBytes) ? 2 : qos
  }

  appendTo(session: DurableSession, message: Message, qos: number, group: string): boolean {
    const publisher = publisherOf(message.origin)
    const committed = publisher === undefined ? message.shareCommitted() : publisher.hold()
    const headers = headersFor(message, qos, publisher, NOBODYS, group)
    return this.#appendTo(session, { ...partsOf(message), headers }, committed)
  }

  keepFor(
    session: DurableSession,
    messages: readonly KeptMessage[],
    committed?: SessionCommitted,
  ): number {
    const address = addressOf(session.key)
    const firstSeq = this.stream.assignedSeq + 1
    const last = messages[messages.length - 1]
    const told: Committed | undefined = committed && ((error) => committed(error))
    this.store.transaction(() => {
      for (const message of messages) {
        const { headers, payload } = message
        const subject = addressed(address, message.subject)
        const settled = message === last ? told : undefined
        const seq = this.stream.append(subject, headers, payload, settled)
        this.#tell(session, seq, subject, headers, payload)
      }
    })
    return firstSeq
  }

  awaitCommit(delivery: Delivery): void {
    if (delivery.isListed) return
    delivery.isListed = true
    this.#waiting.push(delivery)
  }

  done(seq: number): void {
    this.sweeping.done(seq)
  }

  sweep(): void {
    this.sweeping.walk()
  }

  doInPieces(next: () => boolean): void {
    const { account } = this.#parts.space
    Turns.of(this.clock).doInPieces(account, () => !this.#isDestroyed && next())
  }

  nowMs(): number {
    return this.#parts.retention.nowMs() ?? 0
  }

  left(session: DurableSession): void {
    this.#parts.left(session)
  }

  ended(session: DurableSession): void {
    this.#strays.delete(session)
    this.#parts.ended(session)
    this.sweeping.walk()
  }

  strays(session: DurableSession): void {
    this.#strays.add(session)
  }

  publishWill(session: WillSession, will: WillMessage): void {
    this.#parts.publishWill(session, will)
  }

  /** Writes down what has changed, and takes no message any more. */
  close(): void {
    this.writer.close()
    this.destroy()
  }

  destroy(): void {
    this.#isDestroyed = true
    this.writer.destroy()
    this.sweeping.close()
    for (const stop of this.#stops) stop()
    this.interests.close()
    this.groups.close()
    this.handover.close()
    this.recent.clear()
  }

  #appendTo(session: DurableSession, message: KeptMessage, committed?: PublishCommitted): boolean {
    const subject = addressed(addressOf(session.key), message.subject)
    const { headers, payload } = message
    const seq = this.#append(subject, headers, payload, committed)
    if (seq > 0) this.#tell(session, seq, subject, headers, payload)
    return true
  }

  #tell(
    session: DurableSession,
    seq: number,
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
  ): void {
    if (!session.isOnline) return
    this.recent.add(seq, subject, headers, payload, this.#timeFor(headers))
    session.appended(seq)
  }

  /** Only what expires is asked how old it is, and what has constant headers does not. */
  #timeFor(headers: Uint8Array): number {
    return plainQos(headers) > 0 ? 0 : this.clock.wallMs()
  }

  /** Returns the sequence; 0 when the store takes nothing, and the publisher was told. */
  #append(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed: PublishCommitted | undefined,
  ): number {
    try {
      const seq = this.stream.append(
        subject,
        headers,
        payload,
        this.#committed,
        undefined,
        false,
        false,
        committed,
      )
      this.counters.appended++
      return seq
    } catch (error) {
      this.#refused(error)
      committed?.(error as PetioleError)
      return 0
    }
  }

  /** One for all messages: `whom` is who waits for this one. */
  readonly #committed: Committed = (error, _seq, whom) => {
    if (error !== undefined) this.#refused(error)
    const committed = whom as PublishCommitted | undefined
    committed?.(error)
  }

  #refused(error: unknown): void {
    this.counters.refused++
    if (!this.#isToldAgain()) return
    this.log.warn({ err: messageOf(error) }, 'messages for durable sessions not stored')
  }

  #evicted(messages: number, cause: string): void {
    this.counters.evicted += messages
    if (!this.#isToldAgain()) return
    this.log.warn({ messages, cause }, 'durable sessions have lost messages that they had not got')
  }

  #isToldAgain(): boolean {
    const nowMs = this.clock.monotonicMs()
    if (nowMs - this.#troubleMs < TROUBLE_INTERVAL_MS) return false
    this.#troubleMs = nowMs
    return true
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = this.#waitingBefore
    this.#waitingBefore = waiting
    for (const delivery of waiting) delivery.isListed = false
    for (const delivery of waiting) delivery.pump()
    waiting.length = 0
  }

  /** What all who are connected have got lies before it. Of a crowd nobody asks that: 0. */
  get #neededFrom(): number {
    if (this.deliveries.size > RECENT_READERS_MAX) return 0
    let neededFrom = this.stream.lastSeq + 1
    for (const { nextSeq } of this.deliveries) if (nextSeq < neededFrom) neededFrom = nextSeq
    return neededFrom
  }

  #isNeeded(seq: number, subject: Uint8Array): boolean {
    const key = addresseeOf(subject)
    if (key !== undefined) {
      return this.#parts.sessions.get(key)?.needs(seq) ?? this.handover.needs(key, seq)
    }
    for (const interest of this.interests.match(subject)) {
      if (interest.isNeeded(seq)) return true
    }
    for (const session of this.#strays) {
      if (session.inflight === 0 && !session.isWaiting) this.#strays.delete(session)
      else if (session.holds(seq, subject)) return true
    }
    return false
  }
}

function tellOnline({ online }: LogInterest, seq: number): void {
  for (const session of online) session.appended(seq)
}

function partsOf({ subjectBytes, payload }: Message): Omit<KeptMessage, 'headers'> {
  return { subject: subjectBytes, payload }
}

/** No client has no-local at a shared subscription [MQTT-3.8.3-4], so it does not matter whose a message is. */
const NOBODYS = ''

/** Constant blocks stay as they are: most messages have nothing that the log must add. */
function headersFor(
  message: Message,
  qos: number,
  publisher: MqttPublisher | undefined,
  account: string,
  group = '',
): Uint8Array {
  const { headers, replyBytes } = message
  const isRetain = publisher?.publishingRetain === true
  // Another account's client may have the same name.
  const isOfAccount = publisher?.hasNoLocal === true && (publisher.account ?? account) === account
  const from = isOfAccount ? publisher.clientId : ''
  const replyTopic = replyBytes.length === 0 ? undefined : subjectToTopic(replyBytes)
  return loggedHeaders(headers, { qos, isRetain, from, replyTopic, group })
}
