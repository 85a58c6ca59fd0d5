import type { Message } from '../../shared/broker/index.ts'
import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import { arenaBytes, type Channel } from '../../shared/transport/index.ts'
import { formatDecimal } from '../../shared/wire/index.ts'
import { LINE_BYTES_MAX, QUEUES_MAX } from './limits.ts'

/**
 * What is sent to one hub. Nothing waits here: all of it goes to the channel, and a peer that takes
 * too little of it is too slow for this mesh (`onTooSlow`): more than `pendingBytesMax` wait, or none
 * of what waits has left within the write deadline. Then the link is cut, which costs its messages
 * and nobody else's.
 */
export interface PeerOutputOptions {
  readonly channel: Channel
  readonly clock: Clock
  readonly pendingBytesMax: number
  readonly writeDeadlineMs: number
  readonly onTooSlow: (reason: string) => void
}

const RMSG = Buffer.from('RMSG ')
const CRLF = Buffer.from('\r\n')
const SPACE = 32
const CR = 13
const LF = 10
/** Blanks, flags, two sizes and the ends of line and body. */
const HEAD_OVERHEAD = 64

export class PeerOutput {
  readonly #options: PeerOutputOptions
  readonly #channel: Channel
  #scratch: Buffer = Buffer.alloc(0)
  #writtenBytes = 0
  #takenBytes = 0
  #cancelDeadline: Cancel | undefined
  #isClosed = false

  constructor(options: PeerOutputOptions) {
    this.#options = options
    this.#channel = options.channel
  }

  /** Bytes given to the channel so far. */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  get pendingBytes(): number {
    return this.#channel.pendingBytes
  }

  /** Interest is not bounded by what waits: all of it has to go, or the next link would end as this one. */
  control(bytes: Uint8Array): void {
    if (this.#isClosed) return
    this.#writtenBytes += bytes.length
    this.#channel.write(bytes)
    this.#watch()
  }

  /** False: the link cannot carry it, since a word of it is too long for a line. */
  message(
    account: Uint8Array,
    message: Message,
    queues: readonly string[],
    isToStore: boolean,
  ): boolean {
    // Whatever the message: the link has ended, and that is what is said of it.
    if (this.#isClosed) return true
    if (queues.length <= QUEUES_MAX) return this.#send(account, message, queues, isToStore, false)
    // The rest of the groups follows in messages of their own, which are for them alone.
    for (let from = 0; from < queues.length; from += QUEUES_MAX) {
      const part = queues.slice(from, from + QUEUES_MAX)
      if (!this.#send(account, message, part, isToStore && from === 0, from > 0)) return false
    }
    return true
  }

  close(): void {
    this.#isClosed = true
    this.#cancelDeadline?.()
    this.#cancelDeadline = undefined
  }

  #send(
    account: Uint8Array,
    message: Message,
    queues: readonly string[],
    isToStore: boolean,
    isForGroupsOnly: boolean,
  ): boolean {
    const { headers, payload } = message
    const named = queues.length === 0 ? EMPTY : Buffer.from(`${queues.join(' ')} `)
    const flags = (isToStore ? TO_STORE : 0) | (isForGroupsOnly ? GROUPS_ONLY : 0)
    const headSize = headSizeOf(account, message) + named.length
    if (headSize > LINE_BYTES_MAX) return false
    const bodySize = headers.length + payload.length
    const at = this.#channel.reserve(headSize + bodySize + 2)
    if (at >= 0) {
      let end = writeHead(arenaBytes, at, account, message, named, flags)
      arenaBytes.set(headers, end)
      arenaBytes.set(payload, end + headers.length)
      end += bodySize
      arenaBytes[end] = CR
      arenaBytes[end + 1] = LF
      this.#channel.commit(end + 2)
      this.#writtenBytes += end + 2 - at
    } else this.#writeInPieces(account, message, named, headSize, flags)
    const { pendingBytes } = this.#channel
    const { pendingBytesMax, onTooSlow } = this.#options
    if (pendingBytes > pendingBytesMax) onTooSlow(`${pendingBytes} bytes wait for it`)
    else this.#watch()
    return true
  }

  #writeInPieces(
    account: Uint8Array,
    message: Message,
    named: Uint8Array,
    headSize: number,
    flags: number,
  ): void {
    const { headers, payload } = message
    if (this.#scratch.length < headSize) this.#scratch = Buffer.allocUnsafe(headSize * 2)
    const end = writeHead(this.#scratch, 0, account, message, named, flags)
    this.#channel.write(this.#scratch.subarray(0, end))
    this.#channel.write(headers)
    this.#channel.write(payload)
    this.#channel.write(CRLF)
    this.#writtenBytes += end + headers.length + payload.length + 2
  }

  /** One timer as long as something waits, whatever is written meanwhile. */
  #watch(): void {
    const { pendingBytes } = this.#channel
    const { writeDeadlineMs, clock } = this.#options
    if (this.#cancelDeadline !== undefined || pendingBytes === 0) return
    this.#takenBytes = this.#writtenBytes - pendingBytes
    this.#cancelDeadline = clock.after(writeDeadlineMs, () => this.#judge())
  }

  #judge(): void {
    this.#cancelDeadline = undefined
    const { pendingBytes } = this.#channel
    if (this.#isClosed || pendingBytes === 0) return
    if (this.#writtenBytes - pendingBytes > this.#takenBytes) this.#watch()
    else this.#options.onTooSlow(`it has taken none of ${pendingBytes} bytes in time`)
  }
}

const EMPTY = new Uint8Array(0)
const NO_FLAGS = 45
const FLAG_REPLY = 114
const FLAG_SHOWN = 115
const FLAG_HEADERS = 104
const FLAG_CAPTURE = 99
const FLAG_GROUPS = 113
const TO_STORE = 1
const GROUPS_ONLY = 2

/** At most; without the names of queue groups. */
function headSizeOf(account: Uint8Array, message: Message): number {
  const { subjectBytes, replyBytes, shownBytes } = message
  const words = account.length + subjectBytes.length + replyBytes.length + shownBytes.length
  return words + HEAD_OVERHEAD
}

function writeHead(
  into: Uint8Array,
  from: number,
  account: Uint8Array,
  message: Message,
  named: Uint8Array,
  flags: number,
): number {
  const { subjectBytes, replyBytes, shownBytes, headers, payload } = message
  const isShown = shownBytes !== subjectBytes
  into.set(RMSG, from)
  let at = writeWord(into, from + RMSG.length, account)
  const flagsAt = at
  if (replyBytes.length > 0) into[at++] = FLAG_REPLY
  if (isShown) into[at++] = FLAG_SHOWN
  if (headers.length > 0) into[at++] = FLAG_HEADERS
  if ((flags & TO_STORE) !== 0) into[at++] = FLAG_CAPTURE
  if ((flags & GROUPS_ONLY) !== 0) into[at++] = FLAG_GROUPS
  if (at === flagsAt) into[at++] = NO_FLAGS
  into[at++] = SPACE
  at = writeWord(into, at, subjectBytes)
  if (replyBytes.length > 0) at = writeWord(into, at, replyBytes)
  if (isShown) at = writeWord(into, at, shownBytes)
  if (named.length > 0) {
    into.set(named, at)
    at += named.length
  }
  if (headers.length > 0) {
    at = formatDecimal(into, at, headers.length)
    into[at++] = SPACE
  }
  at = formatDecimal(into, at, headers.length + payload.length)
  into[at] = CR
  into[at + 1] = LF
  return at + 2
}

function writeWord(into: Uint8Array, at: number, word: Uint8Array): number {
  into.set(word, at)
  into[at + word.length] = SPACE
  return at + word.length + 1
}
