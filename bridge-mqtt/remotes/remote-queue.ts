import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import type { MqttRemoteConfig } from '../../shared/config/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import type { Eviction, Store, StreamLimits, StreamStore } from '../../shared/store/index.ts'
import { publisherOf } from '../durable/index.ts'
import type { Notices } from '../notices.ts'
import { type BridgedTopics, OutboundTopics } from './bridged-topics.ts'
import type { RemoteCounters } from './remote-counters.ts'
import { hasPassed, passing, viaOfHeaders } from './via.ts'

/** No slash: those with one are the streams of accounts. */
export const QUEUE_PREFIX = 'mqtt-remote:'
/** The filters that the broker has granted to our session. */
const GRANTED_KEY = 'granted'

export interface RemoteQueueParts {
  readonly config: MqttRemoteConfig
  readonly store: Store
  readonly published: readonly BridgedTopics[]
  readonly via: string
  readonly counters: RemoteCounters
  readonly notices: Notices
  readonly log: Log
}

/** Who takes what is not kept: a message at QoS 0 goes now or never. */
export interface DirectSender {
  sendNow(topicSubject: Uint8Array, headers: Uint8Array, payload: Uint8Array): void
}

interface Capture {
  readonly topics: OutboundTopics
  readonly entry: BridgedTopics
  /** Entries before it: the first that matches takes the message. */
  readonly earlier: readonly BridgedTopics[]
}

/**
 * What waits for one broker: a stream of the journal, in which messages lie under the subject of their topic at
 * the broker. A message is appended while it is routed, and its publisher's acknowledgement waits for that
 * append as it does for a buffer's. It is removed when the broker has acknowledged it; removals are lazy, so that after a
 * crash the newest of them may go out once more.
 *
 * Beside the messages the stream keeps which filters the broker has granted, so that those which are not
 * configured any more can be given back.
 */
export class RemoteQueue {
  readonly stream: StreamStore
  /** Set by whoever sends at QoS 0. */
  direct: DirectSender | undefined
  readonly #parts: RemoteQueueParts
  readonly #captures = new Map<Subscription, Capture>()
  readonly #stopListening: () => void

  constructor(parts: RemoteQueueParts) {
    this.#parts = parts
    this.stream = openStream(parts.store, parts.config)
    this.#stopListening = this.stream.onEvict((eviction) => this.#evicted(eviction))
  }

  get messages(): number {
    return this.stream.state.messages
  }

  get bytes(): number {
    return this.stream.state.bytes
  }

  /** Empty before the first SUBACK. */
  get granted(): readonly string[] {
    const bytes = this.stream.states.get(GRANTED_KEY)
    if (bytes === undefined) return []
    try {
      const list: unknown = JSON.parse(Buffer.from(bytes).toString())
      return Array.isArray(list) ? list.filter((it) => typeof it === 'string') : []
    } catch {
      return []
    }
  }

  /** What cannot be written is written after the next SUBACK: filters are asked for again until then. */
  remember(granted: readonly string[]): void {
    if (JSON.stringify(this.granted) === JSON.stringify(granted)) return
    try {
      this.stream.states.set(GRANTED_KEY, Buffer.from(JSON.stringify(granted)))
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'cannot write which filters the broker has granted')
    }
  }

  /** From now on `peer` gets what is to be kept. */
  start(space: SubjectSpace, peer: Peer): void {
    const { published } = this.#parts
    for (const [i, entry] of published.entries()) {
      const topics = new OutboundTopics(entry)
      const earlier = published.slice(0, i)
      for (const subject of entry.subjects) {
        const subscription = space.subscribe(peer, { subject })
        this.#captures.set(subscription, { topics, entry, earlier })
      }
    }
  }

  stop(space: SubjectSpace): void {
    for (const subscription of this.#captures.keys()) space.unsubscribe(subscription)
    this.#captures.clear()
    this.#stopListening()
  }

  /** Never throws: a publisher whose message finds no room is told, if it waits. */
  capture(subscription: Subscription, message: Message): void {
    const capture = this.#captures.get(subscription)
    if (capture === undefined) return
    const { subjectBytes: subject, headers, payload } = message
    if (!capture.entry.matchesHere(subject)) return
    for (const earlier of capture.earlier) if (earlier.matchesHere(subject)) return
    const isStored = capture.entry.qos > 0
    if (isStored ? message.part === 'others' : message.part === 'logs') return
    const { counters, notices, via } = this.#parts
    const before = viaOfHeaders(headers)
    if (before !== '' && (hasPassed(before, via) || passing(before, via) === undefined)) {
      counters.loops++
      return
    }
    const topic = capture.topics.of(subject)
    if (topic === undefined) {
      counters.refusedOutbound++
      notices.warn(
        { subject: message.subject },
        'no topic can say this subject: not sent to the broker',
      )
      return
    }
    if (isStored) this.#append(topic, message)
    else this.direct?.sendNow(topic, headers, payload)
  }

  #append(topic: Uint8Array, message: Message): void {
    // Captures come first for a publisher that is a client of MQTT, and have taken over the callback.
    const committed = publisherOf(message.origin)?.hold() ?? message.shareCommitted()
    try {
      this.stream.append(topic, message.headers, message.payload, committed)
    } catch (error) {
      const { counters, notices } = this.#parts
      counters.unqueued++
      notices.warn({ err: error }, 'queue for a broker takes no message: its publisher is told')
      committed?.(
        error instanceof PetioleError
          ? error
          : new PetioleError('PETIOLE_REMOTE_QUEUE', 'cannot be queued', { cause: error }),
      )
    }
  }

  #evicted({ messages, cause }: Eviction): void {
    this.#parts.counters.evicted += messages
    const fields = { messages, cause }
    this.#parts.notices.warn(fields, 'messages for a broker were lost before they were sent')
  }
}

function openStream(store: Store, config: MqttRemoteConfig): StreamStore {
  const name = `${QUEUE_PREFIX}${config.name}`
  const limits: StreamLimits = {
    messagesMax: config.max_msgs,
    bytesMax: config.max_bytes,
    ageMaxMs: config.max_age,
    messagesPerSubjectMax: 0,
    messageBytesMax: 0,
    discard: config.discard,
  }
  const card = Buffer.from(JSON.stringify({ remote: config.name, account: config.account }))
  const known = store.streams.get(name)
  if (known === undefined) return store.createStream(name, card, limits)
  known.configure(card, limits)
  return known
}
