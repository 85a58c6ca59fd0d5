/**
 * What waits for clients that are slower than what they are subscribed to. The router has a message for all its
 * receivers one after the other, so those that have to wait for it share one copy:
 *
 *     queue of a client ─▶ KeptMessage (how it is delivered) ─▶ KeptBody (its payload)
 *     queue of another  ─▶ ─┘
 *
 * All queues of a server together hold `queuedTotalBytesMax`, each copy counted once and each entry by itself.
 * A queue may grow while it is shorter than what is left of that: so the longest ones stop first, and
 * whoever is behind for a moment still finds room, however many there are that read nothing (dynamic
 * thresholds, Choudhury and Hahne 1998).
 */
import type { MqttCounters } from '../counters.ts'
import type { OutboundMessage } from './outbound-message.ts'
import type { SharedCopy } from './shared-leftovers.ts'

/** As measured: the objects of a payload, those of one way to deliver it, and an entry of a queue. */
const BODY_BYTES = 256
const MESSAGE_BYTES = 128
const ENTRY_BYTES = 16
const ID_BYTES = 8

export interface KeptOptions {
  readonly counters: MqttCounters
  /** Of all queues together, as it is now. */
  readonly bytesMax: () => number
  /** The first message was dropped since all queues were half empty. */
  readonly filled: (bytes: number) => void
}

/** A message for as long as somebody waits for it. Nobody changes it: others may wait for it too. */
export class KeptMessage {
  readonly topic: Uint8Array
  readonly payload: Uint8Array
  readonly qos: number
  readonly isRetain: boolean
  /** When it began to wait, in seconds; -1 when it does not expire. */
  readonly messageExpiry: number
  readonly shared: Uint8Array
  readonly subscriptionIds: readonly number[]
  readonly group: string
  /** By the monotonic clock; 0 when it does not expire. */
  readonly queuedMs: number
  /** For another member of its group. */
  readonly copy: SharedCopy | undefined
  /** What it counts for in a queue that has it to itself. */
  readonly cost: number
  readonly body: KeptBody
  /** Queues that it is in. */
  waiting = 0

  constructor(message: OutboundMessage, body: KeptBody, queuedMs: number) {
    this.topic = message.topic
    this.payload = body.payload
    this.qos = message.qos
    this.isRetain = message.isRetain
    this.messageExpiry = message.messageExpiry
    this.shared = message.shared
    this.subscriptionIds = message.subscriptionIds
    this.group = message.group
    this.queuedMs = queuedMs
    this.copy = copyWith(body.payload, message.copy)
    this.cost = costOf(message)
    this.body = body
  }

  /** Whether it says all that `message` does, which has the same body. */
  isSame(message: OutboundMessage): boolean {
    return (
      this.qos === message.qos &&
      this.isRetain === message.isRetain &&
      this.topic === message.topic &&
      this.shared === message.shared &&
      this.subscriptionIds === message.subscriptionIds &&
      this.messageExpiry === message.messageExpiry &&
      this.group === message.group &&
      this.copy === message.copy
    )
  }

  get bytes(): number {
    const ids = ID_BYTES * this.subscriptionIds.length
    return MESSAGE_BYTES + this.shared.length + ids + copyBytes(this.copy)
  }
}

/** A payload, copied from where it lies during the delivery. */
interface KeptBody {
  readonly serial: number
  readonly payload: Uint8Array
  readonly bytes: number
  /** Messages that have it. */
  messages: number
}

/** What a message counts for in the queue of one client: as if nobody else waited for it. */
export function costOf({ topic, payload, shared, subscriptionIds, copy }: OutboundMessage): number {
  const overhead = BODY_BYTES + MESSAGE_BYTES + ENTRY_BYTES + copyBytes(copy)
  return (
    payload.length + topic.length + shared.length + ID_BYTES * subscriptionIds.length + overhead
  )
}

/** The messages that wait at one server. */
export class KeptMessages {
  readonly #counters: MqttCounters
  readonly #bytesMax: () => number
  readonly #filled: (bytes: number) => void
  /** The newest one, which is what the next receiver of the same message waits for. */
  #newest: KeptMessage | undefined
  #wasFilled = false

  constructor({ counters, bytesMax, filled }: KeptOptions) {
    this.#counters = counters
    this.#bytesMax = bytesMax
    this.#filled = filled
  }

  /** Whether a queue of so many bytes may not grow by `cost` more. */
  isFull(queueBytes: number, cost: number): boolean {
    return queueBytes + cost > this.#bytesMax() - this.#counters.queuedBytes
  }

  /** One more message was dropped because of all queues together. */
  dropped(): void {
    this.#counters.droppedQueuesFull++
    if (this.#wasFilled) return
    this.#wasFilled = true
    this.#filled(this.#counters.queuedBytes)
  }

  /** For one queue more; each is given back by `release`. */
  keep(message: OutboundMessage, nowMs: number): KeptMessage {
    const kept = this.#of(message, nowMs)
    kept.waiting++
    this.#counters.queuedMessages++
    this.#counters.queuedBytes += ENTRY_BYTES
    return kept
  }

  release(kept: KeptMessage): void {
    const counters = this.#counters
    counters.queuedMessages--
    counters.queuedBytes -= ENTRY_BYTES
    if (--kept.waiting > 0) return
    counters.queuedBytes -= kept.bytes
    if (this.#newest === kept) this.#newest = undefined
    const { body } = kept
    if (--body.messages === 0) counters.queuedBytes -= body.bytes
    if (this.#wasFilled && counters.queuedBytes * 2 < this.#bytesMax()) this.#wasFilled = false
  }

  #of(message: OutboundMessage, nowMs: number): KeptMessage {
    const newest = this.#newest
    const isKnown = message.serial !== 0 && newest?.body.serial === message.serial
    if (isKnown && newest.isSame(message)) return newest
    const body = isKnown ? newest.body : this.#copy(message)
    body.messages++
    const kept = new KeptMessage(message, body, nowMs)
    this.#counters.queuedBytes += kept.bytes
    this.#newest = kept
    return kept
  }

  /** Its topic may be nowhere else any more when it is sent, but is the same for all who wait. */
  #copy({ serial, payload, topic, copy }: OutboundMessage): KeptBody {
    const bytes = BODY_BYTES + payload.length + topic.length
    this.#counters.queuedBytes += bytes
    return { serial, payload: copy?.payload ?? new Uint8Array(payload), bytes, messages: 0 }
  }
}

/** Each group has a copy of its own; all that wait have one payload. */
function copyWith(payload: Uint8Array, copy: SharedCopy | undefined): SharedCopy | undefined {
  return copy === undefined || copy.payload === payload ? copy : { ...copy, payload }
}

/** Beside the payload, which is that of the body. */
function copyBytes(copy: SharedCopy | undefined): number {
  if (copy === undefined) return 0
  return MESSAGE_BYTES + copy.subject.length + copy.reply.length + copy.headers.length
}
