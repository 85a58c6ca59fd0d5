import type { Publication } from '../broker/index.ts'
import { ControlLine, parseSize } from '../wire/index.ts'
import { LINE_ARGUMENTS_MAX } from './limits.ts'

/**
 * The byte stream of a leaf link as facts; it knows no connection.
 *
 *     INFO {json}            CONNECT {json}         PING   PONG   +OK   -ERR 'text'
 *     LS+ <subject> [<queue> <weight>]              LS- <subject> [<queue>]
 *     LMSG <subject> [<reply>] <size>               HMSG … <header size> <total size>
 *     LMSG <subject> + <reply> <queue>… <size>      with a reply, for the named queue groups
 *     LMSG <subject> | <queue>… <size>              without one
 *
 * Unless it is held, everything given is taken: the parser keeps the start of a line or of a payload until the rest has
 * come, the payload as chunks that are joined once. Facts are views on the bytes given and valid
 * during the call only. Sizes are checked as they arrive, so a sender cannot make us hold more than
 * one control line or one payload. Source: nats-server's parser, in the leafnode protocol digest.
 */
export interface LinkFacts {
  info(json: string): void
  connect(json: string): void
  ping(): void
  pong(): void
  error(text: string): void
  /** LS+. `queue` is '' for plain interest; `weight` is at least 1. */
  interest(subject: string, queue: string, weight: number): void
  /** LS-. */
  interestGone(subject: string, queue: string): void
  message(publication: Publication, queues: readonly string[]): void
}

/** What ends the connection: the text of its -ERR. */
export type LinkViolation =
  | 'Unknown Protocol Operation'
  | 'maximum control line exceeded'
  | 'Maximum Payload Violation'

export interface LinkParserLimits {
  readonly controlLineBytesMax: number
  readonly payloadBytesMax: number
}

const LF = 10
const CR = 13
const SPACE = 32
const TAB = 9
const PLUS = 43
const BAR = 124
const UPPER_CASE = 0xdf

const EMPTY = Buffer.alloc(0)
const NO_QUEUES: readonly string[] = []

/** One message on its way out of the parser; the same object for all of them. */
class InboundMessage implements Publication {
  subject: Uint8Array = EMPTY
  reply: Uint8Array = EMPTY
  headers: Uint8Array = EMPTY
  payload: Uint8Array = EMPTY
}

/** For the rare message with more queue groups than a parser's own line holds; nothing stays in it. */
const WIDE_LINE = new ControlLine(LINE_ARGUMENTS_MAX)

/** A message whose body is still coming. */
interface PartialMessage {
  readonly subject: Uint8Array
  readonly reply: Uint8Array
  readonly queues: readonly string[]
  readonly headerSize: number
  readonly totalSize: number
  readonly chunks: Uint8Array[]
  /** Bytes that are still missing, with the CRLF behind the payload. */
  missing: number
}

export class LinkParser {
  readonly #facts: LinkFacts
  readonly #limits: LinkParserLimits
  readonly #arguments = new ControlLine()
  readonly #message = new InboundMessage()
  #line: Uint8Array[] = []
  #lineBytes = 0
  #partial: PartialMessage | undefined
  #violation: LinkViolation | undefined
  #isStopped = false
  #leftBytes = 0
  /** Nothing is understood for now: what comes is left where it is. */
  isHeld = false

  constructor(facts: LinkFacts, limits: LinkParserLimits) {
    this.#facts = facts
    this.#limits = limits
  }

  /** Takes bytes [start, end). After a violation nothing more is taken, and it is returned again. */
  push(bytes: Buffer, start: number, end: number): LinkViolation | undefined {
    const chunk = bytes.subarray(start, end)
    let at = 0
    while (at < chunk.length && !this.#isStopped && !this.isHeld) {
      if (this.#partial !== undefined) at = this.#collect(this.#partial, chunk, at)
      else at = this.#takeLine(chunk, at)
    }
    this.#leftBytes = this.#isStopped ? 0 : chunk.length - at
    return this.#violation
  }

  /** At the end of what the last `push` was given: not taken, since it was held in the middle of it. */
  get leftBytes(): number {
    return this.#leftBytes
  }

  /** Nothing is half read: the next byte begins a line. */
  get isIdle(): boolean {
    return this.#lineBytes === 0 && this.#partial === undefined
  }

  /** No fact comes after it, also in the middle of a `push`. */
  stop(): void {
    this.#isStopped = true
    this.#partial = undefined
    this.#line = []
  }

  /** Returns where to go on: behind the line and, when it is all there, the payload that follows. */
  #takeLine(chunk: Buffer, at: number): number {
    const lineFeed = chunk.indexOf(LF, at)
    const lineEnd = lineFeed < 0 ? chunk.length : lineFeed
    if (this.#lineBytes + lineEnd - at > this.#limits.controlLineBytesMax) {
      return this.#fail('maximum control line exceeded', chunk)
    }
    if (lineFeed < 0) {
      this.#line.push(Buffer.from(chunk.subarray(at)))
      this.#lineBytes += lineEnd - at
      return chunk.length
    }
    if (this.#lineBytes === 0) return this.#parseLine(chunk, at, lineFeed, chunk, lineFeed + 1)
    const line = Buffer.concat([...this.#line, chunk.subarray(at, lineFeed)])
    this.#line = []
    this.#lineBytes = 0
    return this.#parseLine(line, 0, line.length, chunk, lineFeed + 1)
  }

  /** The line in [from, to) of `line`; a payload begins at `body` of `chunk`. */
  #parseLine(line: Buffer, from: number, to: number, chunk: Buffer, body: number): number {
    const end = to > from && line[to - 1] === CR ? to - 1 : to
    let opEnd = from
    while (opEnd < end && line[opEnd] !== SPACE && line[opEnd] !== TAB) opEnd++
    const size = opEnd - from
    if (size === 4 && isWord(line, from, 'LMSG')) {
      return this.#startMessage(line, opEnd, end, false, chunk, body)
    }
    if (size === 4 && isWord(line, from, 'HMSG')) {
      return this.#startMessage(line, opEnd, end, true, chunk, body)
    }
    return this.#parseControl(line, from, opEnd, end) ? body : this.#refuse(chunk)
  }

  #parseControl(line: Buffer, from: number, opEnd: number, end: number): boolean {
    switch (line.toString('latin1', from, opEnd).toUpperCase()) {
      case 'PING':
        this.#facts.ping()
        return true
      case 'PONG':
        this.#facts.pong()
        return true
      case '+OK':
        return true
      case '-ERR':
        this.#facts.error(unquoted(line.toString('utf8', opEnd, end)))
        return true
      case 'INFO':
        this.#facts.info(line.toString('utf8', opEnd, end))
        return true
      case 'CONNECT':
        this.#facts.connect(line.toString('utf8', opEnd, end))
        return true
      case 'LS+':
        return this.#parseInterest(line, opEnd, end)
      case 'LS-':
        return this.#parseInterestGone(line, opEnd, end)
      default:
        return false
    }
  }

  #parseInterest(line: Buffer, opEnd: number, end: number): boolean {
    const args = this.#arguments
    const count = args.split(line, opEnd, end)
    if (count !== 1 && count !== 3) return false
    const weight = count === 3 ? parseSize(line, args.start(2), args.end(2)) : 1
    this.#facts.interest(args.text(0), count === 3 ? args.text(1) : '', Math.max(weight, 1))
    return true
  }

  #parseInterestGone(line: Buffer, opEnd: number, end: number): boolean {
    const args = this.#arguments
    const count = args.split(line, opEnd, end)
    if (count !== 1 && count !== 2) return false
    this.#facts.interestGone(args.text(0), count === 2 ? args.text(1) : '')
    return true
  }

  #startMessage(
    line: Buffer,
    opEnd: number,
    end: number,
    hasHeaders: boolean,
    chunk: Buffer,
    body: number,
  ): number {
    let args = this.#arguments
    const sizes = hasHeaders ? 2 : 1
    let count = args.split(line, opEnd, end)
    if (count < 0) {
      args = WIDE_LINE
      count = args.split(line, opEnd, end)
    }
    const routing = count - sizes
    if (routing < 1) return this.#refuse(chunk)
    const totalSize = parseSize(line, args.start(count - 1), args.end(count - 1))
    const headerSize = hasHeaders ? parseSize(line, args.start(count - 2), args.end(count - 2)) : 0
    if (totalSize < 0 || headerSize < 0 || headerSize > totalSize) return this.#refuse(chunk)
    if (totalSize > this.#limits.payloadBytesMax) {
      return this.#fail('Maximum Payload Violation', chunk)
    }
    let reply: Uint8Array = EMPTY
    let queues = NO_QUEUES
    if (routing === 2) reply = args.bytes(1)
    if (routing > 2) {
      const indicator = indicatorOf(args, line)
      const hasReply = indicator === PLUS
      if (!hasReply && indicator !== BAR) return this.#refuse(chunk)
      if (hasReply) reply = args.bytes(2)
      queues = textsOf(args, hasReply ? 3 : 2, routing)
    }
    const whole = body + totalSize + 2
    if (whole <= chunk.length) {
      if (chunk[whole - 2] !== CR || chunk[whole - 1] !== LF) return this.#refuse(chunk)
      const bytes = chunk.subarray(body, whole - 2)
      this.#deliver(args.bytes(0), reply, queues, bytes, headerSize)
      return whole
    }
    this.#partial = {
      subject: Buffer.from(args.bytes(0)),
      reply: Buffer.from(reply),
      queues,
      headerSize,
      totalSize,
      chunks: [],
      missing: totalSize + 2,
    }
    return body
  }

  #collect(partial: PartialMessage, chunk: Buffer, at: number): number {
    const taken = Math.min(partial.missing, chunk.length - at)
    partial.chunks.push(Buffer.from(chunk.subarray(at, at + taken)))
    partial.missing -= taken
    if (partial.missing > 0) return at + taken
    const bytes = Buffer.concat(partial.chunks)
    const { subject, reply, queues, headerSize, totalSize } = partial
    if (bytes[totalSize] !== CR || bytes[totalSize + 1] !== LF) return this.#refuse(chunk)
    this.#partial = undefined
    this.#deliver(subject, reply, queues, bytes.subarray(0, totalSize), headerSize)
    return at + taken
  }

  #deliver(
    subject: Uint8Array,
    reply: Uint8Array,
    queues: readonly string[],
    body: Uint8Array,
    headerSize: number,
  ): void {
    const message = this.#message
    message.subject = subject
    message.reply = reply
    message.headers = headerSize === 0 ? EMPTY : body.subarray(0, headerSize)
    message.payload = headerSize === 0 ? body : body.subarray(headerSize)
    this.#facts.message(message, queues)
  }

  #refuse(chunk: Buffer): number {
    return this.#fail('Unknown Protocol Operation', chunk)
  }

  #fail(violation: LinkViolation, chunk: Buffer): number {
    this.#violation = violation
    this.stop()
    return chunk.length
  }
}

/** The second argument when it is one byte: `+` or `|` in front of queue groups. */
function indicatorOf(args: ControlLine, line: Buffer): number {
  const start = args.start(1)
  return args.end(1) - start === 1 ? (line[start] ?? 0) : 0
}

function textsOf(args: ControlLine, from: number, to: number): readonly string[] {
  const texts: string[] = []
  for (let i = from; i < to; i++) texts.push(args.text(i))
  return texts
}

/** Operations are case-insensitive. */
function isWord(line: Buffer, from: number, word: string): boolean {
  for (let i = 0; i < word.length; i++) {
    if (((line[from + i] ?? 0) & UPPER_CASE) !== word.charCodeAt(i)) return false
  }
  return true
}

function unquoted(text: string): string {
  const trimmed = text.trim()
  const isQuoted = trimmed.length >= 2 && trimmed.startsWith("'") && trimmed.endsWith("'")
  return isQuoted ? trimmed.slice(1, -1) : trimmed
}
