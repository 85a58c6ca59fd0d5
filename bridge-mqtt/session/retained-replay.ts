import type { Cancel } from '../../shared/runtime/index.ts'
import { loggedHeaders } from '../headers/index.ts'
import { RETAINED_KEPT_AT_ONCE, RETAINED_PAGE_MESSAGES, RETAINED_RETRY_MS } from '../limits.ts'
import type { ReplayPosition, RetainedMessage, RetainedReplay } from '../retained/index.ts'
import type { ClientFilter } from './client-filters.ts'
import type { MqttContext } from './context.ts'
import type { Outbound } from './outbound.ts'
import { factsOfStored, OutboundMessage } from './outbound-message.ts'
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
  readonly log: Pick<SubscriberLog, 'keep' | 'hasCaughtUp'> | undefined
}

interface Replay {
  readonly filter: ClientFilter
  readonly pages: RetainedReplay
  /** As the SUBSCRIBE has it that asked for them. */
  readonly qos: number
  readonly subscriptionIds: readonly number[]
  /** Behind what was sent. */
  position: ReplayPosition | undefined
}

/** What is left of the replays of a client that has gone, by filter. */
export type CutReplays = ReadonlyMap<string, ReplayPosition>

/** Filled for each message, and sent or copied before the next. */
const outgoing = new OutboundMessage()

/**
 * Retained messages for the new subscriptions of one client, one subscription after the other. The client
 * sets the pace: a page is read when what it may hold can leave at once, so that a hundred thousand of them
 * fill no memory; each page is a turn of its own, so that nobody waits for them. What is published meanwhile
 * is sent in between. A page holds what is the newest as it is sent: no value comes behind the one that
 * has replaced it.
 *
 * Of a session that lasts, what has QoS 1 or 2 goes by way of its log, a page at a time: there it waits for
 * its acknowledgement, and is sent again to a client that comes back, with the same packet identifiers
 * [MQTT-4.4.0-1]. What has not come so far goes on from where it was.
 */
export class RetainedReplays {
  readonly #parts: ReplayParts
  /** While there are any. */
  #waiting: Map<string, Replay> | undefined
  /** SUBSCRIBEs whose answer waits for the disk: nothing is sent before it. */
  #held = 0
  #isReading = false
  /** Messages that are on their way to the log. */
  #keeping = 0
  #isClosed = false
  #isRetrying = false
  #cancelRetry: Cancel | undefined

  constructor(parts: ReplayParts) {
    this.#parts = parts
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
    this.#waiting ??= new Map()
    this.#waiting.delete(filter.filter)
    this.#waiting.set(filter.filter, { filter, pages, qos, subscriptionIds, position })
  }

  /** Where to go on with those that were not sent to their end. */
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
      const room = this.#roomFor(replay)
      if (room > 0) this.#read(replay, room)
      return
    }
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
    this.#waiting = undefined
  }

  /** Messages that can leave now; those that wait already go first. */
  #roomFor({ qos }: Replay): number {
    const { outbound, log } = this.#parts
    if (outbound.isBehind) return 0
    if (qos === 0) return RETAINED_PAGE_MESSAGES
    // Its line is told when it has.
    if (log?.hasCaughtUp === false) return 0
    if (outbound.queued > 0 || this.#keeping >= RETAINED_KEPT_AT_ONCE) return 0
    // What is on its way to the log takes its part of the window when it is there.
    return Math.min(outbound.windowRoom - this.#keeping, RETAINED_PAGE_MESSAGES)
  }

  #read(replay: Replay, room: number): void {
    this.#isReading = true
    replay.pages.next(room).then(
      (page) => {
        this.#isReading = false
        this.#sendPage(replay, page)
      },
      (err: unknown) => this.#failed(err),
    )
  }

  #sendPage(replay: Replay, page: readonly RetainedMessage[]): void {
    const { filter } = replay.filter
    const isWanted = !this.#isClosed && this.#waiting?.get(filter) === replay
    if (isWanted && !replay.filter.isAllowed) this.#forget(filter)
    else if (isWanted) {
      for (const message of page) this.#send(replay, message)
      replay.position = replay.pages.position
      if (page.length === 0) this.#forget(filter)
    }
    this.#parts.context.clock.soon(() => this.goOn())
  }

  #forget(filter: string): void {
    this.#waiting?.delete(filter)
    if (this.#waiting?.size === 0) this.#waiting = undefined
  }

  #send({ filter, qos, subscriptionIds, position }: Replay, message: RetainedMessage): void {
    const { context, guard, outbound } = this.#parts
    const { subjectBytes, headers, payload } = message
    if (filter.isFiltered && !guard.mayReceive(subjectBytes)) return
    const topic = context.translator.topicOf(subjectBytes)
    if (topic === undefined) return
    const facts = factsOfStored(headers)
    outgoing.topic = topic
    outgoing.payload = payload
    outgoing.qos = Math.min(qos, facts.qos)
    outgoing.isRetain = true
    outgoing.messageExpiry = message.expirySeconds
    outgoing.shared = facts.shared
    guard.delivered(facts)
    outgoing.subscriptionIds = subscriptionIds
    if (outgoing.qos > 0 && this.#parts.log !== undefined) {
      // It came while the client was away: the log has it as it was published.
      if (position !== undefined && message.seq > position.throughSeq) return
      if (this.#keep(message, outgoing.qos)) return
    }
    // There was room when the page was asked for: a live message in between must not cost one of these.
    if (outgoing.qos === 0) outbound.sendNow(outgoing)
    else outbound.send(outgoing)
  }

  /** False when it can only be sent as it is: the store takes nothing. */
  #keep({ subjectBytes, headers, payload, expirySeconds }: RetainedMessage, qos: number): boolean {
    const { log, context, clientId } = this.#parts
    const facts = { qos, isRetain: true, from: '', replyTopic: undefined, expirySeconds }
    const kept = { subject: subjectBytes, headers: loggedHeaders(headers, facts), payload }
    try {
      log?.keep(kept, this.#kept)
    } catch (err) {
      context.notices.warn(
        { client: clientId, err },
        'retained message cannot be kept for a session',
      )
      return false
    }
    this.#keeping++
    return true
  }

  readonly #kept = (): void => {
    if (--this.#keeping === 0) this.#parts.context.clock.soon(() => this.goOn())
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
