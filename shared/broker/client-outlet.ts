import type { SubjectPermissionConfig } from '../config/index.ts'
import type { Clock } from '../runtime/index.ts'
import { arenaBytes, arenaView, type Channel, type Output } from '../transport/index.ts'
import type { ClientSubscription } from './client-subscription.ts'
import { STALL_BYTES, STALL_MS, STALL_PROGRESS_BYTES } from './limits.ts'
import type { LaidOutMessage, Message, Peer, Subscription } from './message.ts'
import {
  HMSG_BYTES,
  LINE_ROOM,
  MSG_BYTES,
  partOf,
  SIZES_ROOM,
  writeFrame,
  writeLaidOut,
  writePieces,
} from './parts-writer.ts'
import type { PermissionGuard } from './permission-guard.ts'
import { PublisherFlow } from './publisher-flow.ts'
import { RoutedMessage } from './routed-message.ts'

/** What an outlet tells its connection. */
export interface OutletOwner {
  /** The subscription has got the last message it asked for. */
  exhausted(subscription: ClientSubscription): void
  /** More is pending than the client may owe. */
  slowConsumer(): void
}

/** A part of the broker's options. */
export interface OutletOptions {
  readonly pendingBytesMax: number
  readonly dropsForSlowConsumers: boolean
}

/**
 * The receiving half of a NATS client's connection: writes MSG and HMSG into the output.
 *
 * A frame goes out as one run: `MSG `, the subject with its space from where it was read, the
 * prepared sid, and all the rest of the publisher's bytes from the reply to the last CRLF. Only a
 * message without a frame, a very long sid, or headers that must be stripped take a slower road.
 */
export class ClientOutlet implements Peer {
  readonly kind = 'client'
  readonly id: number
  readonly channel: Channel
  readonly output: Output
  readonly flow: PublisherFlow
  echo = true
  supportsHeaders = false
  isClosed = false
  deliveredMessages = 0
  deliveredBytes = 0
  stalls = 0
  readonly #owner: OutletOwner
  readonly #clock: Clock
  readonly #options: OutletOptions
  /** With more pending than this the receiver is behind. */
  readonly #behindBytes: number
  #guard: PermissionGuard | undefined
  #tracksReplies = false
  /** It is behind, and publishers are not to wait: it misses messages. */
  #isDropping = false
  /** Publishers that wait for this receiver. */
  #waiting: Set<Peer> | undefined

  constructor(
    clock: Clock,
    channel: Channel,
    id: number,
    options: OutletOptions,
    owner: OutletOwner,
  ) {
    this.#clock = clock
    this.channel = channel
    this.flow = new PublisherFlow(channel)
    this.output = channel.output
    this.id = id
    this.#options = options
    const { pendingBytesMax, dropsForSlowConsumers } = options
    this.#behindBytes = dropsForSlowConsumers
      ? pendingBytesMax * DROPPING_SHARE
      : Math.min(STALL_BYTES, pendingBytesMax)
    this.#owner = owner
  }

  set guard(guard: PermissionGuard | undefined) {
    this.#guard = guard
    this.#tracksReplies = guard?.tracksReplies ?? false
  }

  get publishRules(): SubjectPermissionConfig | undefined {
    return this.#guard?.publishRules
  }

  deliver(subscription: Subscription, message: Message): void {
    if (message instanceof RoutedMessage) this.take(subscription as ClientSubscription, message)
  }

  /** Whether the client takes the message; it does unless it is gone or wants no echo. */
  take(subscription: ClientSubscription, message: RoutedMessage): boolean {
    if (message.hasHeaders && !this.supportsHeaders) {
      return this.#takeMessage(subscription, message, false)
    }
    if (!message.stage()) return this.#takeMessage(subscription, message, message.hasHeaders)
    return this.takeRun(
      subscription,
      message.origin,
      message.hasHeaders,
      message.subjectStart,
      message.tailStart,
      message.end,
      message.totalBytes,
    )
  }

  /**
   * The hot path. Bytes [subjectStart, tailStart) of the arena are the subject and its space,
   * [tailStart, end) the rest of the message, of which `totalBytes` are headers and payload.
   */
  takeRun(
    subscription: ClientSubscription,
    origin: Peer,
    hasHeaders: boolean,
    subjectStart: number,
    tailStart: number,
    end: number,
    totalBytes: number,
  ): boolean {
    if (!this.#admits(subscription, origin)) return false
    if (subscription.isFiltered) {
      const subject = textAt(subjectStart, tailStart - 1)
      if (!this.mayReceive(subject, subscription.queue)) return false
    }
    const subjectSize = tailStart - subjectStart
    const tailSize = end - tailStart
    let at = this.output.reserve(LINE_ROOM + subjectSize + subscription.sidSize + tailSize)
    if (at < 0) {
      this.#writeRun(subscription, hasHeaders, subjectStart, tailStart, end)
    } else {
      if (hasHeaders) {
        arenaView.setInt32(at, HMSG, true)
        arenaBytes[at + 4] = SPACE
        at += 5
      } else {
        arenaView.setInt32(at, MSG, true)
        at += 4
      }
      copyWords(at, subjectStart, subjectSize)
      at += subjectSize
      if (subscription.sidSize <= 8) {
        arenaView.setInt32(at, subscription.sidLow, true)
        arenaView.setInt32(at + 4, subscription.sidHigh, true)
      } else arenaBytes.set(subscription.sidBytes, at)
      at += subscription.sidSize
      if (tailSize <= COPY_WORDS_MAX) copyWords(at, tailStart, tailSize)
      else arenaBytes.copyWithin(at, tailStart, end)
      this.output.commit(at + tailSize)
    }
    this.#delivered(subscription, origin, totalBytes)
    if (this.#tracksReplies) this.#guard?.delivered(replyAt(tailStart, hasHeaders))
    return true
  }

  /** The same for one receiver alone, of what does not lie in the arena: it is put together where it goes out. */
  takeParts(
    subscription: ClientSubscription,
    origin: Peer,
    shown: Uint8Array,
    reply: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
  ): boolean {
    if (!this.#admits(subscription, origin)) return false
    if (subscription.isFiltered && !this.mayReceive(textOf(shown), subscription.queue)) return false
    const size = headers.length + payload.length
    const lineSize = LINE_ROOM + SIZES_ROOM + shown.length + subscription.sidSize + reply.length
    const at = this.output.reserve(lineSize + size)
    if (at < 0) writePieces(this.output, subscription.sidBytes, shown, reply, headers, payload)
    else {
      const end = writeFrame(at, subscription.sidBytes, shown, reply, headers, payload)
      this.output.commit(end)
    }
    this.output.sendSegments()
    this.#delivered(subscription, origin, size)
    if (this.#tracksReplies) this.#guard?.delivered(textOf(reply))
    return true
  }

  /** The same for what lies in one piece: it is copied from there, and no view is made of it. */
  takeLaidOut(
    subscription: ClientSubscription,
    origin: Peer,
    message: LaidOutMessage,
    reply: Uint8Array,
  ): boolean {
    if (!this.#admits(subscription, origin)) return false
    const { bytes, subjectAt, headersAt, payloadAt, end } = message
    const size = end - headersAt
    const lineSize = LINE_ROOM + SIZES_ROOM + headersAt - subjectAt + subscription.sidSize
    const isFiltered = subscription.isFiltered
    const at = isFiltered ? -1 : this.output.reserve(lineSize + reply.length + size)
    if (at < 0) {
      const shown = partOf(bytes, subjectAt, headersAt)
      const headers = partOf(bytes, headersAt, payloadAt)
      const payload = partOf(bytes, payloadAt, end)
      return this.takeParts(subscription, origin, shown, reply, headers, payload)
    }
    this.output.commit(writeLaidOut(at, subscription.sidBytes, message, reply))
    this.output.sendSegments()
    this.#delivered(subscription, origin, size)
    if (this.#tracksReplies) this.#guard?.delivered(textOf(reply))
    return true
  }

  /** Output of another kind (PONG, -ERR): bounded by the same limit. */
  write(bytes: Uint8Array): void {
    if (this.isClosed) return
    this.output.write(bytes)
    this.checkPending()
  }

  /** Called behind whatever is written past `write`. */
  checkPending(): void {
    if (this.output.pendingBytes > this.#options.pendingBytesMax) this.#owner.slowConsumer()
  }

  /** Lets the publishers go on that wait for this receiver. */
  releasePublishers(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    for (const publisher of waiting) publisher.flow?.resume()
    waiting.clear()
  }

  mayReceive(subject: string, queue: string): boolean {
    return this.#guard === undefined || this.#guard.mayReceive(subject, queue)
  }

  #admits(subscription: ClientSubscription, origin: Peer): boolean {
    if (this.#isDropping && this.output.pendingBytes > this.#behindBytes) return false
    return !this.isClosed && !subscription.isClosed && (origin !== this || this.echo)
  }

  #delivered(subscription: ClientSubscription, origin: Peer, size: number): void {
    this.deliveredMessages++
    this.deliveredBytes += size
    const delivered = ++subscription.delivered
    if (subscription.deliveredMax !== 0 && delivered >= subscription.deliveredMax) {
      this.#owner.exhausted(subscription)
    }
    if (this.output.pendingBytes > this.#behindBytes) this.#fallBehind(origin)
  }

  #fallBehind(origin: Peer): void {
    if (this.output.pendingBytes > this.#options.pendingBytesMax) {
      this.#owner.slowConsumer()
      return
    }
    if (this.#options.dropsForSlowConsumers) {
      this.#isDropping = true
      return
    }
    if (origin === this || origin.flow === undefined || this.#waiting?.has(origin)) return
    this.stalls++
    this.#waiting ??= new Set()
    this.#waiting.add(origin)
    origin.flow.pause()
    this.#hold(origin, this.#waiting, this.output.pendingBytes)
  }

  /** Holds the publisher for as long as this receiver catches up. */
  #hold(publisher: Peer, waiting: Set<Peer>, pendingBytes: number): void {
    this.#clock.after(STALL_MS, () => {
      if (!waiting.has(publisher)) return
      const pendingNow = this.output.pendingBytes
      if (pendingBytes - pendingNow >= STALL_PROGRESS_BYTES) {
        this.#hold(publisher, waiting, pendingNow)
      } else {
        waiting.delete(publisher)
        publisher.flow?.resume()
      }
    })
  }

  /** Larger than an output slot: in pieces. */
  #writeRun(
    subscription: ClientSubscription,
    hasHeaders: boolean,
    subjectStart: number,
    tailStart: number,
    end: number,
  ): void {
    this.output.write(hasHeaders ? HMSG_BYTES : MSG_BYTES)
    this.output.write(arenaBytes.subarray(subjectStart, tailStart))
    this.output.write(subscription.sidBytes)
    this.output.write(arenaBytes.subarray(tailStart, end))
  }

  #takeMessage(
    subscription: ClientSubscription,
    message: RoutedMessage,
    withHeaders: boolean,
  ): boolean {
    const { origin, shownBytes, replyBytes, headers, payload } = message
    const shownHeaders = withHeaders ? headers : NO_HEADERS
    return this.takeParts(subscription, origin, shownBytes, replyBytes, shownHeaders, payload)
  }
}

const CR = 13
const SPACE = 32
const NO_HEADERS = new Uint8Array(0)
const MSG = MSG_BYTES.readInt32LE(0)
const HMSG = HMSG_BYTES.readInt32LE(0)
/** Up to here a loop over words beats `copyWithin`, measured. */
const COPY_WORDS_MAX = 48

/** Of `max_pending`: nats-server's mark for a receiver that is behind. */
const DROPPING_SHARE = 0.75

function textAt(start: number, end: number): string {
  return arenaBytes.toString('utf8', start, end)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

/** The reply subject of a frame's tail `[<reply> ][<header size> ]<size>\r\n…`; '' for none. */
function replyAt(tailStart: number, hasHeaders: boolean): string {
  let words = 1
  let firstEnd = 0
  let at = tailStart
  for (; arenaBytes[at] !== CR; at++) {
    if (arenaBytes[at] !== SPACE) continue
    if (words === 1) firstEnd = at
    words++
  }
  return words > (hasHeaders ? 2 : 1) ? textAt(tailStart, firstEnd) : ''
}

/** Copies by whole words, and so up to three bytes more. Both ends have slack for that. */
function copyWords(to: number, from: number, size: number): void {
  for (let i = 0; i < size; i += 4)
    arenaView.setInt32(to + i, arenaView.getInt32(from + i, true), true)
}
