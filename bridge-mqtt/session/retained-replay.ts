import type { Cancel } from '../../shared/runtime/index.ts'
import { loggedHeaders } from '../headers/index.ts'
import { RETAINED_PAGE_MESSAGES, RETAINED_RETRY_MS } from '../limits.ts'
import type { RetainedMessage, RetainedReplay } from '../retained/index.ts'
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
  /** Of a client whose session lasts: at QoS 2 its packet identifiers must outlive this process. */
  readonly log: Pick<SubscriberLog, 'keep'> | undefined
}

interface Replay {
  readonly filter: ClientFilter
  readonly pages: RetainedReplay
  /** As the SUBSCRIBE has it that asked for them. */
  readonly qos: number
  readonly subscriptionIds: readonly number[]
}

/** Filled for each message, and sent or copied before the next. */
const outgoing = new OutboundMessage()

/**
 * Retained messages for the new subscriptions of one client, one subscription after the other. The client
 * sets the pace: a page is read when what it may hold can leave at once, so that a hundred thousand of them
 * fill no memory; each page is a turn of its own, so that nobody waits for them. What is published meanwhile
 * is sent in between. A page holds what is the newest as it is sent: no value comes behind the one that
 * has replaced it.
 */
export class RetainedReplays {
  readonly #parts: ReplayParts
  readonly #waiting = new Map<string, Replay>()
  /** Filters whose last messages may be in flight, or wait to be. */
  readonly #sent = new Set<string>()
  /** SUBSCRIBEs whose answer waits for the disk: nothing is sent before it. */
  #held = 0
  #isReading = false
  /** Messages of a page that are on their way to the log. */
  #keeping = 0
  #isClosed = false
  #cancelRetry: Cancel | undefined

  constructor(parts: ReplayParts) {
    this.#parts = parts
  }

  /** Called in the turn that subscribes. A filter that is subscribed again begins anew. */
  add(filter: ClientFilter): void {
    const { source } = this.#parts
    if (source === undefined) return
    const { subjects, skipsDollar, qos, subscriptionIds } = filter
    const pages = source.replay(subjects, skipsDollar)
    this.#waiting.delete(filter.filter)
    this.#waiting.set(filter.filter, { filter, pages, qos, subscriptionIds })
  }

  /** The filters whose retained messages were not all sent, or may not have arrived. */
  get unfinished(): readonly string[] {
    return [...this.#waiting.keys(), ...(this.#isAllDone ? [] : this.#sent)]
  }

  /** Nothing more is sent for it [MQTT-3.10.4-2]. */
  cancel(filter: string): void {
    this.#waiting.delete(filter)
    this.#sent.delete(filter)
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
    if (this.#waiting.size === 0 || this.#held > 0 || this.#isReading || this.#isClosed) return
    if (this.#keeping > 0) return
    for (const replay of this.#waiting.values()) {
      const room = this.#roomFor(replay)
      if (room > 0) this.#read(replay, room)
      return
    }
  }

  close(): void {
    this.#isClosed = true
    this.#cancelRetry?.()
    this.#waiting.clear()
    this.#sent.clear()
  }

  /** Messages that can leave now; those that wait already go first. */
  #roomFor({ qos }: Replay): number {
    const { outbound } = this.#parts
    if (outbound.isBehind) return 0
    if (qos === 0) return RETAINED_PAGE_MESSAGES
    return outbound.queued > 0 ? 0 : Math.min(outbound.windowRoom, RETAINED_PAGE_MESSAGES)
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
    const isWanted = !this.#isClosed && this.#waiting.get(filter) === replay
    if (isWanted) {
      for (const message of page) this.#send(replay, message)
      if (page.length === 0) this.#finish(replay)
    }
    this.#parts.context.clock.soon(() => this.goOn())
  }

  /** What waits in the queue goes with the connection, like what the client has not answered. */
  get #isAllDone(): boolean {
    const { unanswered, queued } = this.#parts.outbound
    return unanswered === 0 && queued === 0
  }

  #finish({ filter, qos }: Replay): void {
    this.#waiting.delete(filter.filter)
    if (this.#isAllDone) this.#sent.clear()
    else if (qos > 0) this.#sent.add(filter.filter)
  }

  #send({ filter, qos, subscriptionIds }: Replay, message: RetainedMessage): void {
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
    outgoing.subscriptionIds = subscriptionIds
    if (outgoing.qos === 2 && this.#keep(message)) return
    // There was room when the page was asked for: a live message in between must not cost one of these.
    if (outgoing.qos === 0) outbound.publish(outgoing, 0, false)
    else outbound.send(outgoing)
  }

  /** False when it can only be sent as it is: the session ends with its connection, or the store takes nothing. */
  #keep({ subjectBytes, headers, payload, expirySeconds }: RetainedMessage): boolean {
    const { log, context, clientId } = this.#parts
    if (log === undefined) return false
    const facts = { qos: 2, isRetain: true, from: '', replyTopic: undefined, expirySeconds }
    const kept = { subject: subjectBytes, headers: loggedHeaders(headers, facts), payload }
    try {
      log.keep(kept, () => {
        this.#keeping--
        context.clock.soon(() => this.goOn())
      })
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

  #failed(err: unknown): void {
    this.#isReading = false
    if (this.#isClosed) return
    const { context, clientId } = this.#parts
    context.notices.warn({ client: clientId, err }, 'retained messages cannot be read')
    this.#cancelRetry?.()
    this.#cancelRetry = context.clock.after(RETAINED_RETRY_MS, () => this.goOn())
  }
}
