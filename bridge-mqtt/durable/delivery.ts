/**
 * Delivers the log to one session whose client is connected:
 *
 *     sent again      what is in flight from before, in its order
 *     behind          reads the log from the cursor on, in batches, by the session's filters: from memory as
 *                     far as that goes back, else from the disk
 *     live            takes what is appended as it comes (`#ready`), out of memory
 *
 * While it is behind, what is appended gathers in `#ready` already; when its reading has come to where that
 * begins, it is live. When `#ready` is full it is let go, and reading goes on until the next try: a client
 * that reads nothing costs a publisher one comparison. What has an identifier and waits until that is on disk
 * (QoS 2) waits in `#outgoing`, and what comes behind it waits too, so that the order stays.
 */
import type { Log } from '../../shared/log/index.ts'
import { type Clock, messageOf } from '../../shared/runtime/index.ts'
import type { StreamStore } from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { addressOf } from './address.ts'
import { BacklogReader } from './backlog-reader.ts'
import type { DeliveryLine } from './delivery-line.ts'
import { DeliveryMatch, type SentMessage } from './delivery-match.ts'
import type { DeliveryTurns, Sender } from './delivery-turns.ts'
import type { InflightMessage } from './inflight.ts'
import { OUTGOING_BYTES_MAX, READ_RETRY_MS, READY_MAX } from './limits.ts'
import { type LogEntry, type RecentLog, sizeOf } from './recent-log.ts'
import { Resending } from './resending.ts'
import { SeqRing } from './seq-ring.ts'
import type { CursorUser, SessionCursor } from './session-cursor.ts'
import type { SessionFilters } from './session-filters.ts'

export interface DeliveryHost {
  readonly stream: StreamStore
  readonly recent: RecentLog
  readonly clock: Clock
  readonly log: Log
  /** All of the log. */
  readonly deliveries: Set<Delivery>
  readonly turns: DeliveryTurns
  /** Has `committed` called after the next commit of the log. */
  awaitCommit(delivery: Delivery): void
  /** The session needs a message no more. */
  done(seq: number): void
}

export interface DeliveryParts {
  readonly host: DeliveryHost
  readonly cursor: SessionCursor
  readonly filters: SessionFilters
  readonly key: string
  readonly line: DeliveryLine
}

interface Outgoing {
  readonly entry: InflightMessage
  readonly message: LogEntry
}

export class Delivery implements CursorUser, Sender {
  readonly line: DeliveryLine
  isQueued = false
  /** Among those that the next commit wakes. */
  isListed = false
  readonly #host: DeliveryHost
  readonly #cursor: SessionCursor
  readonly #filters: SessionFilters
  readonly #key: string
  readonly #match: DeliveryMatch
  readonly #reader: BacklogReader
  readonly #ready = new SeqRing(READY_MAX)
  readonly #resending: Resending
  /** From here on all that concerns it was put into the recent log. */
  #recentFrom: number
  /** What has a lower sequence is read, not taken from `#ready`. */
  #readyFrom: number
  #isTracking = true
  #isLive = false
  #filter: SubjectFilter | undefined
  #outgoing: Outgoing[] = []
  #outgoingBytes = 0
  /** In flight on this connection. */
  #sent = 0
  #isPumping = false
  #isClosed = false

  constructor({ host, cursor, filters, key, line }: DeliveryParts) {
    this.#host = host
    this.#cursor = cursor
    this.#filters = filters
    this.line = line
    this.#key = key
    this.#match = new DeliveryMatch(host.recent, filters, line, addressOf(key))
    this.#reader = new BacklogReader(
      host.stream,
      () => this.pump(),
      (error) => this.#unreadable(error),
    )
    this.#recentFrom = host.stream.assignedSeq + 1
    this.#readyFrom = this.#recentFrom
    this.#reader.seek(cursor.passedSeq + 1)
    host.deliveries.add(this)
    this.#resending = new Resending(
      host.stream,
      [...cursor.inflight.published],
      () => this.pump(),
      (error) => this.#unreadable(error),
    )
  }

  /** PUBRELs that are due, then all else. */
  start(): void {
    for (const entry of [...this.#cursor.inflight.released]) {
      if (entry.version <= this.#cursor.writtenVersion) this.line.pubrel(entry.packetId)
    }
    this.pump()
  }

  close(): void {
    this.settle()
    this.#isClosed = true
    this.#host.deliveries.delete(this)
    this.#reader.seek(this.#cursor.passedSeq + 1)
    this.#outgoing = []
  }

  /** A message that matches was appended, and is on its way to the disk. */
  appended(seq: number): void {
    if (!this.#isTracking || this.#ready.last === seq) return
    if (this.#ready.push(seq)) this.#host.awaitCommit(this)
    else this.#fallBehind()
  }

  /** What has a higher sequence will not be stored after all. */
  takenBack(assignedSeq: number): void {
    this.#ready.dropAbove(assignedSeq)
    if (this.#isTracking) this.#readyFrom = Math.min(this.#readyFrom, assignedSeq + 1)
    // It may have waited for that alone: no commit tells it now.
    if (this.isListed && !this.#isLive) this.#host.clock.soon(() => this.pump())
  }

  filtersChanged(): void {
    this.#filter = undefined
    this.#match.forget()
    // A filter may be back whose removal did not get to the disk.
    this.#recentFrom = this.#host.stream.assignedSeq + 1
    if (this.#isLive) return
    this.settle()
    this.#reader.seek(this.#cursor.passedSeq + 1)
    this.pump()
  }

  /** What waits has come since, and is on its way to the disk, or waits for room. */
  get hasCaughtUp(): boolean {
    return this.#isLive && this.#resending.isDone
  }

  get hasRoom(): boolean {
    return !this.line.isBehind && this.#cursor.window.hasRoom
  }

  /** What it has not got yet has this sequence or a higher one. */
  get nextSeq(): number {
    this.settle()
    return this.#cursor.passedSeq + 1
  }

  settle(): void {
    const cursor = this.#cursor
    let seq: number
    if (this.#isLive) {
      const { first } = this.#ready
      const { lastSeq } = this.#host.stream
      // What is on its way to the disk may be taken back, and its sequences mean other messages then.
      seq = first === 0 ? lastSeq : Math.min(first - 1, lastSeq)
    } else {
      const next = this.#reader.peek()
      seq = next === undefined ? this.#reader.nextSeq - 1 : next.seq - 1
      seq = Math.min(seq, this.#readyFrom - 1)
    }
    if (seq > cursor.passedSeq && !this.#isClosed) cursor.passedSeq = seq
  }

  stateWritten(): void {
    if (this.#outgoing.length > 0 || !this.#resending.isDone) this.pump()
  }

  released(entry: InflightMessage): void {
    this.line.pubrel(entry.packetId)
  }

  /** An identifier that was in flight is free again. */
  finished(entry: InflightMessage): void {
    if (entry.sentOn === this.line) this.#sent--
    this.pump()
  }

  /** Sends what it can. */
  pump(): void {
    if (this.#isPumping || this.#isClosed || this.#isWaiting()) return
    this.#isPumping = true
    let left = this.#host.turns.share
    try {
      while (left > 0 && this.#step()) left--
    } finally {
      this.#isPumping = false
    }
    if (left === 0) this.#host.turns.enqueue(this)
  }

  /** All has been sent that is on disk, as behind nearly every acknowledgement of a client that keeps up. */
  #isWaiting(): boolean {
    if (!this.#isLive || this.#outgoing.length > 0 || !this.#resending.isDone) return false
    const { first } = this.#ready
    return first === 0 || (this.isListed && first > this.#host.stream.lastSeq)
  }

  /** False when there is nothing to do until somebody calls. */
  #step(): boolean {
    if (this.#isClosed || this.line.isBehind) return false
    if (!this.#resending.isDone) return this.#resend()
    const first = this.#outgoing[0]
    if (first !== undefined && first.entry.version <= this.#cursor.writtenVersion) {
      this.#outgoing.shift()
      this.#outgoingBytes -= sizeOf(first.message)
      if (this.#cursor.inflight.get(first.entry.packetId) === first.entry) {
        this.#send(first.entry, first.message)
      }
      return true
    }
    if (this.#outgoingBytes >= OUTGOING_BYTES_MAX || !this.#cursor.window.hasRoom) return false
    const message = this.#next()
    if (message === undefined) return false
    if (this.#isLive) this.#ready.shift()
    else this.#reader.shift()
    this.#cursor.passedSeq = message.seq
    this.#deliver(message)
    return true
  }

  /** The next message that may concern the session; undefined while it is being read, or there is none. */
  #next(): LogEntry | undefined {
    if (!this.#isLive && !this.#hasCaughtUp()) return this.#reader.peek()
    const seq = this.#ready.first
    if (seq === 0) return undefined
    if (seq > this.#host.stream.lastSeq) {
      this.#host.awaitCommit(this)
      return undefined
    }
    const message = this.#host.recent.get(seq)
    if (message !== undefined) return message
    this.#fallBehind()
    return this.#hasCaughtUp() ? undefined : this.#reader.peek()
  }

  #hasCaughtUp(): boolean {
    const reader = this.#reader
    const { stream, recent } = this.#host
    if (reader.peek() !== undefined || reader.isReading) return false
    if (!this.#isTracking) {
      this.#isTracking = true
      this.#readyFrom = stream.assignedSeq + 1
    }
    const endSeq = Math.min(this.#readyFrom, stream.lastSeq + 1)
    if (reader.nextSeq >= this.#recentFrom && reader.nextSeq < endSeq) {
      reader.recall(recent, this.#logged(), endSeq)
      if (reader.peek() !== undefined) return false
    }
    if (reader.nextSeq >= this.#readyFrom) {
      this.#isLive = true
      this.line.caughtUp()
      return true
    }
    // What is left of it is on its way to the disk.
    if (reader.nextSeq > stream.lastSeq) this.#host.awaitCommit(this)
    else reader.read(this.#logged(), this.#readyFrom)
    return false
  }

  #fallBehind(): void {
    if (this.#isLive) {
      this.#isLive = false
      this.#reader.seek(this.#cursor.passedSeq + 1)
    }
    this.#ready.clear()
    this.#isTracking = false
    this.#readyFrom = Number.MAX_SAFE_INTEGER
  }

  #logged(): SubjectFilter {
    this.#filter ??= this.#filters.logged(this.#key)
    return this.#filter
  }

  #deliver(message: LogEntry): void {
    const qos = this.#match.fill(SENT, message)
    if (qos === 0) {
      this.#host.done(message.seq)
      this.#cursor.touch()
      return
    }
    const packetId = this.#cursor.window.take()
    const entry = this.#cursor.inflight.add(packetId, message.seq, qos === 2 ? 2 : 1)
    if (qos === 2) entry.version = this.#cursor.touchNow()
    else if (this.#outgoing.length === 0) {
      this.#cursor.touch()
      this.#write(entry, message)
      return
    }
    this.#outgoing.push({ entry, message })
    this.#outgoingBytes += sizeOf(message)
  }

  #resend(): boolean {
    const { inflight, writtenVersion, window } = this.#cursor
    const entry = this.#resending.next((one) => inflight.get(one.packetId) === one)
    if (entry === undefined) return this.#resending.isDone
    if (entry.version > writtenVersion || this.#sent >= window.max) return false
    const message = this.#resending.take()
    if (message === 'reading') return false
    if (message !== undefined) this.#send(entry, message)
    // Nobody has the message any more. PUBREL frees its identifier at the client too, whatever that knows.
    else if (entry.qos === 2 && entry.wasSent) this.#cursor.release(entry)
    else this.#cursor.finish(entry)
    return true
  }

  /** What the filters say now is told to the client; that it is sent was decided when it got its identifier. */
  #send(entry: InflightMessage, message: LogEntry): void {
    this.#match.fill(SENT, message)
    this.#write(entry, message)
  }

  #write(entry: InflightMessage, message: LogEntry): void {
    SENT.storedMs = message.timeMs
    SENT.seq = message.seq
    SENT.headers = message.headers
    SENT.payload = message.payload
    SENT.qos = entry.qos
    const isDup = entry.wasSent
    if (this.line.publish(SENT, entry.packetId, isDup)) {
      entry.wasSent = true
      entry.sentOn = this.line
      this.#sent++
    } else if (isDup && entry.qos === 2) this.#cursor.release(entry)
    else this.#cursor.finish(entry)
    SENT.payload = NOTHING
  }

  #unreadable(error: unknown): void {
    if (this.#isClosed) return
    this.#host.log.warn(
      { client: this.line.clientId, err: messageOf(error) },
      'log of a session cannot be read',
    )
    this.#host.clock.after(READ_RETRY_MS, () => this.pump())
  }
}

const NOTHING: Uint8Array = new Uint8Array(0)

/** One message is sent after the other, so one does for all sessions. */
const SENT: SentMessage = {
  seq: 0,
  subject: NOTHING,
  headers: NOTHING,
  payload: NOTHING,
  storedMs: 0,
  qos: 0,
  subscriptionIds: [],
  isRetainAsPublished: false,
  groups: [],
}
