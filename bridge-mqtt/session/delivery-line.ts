import type { Message } from '../../shared/broker/index.ts'
import {
  type DeliveryLine,
  type LoggedMessage,
  publisherOf,
  type StoredFilter,
} from '../durable/index.ts'
import type { MqttContext } from './context.ts'
import { type Outbound, secondsLeft } from './outbound.ts'
import { factsOf, factsOfStored, OutboundMessage } from './outbound-message.ts'
import type { RetainedReplays } from './retained-replay.ts'
import type { SessionGuard } from './session-guard.ts'
import type { SubscriberRequests } from './subscriber-requests.ts'

export interface LineParts {
  readonly context: MqttContext
  readonly clientId: string
  readonly guard: SessionGuard
  readonly outbound: Outbound
  /** They wait until the log has been read that comes before them. */
  readonly replays: Pick<RetainedReplays, 'goOn' | 'isOutdated'>
  /** They have what the session has. */
  readonly requests: Pick<SubscriberRequests, 'takeBack'>
  /** By a clock that can be trusted; 0 when there is none: then nothing has grown older. */
  readonly nowMs: () => number
  /** Whether some of its filters may be such as its user may not have any more: what the log has by them waits. */
  readonly isUnjudged: () => boolean
}

const NO_IDS: readonly number[] = []
/** Filled for each delivery, and sent or copied before the next. */
const outgoing = new OutboundMessage()

/** What the log of an account has for a client that is here: out of the log, as it is when it is sent. */
export class ClientLine implements DeliveryLine {
  readonly clientId: string
  readonly #context: MqttContext
  readonly #guard: SessionGuard
  readonly #outbound: Outbound
  readonly #replays: LineParts['replays']
  readonly #requests: LineParts['requests']
  readonly #nowMs: () => number
  readonly #isUnjudged: () => boolean

  constructor(parts: LineParts) {
    const { context, clientId, guard, outbound, replays, requests, nowMs } = parts
    this.clientId = clientId
    this.#context = context
    this.#guard = guard
    this.#outbound = outbound
    this.#replays = replays
    this.#requests = requests
    this.#nowMs = nowMs
    this.#isUnjudged = parts.isUnjudged
  }

  get isBehind(): boolean {
    return this.#outbound.isBehind || this.#isUnjudged()
  }

  mayReceive(subject: Uint8Array, group: string): boolean {
    return this.#guard.mayReceive(subject, group)
  }

  filtersTakenBack(filters: readonly string[]): void {
    this.#requests.takeBack(filters)
  }

  caughtUp(): void {
    this.#replays.goOn()
  }

  publish(message: LoggedMessage, packetId: number, isDup: boolean): boolean {
    const { subject, headers, payload, storedMs } = message
    const { translator, counters } = this.#context
    if (!this.#isAllowed(subject, message.groups)) return false
    // What left once is sent again as it was [MQTT-4.4.0-1].
    if (!isDup && this.#replays.isOutdated(message.seq, subject)) return false
    const topic = translator.topicOf(subject)
    if (topic === undefined) {
      counters.untranslatable++
      return false
    }
    const facts = factsOfStored(headers)
    let { messageExpiry } = facts
    if (messageExpiry >= 0) {
      messageExpiry = secondsLeft(messageExpiry, Math.max(0, this.#nowMs() - storedMs))
      if (messageExpiry < 0) {
        // What was sent once comes to its end, whatever time it takes [MQTT-4.3.3-7, 4.4.0-1].
        if (!isDup) {
          counters.expired++
          return false
        }
        messageExpiry = 0
      }
    }
    outgoing.topic = topic
    outgoing.payload = payload
    outgoing.qos = message.qos
    outgoing.isRetain = message.isRetainAsPublished && facts.isRetain
    outgoing.messageExpiry = messageExpiry
    outgoing.shared = facts.shared
    this.#guard.delivered(facts)
    outgoing.subscriptionIds = message.subscriptionIds
    return this.#outbound.publishLogged(outgoing, packetId, isDup)
  }

  pubrel(packetId: number): void {
    this.#outbound.pubrel(packetId)
  }

  direct(message: Message, filter: StoredFilter & { readonly group: string }): void {
    const { translator, counters } = this.#context
    const topic = translator.topicOf(message.subjectBytes)
    if (topic === undefined) {
      counters.untranslatable++
      return
    }
    const facts = factsOf(message, translator)
    outgoing.topic = topic
    outgoing.payload = message.payload
    outgoing.qos = 0
    outgoing.group = filter.group
    const publisher = publisherOf(message.origin)
    outgoing.isRetain = filter.isRetainAsPublished && publisher?.publishingRetain === true
    outgoing.messageExpiry = facts.messageExpiry
    outgoing.shared = facts.shared
    this.#guard.delivered(facts)
    outgoing.subscriptionIds = filter.subscriptionId === 0 ? NO_IDS : [filter.subscriptionId]
    this.#outbound.send(outgoing)
  }

  /** For whichever filter it was addressed to it: one way in which its user may have it is enough. */
  #isAllowed(subject: Uint8Array, groups: readonly string[]): boolean {
    if (groups.length === 0) return this.#guard.mayReceive(subject)
    for (const group of groups) if (this.#guard.mayReceive(subject, group)) return true
    return false
  }
}
