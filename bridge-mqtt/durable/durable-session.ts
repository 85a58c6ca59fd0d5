import type { Message } from '../../shared/broker/index.ts'
import { invariant } from '../../shared/runtime/index.ts'
import { REASON, type WillMessage } from '../codec/index.ts'
import type { SendWindow } from '../send-window.ts'
import { isOwn } from './address.ts'
import { Delivery } from './delivery.ts'
import type { DeliveryLine, StoredFilter } from './delivery-line.ts'
import { FilterJournal, type SessionCommitted } from './filter-journal.ts'
import { NEVER_EXPIRES } from './limits.ts'
import type { InterestedSession } from './log-interest.ts'
import { ReceivedIds } from './received-ids.ts'
import { SessionCursor } from './session-cursor.ts'
import { type FilterEntry, SessionFilters } from './session-filters.ts'
import type { KeptMessage, SessionHost } from './session-host.ts'
import { type FoundSession, SessionRecords } from './session-records.ts'
import { SessionWill } from './session-will.ts'
import type { SharingSession } from './shared-groups.ts'

export interface SessionIdentity {
  readonly clientId: string
  readonly key: string
  readonly createdMs: number
  readonly expirySeconds: number
}

/**
 * The session of a client that outlives its connections: its filters, a cursor on the log of its account,
 * what is in flight, and what it received at QoS 2. While its client is away no publish touches it.
 */
export class DurableSession implements InterestedSession, SharingSession {
  readonly clientId: string
  readonly key: string
  readonly createdMs: number
  readonly #host: SessionHost
  readonly #filters: SessionFilters
  readonly #cursor: SessionCursor
  readonly #will: SessionWill
  /** Made for the first that asks. */
  #receivedIds: ReceivedIds | undefined
  #delivery: Delivery | undefined
  #expirySeconds: number
  #hasEnded = false
  /** What it is did not get to the disk. */
  #isUnsaved = false
  /** Wall time at which the client left; 0 while it is here, and when no clock could be trusted. */
  #leftMs = 0
  /** The same by the monotonic clock, reckoned back for a session of an earlier process. */
  #leftAtMs: number

  constructor({ clientId, key, createdMs, expirySeconds }: SessionIdentity, host: SessionHost) {
    this.clientId = clientId
    this.key = key
    this.createdMs = createdMs
    this.#expirySeconds = expirySeconds
    this.#host = host
    this.#filters = new SessionFilters(this, host.interests, host.groups)
    this.#cursor = new SessionCursor(SessionRecords.cursorKey(key), host)
    this.#will = new SessionWill(this, host)
    this.#leftAtMs = host.clock.monotonicMs()
  }

  /** All its filters, those of QoS 0 too, as they were granted. */
  get filters(): ReadonlyMap<string, StoredFilter> {
    return this.#filters.all
  }

  get sharedCount(): number {
    return this.#filters.sharedCount
  }

  get expirySeconds(): number {
    return this.#expirySeconds
  }

  /** Packet identifiers of this session, whatever they are for. */
  get window(): SendWindow {
    return this.#cursor.window
  }

  get isOnline(): boolean {
    return this.#delivery !== undefined
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  get will(): WillMessage | undefined {
    return this.#will.message
  }

  /** When its client left, by the monotonic clock; undefined while it is here. */
  get leftAtMs(): number | undefined {
    return this.isOnline ? undefined : this.#leftAtMs
  }

  get hasCaughtUp(): boolean {
    return this.#delivery?.hasCaughtUp ?? false
  }

  /** All up to here was delivered, or does not concern it. */
  get passedSeq(): number {
    this.#delivery?.settle()
    return this.#cursor.passedSeq
  }

  get hasRoom(): boolean {
    return this.#delivery?.hasRoom ?? false
  }

  mayReceive(subject: Uint8Array, group: string): boolean {
    return !this.#hasEnded && (this.#delivery?.line.mayReceive(subject, group) ?? true)
  }

  get inflight(): number {
    return this.#cursor.inflightCount
  }

  /** Messages that wait, those in flight included. Goes through an index: for people who ask. */
  get backlog(): number {
    this.#delivery?.settle()
    const filter = this.#filters.logged(this.key)
    return this.inflight + this.#host.stream.countFrom(this.#cursor.passedSeq + 1, filter)
  }

  holds(seq: number, subject: Uint8Array): boolean {
    if (this.#cursor.inflight.holds(seq)) return true
    return this.#filters.isWaiting(subject, seq) && this.#cursor.needs(seq)
  }

  get isWaiting(): boolean {
    return this.#filters.waitingUntilSeq > this.#cursor.passedSeq
  }

  /** Whether a message is in flight that none of its filters has kept in the log, or waits for one at QoS 0. */
  get hasStrays(): boolean {
    if (this.isWaiting) return true
    for (const { seq } of this.#cursor.inflight.published) {
      const subject = this.#host.stream.subjectBytesOf(seq)
      if (subject === undefined || isOwn(subject)) continue
      if (!this.#filters.keeps(subject, seq)) return true
    }
    return false
  }

  /** Takes what was found of it on disk; before anybody is attached. */
  restore({ record, filters, will, cursor }: FoundSession, leftAtMs: number): void {
    if (cursor !== undefined) this.#cursor.restore(cursor)
    for (const [number, it] of filters) this.#filters.restore(number, it)
    this.#filters.isFound = true
    this.#will.restore(will)
    this.#leftMs = record.leftMs
    this.#leftAtMs = leftAtMs
  }

  /**
   * Adds filters, or changes what they ask for. At QoS 1 and 2 they get what is stored from now on; those
   * that were there go on. SUBACK leaves after `committed`; with an error none of them has been changed.
   */
  subscribe(filters: readonly StoredFilter[], committed: SessionCommitted): void {
    if (this.#hasEnded) committed(undefined)
    else {
      this.#saveAgain()
      this.#journal.add(filters, committed)
    }
  }

  /** UNSUBACK leaves after `committed`; what is in flight goes on [MQTT-3.10.4-3]. */
  unsubscribe(filters: readonly string[], committed: SessionCommitted): void {
    if (this.#hasEnded) committed(undefined)
    else this.#journal.remove(filters, committed)
  }

  /** Kept with the session until the client says that it leaves, or it has been published. */
  setWill(will: WillMessage | undefined): void {
    if (this.#hasEnded || (will === undefined && this.will === undefined)) return
    this.#saveAgain()
    this.#will.set(will, this.#noted)
  }

  /** 0 ends it when its client leaves; NEVER_EXPIRES is for ever. */
  setExpiry(seconds: number): void {
    if (this.#hasEnded || seconds === this.#expirySeconds) return
    this.#expirySeconds = seconds
    this.save()
    if (!this.isOnline) this.#host.left(this)
  }

  /** QoS 2 publishes that were stored and not released. */
  get receivedCount(): number {
    return this.#received().size
  }

  /** Whether a QoS 2 publish with this identifier was stored and not released. */
  hasReceived(packetId: number): boolean {
    return this.#received().has(packetId)
  }

  /**
   * Part of the transaction that stores the message: both are there, or neither. When the store refuses the
   * message, throw within the transaction; else the message is lost and its repetition taken for one.
   * `committed` is not called when the transaction is taken back.
   */
  received(packetId: number, committed?: SessionCommitted): void {
    invariant(!this.#hasEnded, 'a session that has ended receives nothing')
    this.#saveAgain()
    this.#received().add(packetId, committed)
  }

  /** PUBREL: PUBCOMP leaves after `committed`. */
  released(packetId: number, committed: SessionCommitted): void {
    if (this.#hasEnded) committed(undefined)
    else this.#received().release(packetId, committed)
  }

  /**
   * Stores messages for this session alone (retained ones), all or none, and delivers them in turn. Returns the
   * sequence of the first, those of the others follow it; throws what the store throws.
   */
  keep(messages: readonly KeptMessage[], committed?: SessionCommitted): number {
    return this.#host.keepFor(this, messages, committed)
  }

  /** Its client is here: what is in flight is sent again, then it goes on from its cursor. */
  attach(line: DeliveryLine): void {
    invariant(!this.#hasEnded, 'nobody is attached to a session that has ended')
    this.#delivery?.close()
    this.#delivery = new Delivery({
      host: this.#host,
      cursor: this.#cursor,
      filters: this.#filters,
      key: this.key,
      line,
    })
    this.#cursor.user = this.#delivery
    this.#tellFilters()
    this.#leftMs = 0
    if (this.#countsTime) this.save()
    this.#delivery.start()
  }

  /**
   * Its client has gone: its time begins to run, and that of its will, if it has one still. Nothing happens
   * when another line is attached by now.
   */
  detach(line?: DeliveryLine): void {
    if (this.#delivery === undefined || this.#hasEnded) return
    if (line !== undefined && this.#delivery.line !== line) return
    this.#delivery.close()
    this.#cursor.wentOffline()
    this.#delivery = undefined
    this.#tellFilters()
    this.#leftMs = this.#host.nowMs()
    this.#leftAtMs = this.#host.clock.monotonicMs()
    if (this.#countsTime && this.#expirySeconds > 0) this.save()
    this.#host.left(this)
  }

  /** Wall time by which messages of the log grow older; 0 while no clock can be trusted. */
  nowMs(): number {
    return this.#host.nowMs()
  }

  /** Its client is back, and this session is about to end. */
  dropDelayedWill(): void {
    if (!this.isOnline) this.#will.clientIsBack(this.#leftAtMs)
  }

  /** Forgets everything. A will that waits for its time is published: the session is over (3.1.3.2.2). */
  end(committed?: SessionCommitted): void {
    if (this.#hasEnded) {
      committed?.(undefined)
      return
    }
    if (!this.isOnline) this.publishWill()
    this.#hasEnded = true
    this.#delivery?.close()
    this.#delivery = undefined
    this.#cursor.user = undefined
    this.#cursor.forget()
    const filters = [...this.#filters.all.values()]
    const { hasShared, isFound } = this.#filters
    const host = this.#host
    const leaveNext = this.#filters.leave()
    host.arriving.delete(this)
    host.doInPieces(() => {
      if (leaveNext()) return true
      host.sweep()
      return false
    })
    const cursor = this.#cursor
    host.handover.end({ identity: this, cursor, filters, hasShared, isFound }, committed)
    host.ended(this)
  }

  publishWill(): void {
    this.#will.publish()
  }

  /** The line has room again. */
  wake(): void {
    this.#delivery?.pump()
  }

  /** These three: false when it is not in flight here. It may be of a message that did not come from the log. */
  puback(packetId: number, _reason: number): boolean {
    const entry = this.#cursor.inflight.get(packetId)
    if (entry === undefined || entry.qos !== 1) return false
    this.#cursor.finish(entry)
    this.#delivery?.finished(entry)
    return true
  }

  /** With a reason that is an error the client has thrown the message away [MQTT-4.3.3-4]. */
  pubrec(packetId: number, reason: number): boolean {
    const entry = this.#cursor.inflight.get(packetId)
    if (entry === undefined || entry.qos !== 2) return false
    if (entry.phase === 'released') {
      if (entry.version <= this.#cursor.writtenVersion) this.#delivery?.released(entry)
    } else if (reason < REASON.unspecified) this.#cursor.release(entry)
    else {
      this.#cursor.finish(entry)
      this.#delivery?.finished(entry)
    }
    return true
  }

  pubcomp(packetId: number): boolean {
    const entry = this.#cursor.inflight.get(packetId)
    if (entry === undefined || entry.phase !== 'released') return false
    this.#cursor.finish(entry)
    this.#delivery?.finished(entry)
    return true
  }

  appended(seq: number): void {
    this.#delivery?.appended(seq)
  }

  needs(seq: number): boolean {
    return this.#cursor.needs(seq)
  }

  take(message: Message, qos: number, group: string): boolean {
    return this.#host.appendTo(this, message, qos, group)
  }

  direct(message: Message, entry: FilterEntry): void {
    this.#delivery?.line.direct(message, entry)
  }

  /** Writes down what it is. */
  save(): void {
    const { clientId, createdMs } = this
    const record = { clientId, createdMs, expirySeconds: this.#expirySeconds, leftMs: this.#leftMs }
    const { records } = this.#host
    if (this.#isUnsaved) this.#will.save(this.#noted)
    this.#isUnsaved = false
    records.writeSession(this.key, record, this.#noted)
  }

  get #noted(): SessionCommitted {
    return (error) => {
      if (error !== undefined) this.#isUnsaved = true
    }
  }

  /** What is written for a session that is not there itself would be nobody's. */
  #saveAgain(): void {
    if (this.#isUnsaved) this.save()
  }

  /** There may be very many. */
  #tellFilters(): void {
    const { arriving } = this.#host
    if (this.isOnline) arriving.add(this)
    else arriving.delete(this)
    this.#host.doInPieces(this.#filters.tellOnline(() => arriving.delete(this)))
  }

  get #journal(): FilterJournal {
    if (this.inflight > 0 || this.#filters.all.size > 0) this.#host.strays(this)
    return new FilterJournal(this.key, this.#filters, this.#host, {
      filtersChanged: () => this.#delivery?.filtersChanged(),
      filtersTakenBack: (filters) => this.#delivery?.line.filtersTakenBack(filters),
    })
  }

  #received(): ReceivedIds {
    const { states } = this.#host.records
    this.#receivedIds ??= new ReceivedIds(states, SessionRecords.receivedKey(this.key))
    return this.#receivedIds
  }

  /** Whether it matters when its client left. */
  get #countsTime(): boolean {
    return this.#expirySeconds !== NEVER_EXPIRES || this.will !== undefined
  }
}
