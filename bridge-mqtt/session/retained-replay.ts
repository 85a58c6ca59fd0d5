import type { Cancel } from '../../shared/runtime/index.ts'
import type { KeptMessage } from '../durable/index.ts'
import { loggedHeaders } from '../headers/index.ts'
import { RETAINED_PAGE_MESSAGES, RETAINED_RETRY_MS } from '../limits.ts'
import type { ReplayPosition, RetainedMessage, RetainedReplay } from '../retained/index.ts'
import type { ClientFilter } from './client-filters.ts'
import type { MqttContext } from './context.ts'
import { cutReplays } from './cut-replays.ts'
import { type Outbound, secondsLeft } from './outbound.ts'
import { factsOfStored, OutboundMessage } from './outbound-message.ts'
import { type LyingPage, RetainedAhead } from './retained-ahead.ts'
import type { SessionGuard } from './session-guard.ts'
import type { RetainedSource, SubscriberLog } from './subscriber-ports.ts'

export interface ReplayParts {
  readonly context: MqttContext
  readonly clientId: string
  readonly guard: SessionGuard
  readonly outbound: Outbound
  /** undefined: nothing is retained. */
  readonly source: RetainedSource | undefined
  /** Of a client whose session lasts: what it has not acknowledged outlives its connection, and this process. */
  readonly log: Pick<SubscriberLog, 'keep' | 'hasCaughtUp' | 'passedSeq'> | undefined
}

interface Replay {
  readonly filter: ClientFilter
  /** As the SUBSCRIBE has it that asked for them. */
  readonly qos: number
  readonly subscriptionIds: readonly number[]
  pages: RetainedReplay
  /** Behind what was sent, or is in the log. */
  position: ReplayPosition | undefined
  /** Of the page that was read last what goes out directly, and how far that is. */
  page: readonly RetainedMessage[]
  sent: number
  readMs: number
  /** There was no room for all of the page when it was read. */
  isLate: boolean
}

/** What is left of the replays of a client that has gone, by filter. */
export type CutReplays = ReadonlyMap<string, ReplayPosition>

const NONE: readonly RetainedMessage[] = []
const NOTHING_LEFT: RetainedReplay = { next: () => Promise.resolve(NONE), isNewest: () => false }
/** Filled for each message, and sent or copied before the next. */
const outgoing = new OutboundMessage()

/**
 * Retained messages for the new subscriptions of one client, one subscription after the other. The client
 * sets the pace: a page is read when what it may hold can leave at once, so that a hundred thousand of them
 * fill no memory; each page is a turn of its own, so that nobody waits for them. What is published meanwhile
 * is sent in between, and what of a page finds no room any more waits until there is some. What has been
 * replaced by then is left out: no value comes behind the one that has replaced it.
 *
 * Of a session that lasts, what has QoS 1 or 2 goes by way of its log, a page at a time and some pages ahead
 * (`RetainedAhead`): there it waits for its acknowledgement, and is sent again to a client that comes back, with
 * the same packet identifiers [MQTT-4.4.0-1]. What has not come so far goes on from where it was.
 */
export class RetainedReplays {
  readonly #parts: ReplayParts
  /** While there are any. */
  #waiting: Map<string, Replay> | undefined
  /** Made for the first page that may go into the log. */
  #ahead: RetainedAhead | undefined
  /** SUBSCRIBEs whose answer waits for the disk: nothing is sent before it. */
  #held = 0
  #isReading = false
  #isClosed = false
  #isRetrying = false
  #cancelRetry: Cancel | undefined

  constructor(parts: ReplayParts) {
    this.#parts = parts
    this.#ahead = parts.log && RetainedAhead.of(parts.log)
  }

  /**
   * Called in the turn that subscribes. A filter that is subscribed again begins anew.
   *
   * @param from of a client that comes back: goes on there
   */
  add(filter: ClientFilter, from?: ReplayPosition): void {
    const { source } = this.#parts
    if (source === undefined) return
    const { skipsDollar, qos, subscriptionIds } = filter
    const pages = source.replay(filter.compiled(), skipsDollar, from)
    const { position } = pages
    if (from === undefined) this.cancel(filter.filter)
    this.#waiting ??= new Map()
    const nothing = { page: NONE, sent: 0, readMs: 0, isLate: false }
    const replay = { filter, qos, subscriptionIds, pages, position, ...nothing }
    this.#waiting.set(filter.filter, replay)
  }

  /** Where to go on with those that were not sent to their end, nor laid in the log. */
  get unfinished(): CutReplays {
    const cut = new Map<string, ReplayPosition>()
    for (const [filter, { position }] of this.#waiting ?? []) {
      if (position !== undefined) cut.set(filter, position)
    }
    return cut
  }

  /** Nothing more is sent for it [MQTT-3.10.4-2]. */
  cancel(filter: string): void {
    this.#forget(filter)
    this.#ahead?.cancel(filter)
  }

  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
    this.goOn()
  }

  /** Sends what there is room for; called when there is more. */
  goOn(): void {
    if (this.#waiting === undefined || this.#held > 0 || this.#isReading || this.#isClosed) return
    for (const replay of this.#waiting.values()) {
      if (!this.#sendOn(replay)) return
      const room = this.#roomFor(replay)
      if (room > 0) this.#read(replay, room)
      return
    }
  }

  /** Whether a message of the log is a retained one that is not to be sent any more. */
  isOutdated(seq: number, subject: Uint8Array): boolean {
    return this.#ahead?.isOutdated(seq, subject) === true
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
    if (this.#parts.log !== undefined) this.#ahead?.left(this.#parts.log.passedSeq)
    this.#waiting = undefined
  }

  /** Messages that can leave now, or may lie in the log; those that wait already go first. */
  #roomFor({ qos }: Replay): number {
    const { outbound, log } = this.#parts
    if (outbound.isBehind) return 0
    if (qos === 0) return RETAINED_PAGE_MESSAGES
    if (outbound.queued > 0) return 0
    if (log === undefined) return Math.min(outbound.windowRoom, RETAINED_PAGE_MESSAGES)
    // Its line is told when it has.
    if (!log.hasCaughtUp) return 0
    this.#ahead ??= new RetainedAhead(log)
    return Math.min(this.#ahead.room(log.passedSeq), RETAINED_PAGE_MESSAGES)
  }

  #read(replay: Replay, room: number): void {
    const { pages } = replay
    this.#isReading = true
    pages.next(room).then(
      (page) => {
        this.#isReading = false
        if (this.#isWaiting(replay) && replay.pages === pages) this.#take(replay, page)
        this.#parts.context.clock.soon(() => this.goOn())
      },
      (err: unknown) => this.#failed(err),
    )
  }

  #isWaiting(replay: Replay): boolean {
    return !this.#isClosed && this.#waiting?.get(replay.filter.filter) === replay
  }

  #take(replay: Replay, page: readonly RetainedMessage[]): void {
    // All of them, or it is a filter that the user may not have any more.
    if (page.length === 0 || !replay.filter.isAllowed) {
      this.#forget(replay.filter.filter)
      return
    }
    replay.page = this.#keep(replay, page)
    replay.sent = 0
    replay.isLate = false
    replay.readMs = this.#parts.context.clock.monotonicMs()
    this.#sendOn(replay)
  }

  #forget(filter: string): void {
    this.#waiting?.delete(filter)
    if (this.#waiting?.size === 0) this.#waiting = undefined
  }

  /** False when something of the page has to wait. */
  #sendOn(replay: Replay): boolean {
    const { page } = replay
    while (replay.sent < page.length) {
      if (!this.#send(replay, page[replay.sent] as RetainedMessage)) {
        replay.isLate = true
        return false
      }
      replay.sent++
    }
    replay.page = NONE
    replay.sent = 0
    replay.position = replay.pages.position
    return true
  }

  /** False when there is no room: a live message that came first must not cost one of these. */
  #send(replay: Replay, message: RetainedMessage): boolean {
    const { context, guard, outbound } = this.#parts
    const { subjectBytes, headers, payload } = message
    if (!this.#mayReceive(replay, message)) return true
    const topic = context.translator.topicOf(subjectBytes)
    if (topic === undefined) return true
    const facts = factsOfStored(headers)
    const qos = Math.min(replay.qos, facts.qos)
    if (qos > 0 && this.#isInLog(replay, message)) return true
    const isBehind = qos === 0 ? outbound.isBehind : outbound.queued > 0
    if (isBehind || (qos > 0 && outbound.windowRoom === 0)) return false
    const expirySeconds = replay.isLate ? this.#lateExpiry(replay, message) : message.expirySeconds
    if (expirySeconds === undefined) return true
    outgoing.messageExpiry = expirySeconds
    outgoing.topic = topic
    outgoing.payload = payload
    outgoing.qos = qos
    outgoing.isRetain = true
    outgoing.shared = facts.shared
    guard.delivered(facts)
    outgoing.subscriptionIds = replay.subscriptionIds
    outbound.send(outgoing)
    return true
  }

  #mayReceive({ filter }: Replay, { subjectBytes }: RetainedMessage): boolean {
    if (!filter.isAllowed) return false
    return !filter.isFiltered || this.#parts.guard.mayReceive(subjectBytes)
  }

  /** It came while the client was away: the log has it as it was published. */
  #isInLog({ position }: Replay, { seq }: RetainedMessage): boolean {
    return this.#parts.log !== undefined && position !== undefined && seq > position.throughSeq
  }

  /** What is left of the time of a message that has waited; undefined: it is not to be sent any more. */
  #lateExpiry({ pages, readMs }: Replay, message: RetainedMessage): number | undefined {
    const { seq, subjectBytes, expirySeconds } = message
    if (!pages.isNewest(seq, subjectBytes)) return undefined
    if (expirySeconds < 0) return expirySeconds
    const left = secondsLeft(expirySeconds, this.#parts.context.clock.monotonicMs() - readMs)
    return left < 0 ? undefined : left
  }

  /** Stores what is for the log, as one; returns what goes out directly: all when the store takes nothing. */
  #keep(replay: Replay, page: readonly RetainedMessage[]): readonly RetainedMessage[] {
    if (this.#parts.log === undefined || replay.qos === 0) return page
    const direct: RetainedMessage[] = []
    const kept: KeptMessage[] = []
    const retained: number[] = []
    let bytes = 0
    for (const message of page) {
      const { subjectBytes, headers, payload, expirySeconds, seq } = message
      const qos = Math.min(replay.qos, factsOfStored(headers).qos)
      if (qos === 0) {
        direct.push(message)
        continue
      }
      if (this.#isInLog(replay, message) || !this.#mayReceive(replay, message)) continue
      const facts = { qos, isRetain: true, from: '', replyTopic: undefined, expirySeconds }
      kept.push({ subject: subjectBytes, headers: loggedHeaders(headers, facts), payload })
      retained.push(seq)
      bytes += subjectBytes.length + headers.length + payload.length
    }
    if (kept.length === 0) return direct
    return this.#store(replay, { messages: kept, retained, bytes }) ? direct : page
  }

  /** False when the store takes nothing. */
  #store(replay: Replay, { messages, retained, bytes }: LoggedPage): boolean {
    const { log, context, clientId } = this.#parts
    const { pages, position } = replay
    let page: Readonly<LyingPage> | undefined
    let firstSeq = 0
    try {
      firstSeq =
        log?.keep(messages, (error) => {
          if (error !== undefined && page !== undefined)
            this.#lost(replay, page, { pages, position })
          if (!this.#isClosed) context.clock.soon(() => this.goOn())
        }) ?? 0
    } catch (err) {
      const fields = { client: clientId, err }
      context.notices.warn(fields, 'retained messages cannot be kept for a session')
      return false
    }
    const { filter } = replay.filter
    page = this.#ahead?.add({ filter, firstSeq, retained, bytes, source: pages })
    // It is not to be read again for what else is on the page.
    replay.position = pages.position
    return true
  }

  /** A page did not get to the disk: all from there on is read again, unless nobody waits for it any more. */
  #lost(replay: Replay, page: Readonly<LyingPage>, { pages, position }: PageStart): void {
    this.#ahead?.takenBack(page.firstSeq)
    const { source, log } = this.#parts
    const { filter } = replay
    const other = this.#waiting?.get(filter.filter)
    // Of several pages the first one says from where, be it one of the connection before.
    const isFirst = replay.pages === pages && (other ?? replay) === replay
    if (source === undefined || log === undefined || !isFirst || page.isOver) return
    if (this.#isClosed) {
      replay.pages = NOTHING_LEFT
      if (position !== undefined) cutReplays.lost(log, filter.filter, position)
      return
    }
    replay.pages = source.replay(filter.compiled(), filter.skipsDollar, position)
    replay.position = position
    replay.page = NONE
    replay.sent = 0
    this.#waiting ??= new Map()
    this.#waiting.set(filter.filter, replay)
  }

  #failed(err: unknown): void {
    this.#isReading = false
    if (this.#isClosed) return
    const { context, clientId } = this.#parts
    context.notices.warn({ client: clientId, err }, 'retained messages cannot be read')
    if (this.#isRetrying) return
    this.#isRetrying = true
    this.#cancelRetry = this.#parts.context.clock.after(RETAINED_RETRY_MS, () => {
      this.#isRetrying = false
      this.goOn()
    })
  }
}

/** What of a page is for the log. */
interface LoggedPage {
  readonly messages: readonly KeptMessage[]
  readonly retained: readonly number[]
  readonly bytes: number
}

type PageStart = Pick<Replay, 'pages' | 'position'>
