import type { Message } from '../broker/index.ts'
import type { Cancel, Clock } from '../runtime/index.ts'
import type { Channel } from '../transport/index.ts'
import { formatDecimal } from '../wire/index.ts'
import { linkReplyOf } from './ack-reply.ts'
import { HEAD_BYTES_MIN, IN_FLIGHT_BYTES_MAX, PUMP_INTERVAL_MS } from './limits.ts'

/**
 * What a link sends. Control (interest, PING, PONG, -ERR) goes to the channel at once. Messages do
 * too as long as the channel holds little; on a slow link they wait here, so that a heartbeat goes in
 * front of them and never behind more than IN_FLIGHT_BYTES_MAX. What would exceed `pendingBytesMax`
 * is not taken: the caller counts it as dropped.
 */
const CRLF = Buffer.from('\r\n')
const LMSG = Buffer.from('LMSG ')
const HMSG = Buffer.from('HMSG ')
const EMPTY = new Uint8Array(0)

/** Sent entries are cut off in front in lots of this many. */
const TRIM_AFTER = 1_024

const SPACE = 32
const PLUS = 43
const BAR = 124

export class LinkOutput {
  readonly #channel: Channel
  readonly #clock: Clock
  readonly #pendingBytesMax: number
  #head = Buffer.allocUnsafe(HEAD_BYTES_MIN)
  #waiting: Uint8Array[] = []
  #first = 0
  #waitingBytes = 0
  #writtenBytes = 0
  #cancelPump: Cancel | undefined
  #onEmpty: (() => void) | undefined
  #isClosed = false

  constructor(channel: Channel, clock: Clock, pendingBytesMax: number) {
    this.#channel = channel
    this.#clock = clock
    this.#pendingBytesMax = pendingBytesMax
  }

  /** Bytes taken and not yet by the kernel. */
  get pendingBytes(): number {
    return this.#waitingBytes + this.#channel.pendingBytes
  }

  /** Bytes given to the channel so far. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  control(bytes: Uint8Array): void {
    this.#write(bytes)
  }

  /** False: dropped, the link is too slow. */
  message(message: Message, queues: readonly string[], hasHeaders: boolean): boolean {
    const headers = hasHeaders ? message.headers : EMPTY
    const { payload } = message
    const head = this.#headOf(message, queues, headers.length, payload.length)
    const size = head.length + headers.length + payload.length + CRLF.length
    if (this.#waitingBytes === 0 && this.#channel.pendingBytes < IN_FLIGHT_BYTES_MAX) {
      this.#write(head)
      if (headers.length > 0) this.#write(headers)
      if (payload.length > 0) this.#write(payload)
      this.#write(CRLF)
      return true
    }
    if (this.#waitingBytes + size > this.#pendingBytesMax) return false
    this.#waiting.push(Buffer.concat([head, headers, payload, CRLF], size))
    this.#waitingBytes += size
    this.#schedule(false)
    return true
  }

  /** Calls back when all messages are with the channel; at once when they are. */
  whenEmpty(callback: () => void): void {
    if (this.#waitingBytes === 0) callback()
    else this.#onEmpty = callback
  }

  close(): void {
    this.#isClosed = true
    this.#cancelPump?.()
    this.#waiting = []
    this.#waitingBytes = 0
  }

  #write(bytes: Uint8Array): void {
    this.#writtenBytes += bytes.length
    this.#channel.write(bytes)
  }

  /** Each turn of the loop while the channel takes something, else after a short time. */
  #schedule(hasProgressed: boolean): void {
    if (this.#cancelPump !== undefined) return
    const pump = (): void => {
      this.#cancelPump = undefined
      if (!this.#isClosed) this.#pump()
    }
    if (hasProgressed) {
      this.#cancelPump = () => {}
      this.#clock.soon(pump)
    } else {
      this.#cancelPump = this.#clock.after(PUMP_INTERVAL_MS, pump)
    }
  }

  #pump(): void {
    let hasProgressed = false
    while (this.#first < this.#waiting.length && this.#channel.pendingBytes < IN_FLIGHT_BYTES_MAX) {
      const bytes = this.#waiting[this.#first] ?? EMPTY
      this.#waiting[this.#first] = EMPTY
      this.#first++
      this.#waitingBytes -= bytes.length
      this.#write(bytes)
      hasProgressed = true
    }
    if (this.#first < this.#waiting.length) {
      this.#trim()
      this.#schedule(hasProgressed)
      return
    }
    this.#waiting = []
    this.#first = 0
    const onEmpty = this.#onEmpty
    this.#onEmpty = undefined
    onEmpty?.()
  }

  #trim(): void {
    if (this.#first < TRIM_AFTER) return
    this.#waiting = this.#waiting.slice(this.#first)
    this.#first = 0
  }

  /** The control line of one message, in memory that is used again for the next. */
  #headOf(
    message: Message,
    queues: readonly string[],
    headerSize: number,
    payloadSize: number,
  ): Uint8Array {
    const { subjectBytes } = message
    const reply = linkReplyOf(message)
    let need = subjectBytes.length + reply.length * 3 + 64
    for (const queue of queues) need += queue.length * 3 + 1
    if (this.#head.length < need) this.#head = Buffer.allocUnsafe(need * 2)
    const head = this.#head
    head.set(headerSize > 0 ? HMSG : LMSG)
    head.set(subjectBytes, 5)
    let at = 5 + subjectBytes.length
    if (queues.length > 0) {
      head[at++] = SPACE
      head[at++] = reply === '' ? BAR : PLUS
    }
    if (reply !== '') at = writeText(head, at, reply)
    for (const queue of queues) at = writeText(head, at, queue)
    if (headerSize > 0) at = writeNumber(head, at, headerSize)
    at = writeNumber(head, at, headerSize + payloadSize)
    at += CRLF.copy(head, at)
    return head.subarray(0, at)
  }
}

function writeText(head: Buffer, at: number, text: string): number {
  head[at] = SPACE
  return at + 1 + head.write(text, at + 1)
}

function writeNumber(head: Buffer, at: number, value: number): number {
  head[at] = SPACE
  return formatDecimal(head, at + 1, value)
}
