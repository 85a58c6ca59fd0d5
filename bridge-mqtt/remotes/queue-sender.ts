import type { Log } from '../../shared/log/index.ts'
import { type Clock, messageOf, type Tasks } from '../../shared/runtime/index.ts'
import { RetentionClock, type StoredMessage, type StreamBatch } from '../../shared/store/index.ts'
import { BytesCache } from '../../shared/subject/index.ts'
import { REASON } from '../codec/index.ts'
import type { Notices } from '../notices.ts'
import { SendWindow } from '../send-window.ts'
import { subjectToTopic } from '../topic-map.ts'
import { CACHED_TOPIC_BYTES, CACHED_TOPICS_MAX, PAGE_BYTES, PAGE_MESSAGES } from './limits.ts'
import type { RemoteCounters } from './remote-counters.ts'
import type { DirectSender, RemoteQueue } from './remote-queue.ts'

/** A connection whose CONNACK said yes, as the sender writes to it. */
export interface PublishLine {
  /** Unacknowledged publishes that the broker takes at a time. */
  readonly receiveMaximum: number
  /** The broker knows our session: what was in flight goes out again as it was. */
  readonly isSessionPresent: boolean
  /** Output is full: nothing is sent until `pump` is called again. */
  readonly isBehind: boolean
  /** `packetId` 0 is QoS 0. */
  publish(message: Outgoing, packetId: number, isDup: boolean): Publishing
  /** The broker, or our disk, cannot go on: the connection is to be made anew after a while. */
  fail(reason: string, advice: string): void
}

/** Whether a message has gone out, or why it never will: it is larger than the broker takes, or its time is over. */
export type Publishing = 'sent' | 'too large' | 'expired'

export interface Outgoing {
  readonly topic: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** How long it has waited here. */
  readonly waitedMs: number
}

interface Sent {
  readonly seq: number
  readonly subject: string
  readonly bytes: number
}

export interface QueueSenderParts {
  readonly queue: RemoteQueue
  readonly inflightMax: number
  readonly clock: Clock
  readonly tasks: Tasks
  readonly counters: RemoteCounters
  readonly notices: Notices
  readonly log: Log
}

/**
 * Takes messages from the queue to the broker, in their order, with a window of unacknowledged ones. With each
 * connection it begins at the eldest that is still there: what was in flight goes out first, with the packet
 * identifiers that it had and DUP when the broker still knows the session [MQTT-4.4.0-1].
 */
export class QueueSender implements DirectSender {
  readonly #parts: QueueSenderParts
  readonly #retention: RetentionClock
  #line: PublishLine | undefined
  #window = new SendWindow(0)
  /** By packet identifier, in the order of sending. */
  readonly #inflight = new Map<number, Sent>()
  /** Identifiers that messages had on an earlier connection, by sequence. */
  readonly #again = new Map<number, number>()
  readonly #topics = new BytesCache<Uint8Array>(CACHED_TOPICS_MAX, CACHED_TOPIC_BYTES)
  #page: readonly StoredMessage[] = []
  #pageIndex = 0
  #nextSeq = 0
  #isReading = false
  /** Rises with every connection: what was read for an earlier one is passed over. */
  #epoch = 0
  readonly #stopListening: () => void

  constructor(parts: QueueSenderParts) {
    this.#parts = parts
    const { queue, clock } = parts
    this.#retention = new RetentionClock(clock, () => queue.stream.state.lastTimeMs)
    this.#stopListening = parts.queue.stream.onCommit(() => this.pump())
  }

  get inflight(): number {
    return this.#inflight.size
  }

  attach(line: PublishLine): void {
    const { stream } = this.#parts.queue
    this.detach()
    this.#line = line
    if (!line.isSessionPresent) this.#again.clear()
    for (const seq of this.#again.keys()) if (!stream.has(seq)) this.#again.delete(seq)
    this.#window = new SendWindow(Math.min(line.receiveMaximum, this.#parts.inflightMax))
    this.#nextSeq = stream.state.firstSeq
    this.pump()
  }

  /** The connection has ended. */
  detach(): void {
    this.#line = undefined
    this.#epoch++
    this.#isReading = false
    this.#page = []
    this.#pageIndex = 0
    for (const [packetId, { seq }] of this.#inflight) this.#again.set(seq, packetId)
    this.#inflight.clear()
  }

  stop(): void {
    this.detach()
    this.#stopListening()
  }

  /** Sends what window and output have room for; called whenever there may be more of either, or of messages. */
  pump(): void {
    for (;;) {
      const line = this.#line
      if (line === undefined || !this.#window.hasRoom || line.isBehind) return
      const message = this.#page[this.#pageIndex]
      if (message === undefined) {
        this.#readOn()
        return
      }
      this.#pageIndex++
      if (this.#parts.queue.stream.has(message.seq)) this.#send(line, message)
    }
  }

  /** PUBACK. One for a packet that is not in flight changes nothing. */
  acknowledged(packetId: number, reason: number): void {
    const message = this.#inflight.get(packetId)
    if (message === undefined) return
    if (reason === REASON.quotaExceeded) {
      this.#line?.fail('the broker has no room for our messages (0x97)', 'look at its quotas')
      return
    }
    this.#inflight.delete(packetId)
    this.#window.release(packetId)
    const { counters } = this.#parts
    if (reason < REASON.unspecified) {
      counters.sentMessages++
      counters.sentBytes += message.bytes
    } else {
      this.#giveUp(message, 'broker refused a message: dropped', {
        reason: `0x${reason.toString(16)}`,
      })
    }
    this.#remove(message.seq)
    this.pump()
  }

  sendNow(topicSubject: Uint8Array, headers: Uint8Array, payload: Uint8Array): void {
    const { counters } = this.#parts
    const topic = this.#topicOf(topicSubject)
    const line = this.#line
    const isSent =
      topic !== undefined &&
      line !== undefined &&
      !line.isBehind &&
      line.publish({ topic, headers, payload, waitedMs: 0 }, 0, false) === 'sent'
    if (!isSent) {
      counters.refusedOutbound++
      return
    }
    counters.sentMessages++
    counters.sentBytes += payload.length
  }

  #send(line: PublishLine, message: StoredMessage): void {
    const { counters } = this.#parts
    const topic = this.#topicOf(message.subjectBytes)
    const known = this.#again.get(message.seq)
    this.#again.delete(message.seq)
    if (known !== undefined) this.#window.reserve(known)
    const packetId = known ?? this.#window.take()
    const { headers, payload, timeMs } = message
    // A wall clock that jumps ahead must not cost what is certain to be sent.
    const waitedMs = Math.max(0, (this.#retention.nowMs() ?? timeMs) - timeMs)
    const outcome =
      topic === undefined
        ? 'too large'
        : line.publish({ topic, headers, payload, waitedMs }, packetId, known !== undefined)
    if (outcome !== 'sent') {
      this.#window.release(packetId)
      if (outcome === 'expired') counters.expired++
      else {
        const fields = { bytes: payload.length }
        this.#giveUp(message, 'message is larger than the broker takes: dropped', fields)
      }
      this.#remove(message.seq)
      return
    }
    if (known !== undefined) counters.resentMessages++
    const { seq, subject } = message
    this.#inflight.set(packetId, { seq, subject, bytes: payload.length })
  }

  /** The queue took only what has one. */
  #topicOf(subject: Uint8Array): Uint8Array | undefined {
    const known = this.#topics.get(subject, 0, subject.length)
    if (known !== undefined) return known
    const topic = subjectToTopic(subject)
    if (topic !== undefined) this.#topics.add(subject, 0, subject.length, topic)
    return topic
  }

  #giveUp({ subject }: { readonly subject: string }, message: string, fields: object): void {
    this.#parts.counters.refusedOutbound++
    this.#parts.notices.warn({ subject, ...fields }, message)
  }

  /** What cannot be removed goes out again with the next connection. */
  #remove(seq: number): void {
    try {
      this.#parts.queue.stream.removeLazily(seq)
    } catch (error) {
      this.#parts.notices.warn(
        { err: error },
        'cannot remove what a broker has: it may get it twice',
      )
    }
  }

  #readOn(): void {
    const { stream } = this.#parts.queue
    if (this.#isReading || this.#nextSeq > stream.lastSeq) return
    this.#isReading = true
    const epoch = this.#epoch
    this.#parts.tasks.run("read of a broker's queue", async () => {
      let batch: StreamBatch | undefined
      let failure: unknown
      try {
        const { lastSeq } = stream
        const options = { fromSeq: this.#nextSeq, messagesMax: PAGE_MESSAGES, bytesMax: PAGE_BYTES }
        batch = await stream.read(options)
        if (epoch === this.#epoch) this.#nextSeq = this.#behind(batch, lastSeq)
      } catch (error) {
        failure = error
      }
      if (epoch !== this.#epoch) return
      this.#isReading = false
      this.#page = batch?.messages ?? []
      this.#pageIndex = 0
      if (failure === undefined) this.pump()
      else this.#line?.fail(`cannot read the queue: ${messageOf(failure)}`, 'look at the disk')
    })
  }

  /** What was appended while it was read has not been looked at. */
  #behind({ messages, nextSeq }: StreamBatch, lastSeq: number): number {
    return Math.max((messages.at(-1)?.seq ?? 0) + 1, Math.min(nextSeq, lastSeq + 1))
  }
}
