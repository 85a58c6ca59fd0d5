import type { Publication } from '../../shared/broker/index.ts'
import { ControlLine, parseSize } from '../../shared/wire/index.ts'
import { accountOf } from './account-token.ts'
import { ACCOUNT_NAMES_MAX, HELLO_LINE_BYTES_MAX, LINE_BYTES_MAX } from './limits.ts'

/**
 * The byte stream between two hubs as facts; it knows no connection.
 *
 *     INFO {json}   CONNECT {json}   PEER {json}   LEAF {json}   PING   PONG   +OK   -ERR 'text'
 *     RS+ <account> <subject> [<queue> <weight>]      RS- <account> <subject> [<queue>]
 *     RC+ <account> <subject>                         RC- <account> <subject>
 *     RMSG <account> <flags> <subject> [<reply>] [<shown subject>] [<queue>…] [<header size>] <size>
 *
 * RS is interest, RC a capture: a stream there stores what is published. The flags of a message say
 * which of the optional words are there, and what is asked for:
 *
 *     r  a reply     s  a shown subject     h  headers     -  none
 *     c  captures there store it            q  for the named groups only: the rest of a longer list
 *
 * Unless it is held, everything given is taken: the parser keeps the start of a line or of a payload until the rest has
 * come, the payload as chunks that are joined once. Facts are views on the bytes given and valid
 * during the call only. Until `trust` a line may be short only, and there are no messages.
 */
export interface PeerFacts {
  info(json: string): void
  connect(json: string): void
  peer(json: string): void
  leaf(json: string): void
  ping(): void
  pong(): void
  error(text: string): void
  /** RS+. `queue` is '' for plain interest; `weight` is at least 1. */
  interest(account: string, subject: string, queue: string, weight: number): void
  /** RS-. */
  interestGone(account: string, subject: string, queue: string): void
  capture(account: string, subject: string, isThere: boolean): void
  message(account: string, publication: Publication, demand: Demand): void
}

/** What is asked of the side that gets a message. */
export interface Demand {
  readonly queues: readonly string[]
  readonly isToStore: boolean
  readonly isForGroupsOnly: boolean
}

/** What ends the connection: the text of its -ERR. */
export type PeerViolation =
  | 'Unknown Protocol Operation'
  | 'maximum control line exceeded'
  | 'Maximum Payload Violation'

const LF = 10
const CR = 13
const SPACE = 32
const EMPTY = Buffer.alloc(0)
const NO_QUEUES: readonly string[] = []

const R = wordOf('RMSG')
const FLAG_REPLY = 114
const FLAG_SHOWN = 115
const FLAG_HEADERS = 104
const FLAG_CAPTURE = 99
const FLAG_GROUPS = 113
const FLAG_NONE = 45

/** One message on its way out of the parser; the same object for all of them. */
class InboundMessage implements Publication {
  subject: Uint8Array = EMPTY
  reply: Uint8Array = EMPTY
  headers: Uint8Array = EMPTY
  payload: Uint8Array = EMPTY
}

class ShownMessage extends InboundMessage {
  shownSubject: Uint8Array = EMPTY
}

/** What the line of a message says. */
interface Head extends Demand {
  account: string
  subject: Uint8Array
  reply: Uint8Array
  shown: Uint8Array | undefined
  queues: readonly string[]
  isToStore: boolean
  isForGroupsOnly: boolean
  headerSize: number
  totalSize: number
}

export class PeerParser {
  readonly #facts: PeerFacts
  readonly #payloadBytesMax: number
  readonly #arguments = new ControlLine()
  readonly #message = new InboundMessage()
  readonly #shownMessage = new ShownMessage()
  readonly #accounts = new Map<string, string>()
  #lastToken: Uint8Array = EMPTY
  #lastAccount = ''
  #isTrusted = false
  #line: Uint8Array[] = []
  #lineBytes = 0
  #head: Head = {
    account: '',
    subject: EMPTY,
    reply: EMPTY,
    shown: undefined,
    queues: NO_QUEUES,
    isToStore: false,
    isForGroupsOnly: false,
    headerSize: 0,
    totalSize: 0,
  }
  /** A body that is still coming: what is there, and how much is missing, its CRLF included. */
  #chunks: Uint8Array[] = []
  #missing = 0
  #violation: PeerViolation | undefined
  #isStopped = false
  #leftBytes = 0
  /** Nothing is understood for now: what comes is left where it is. */
  isHeld = false

  constructor(facts: PeerFacts, payloadBytesMax: number) {
    this.#facts = facts
    this.#payloadBytesMax = payloadBytesMax
  }

  /** The peer has proven who it is: from now on everything is taken. */
  trust(): void {
    this.#isTrusted = true
  }

  /** No fact comes after it, also in the middle of a `push`. */
  stop(): void {
    this.#isStopped = true
    this.#chunks = []
    this.#line = []
  }

  /** Takes bytes [start, end). After a violation nothing more is taken, and it is returned again. */
  push(bytes: Buffer, start: number, end: number): PeerViolation | undefined {
    const chunk = bytes.subarray(start, end)
    let at = 0
    while (at < chunk.length && !this.#isStopped && !this.isHeld) {
      at = this.#missing > 0 ? this.#collect(chunk, at) : this.#takeLine(chunk, at)
    }
    this.#leftBytes = this.#isStopped ? 0 : chunk.length - at
    return this.#violation
  }

  /** At the end of what the last `push` was given: not taken, since it was held in the middle of it. */
  get leftBytes(): number {
    return this.#leftBytes
  }

  /** Returns where to go on: behind the line and, when it is all there, the body that follows. */
  #takeLine(bytes: Buffer, at: number): number {
    const end = bytes.length
    const found = bytes.indexOf(LF, at)
    const lineEnd = found < 0 ? end : found
    const sizeMax = this.#isTrusted ? LINE_BYTES_MAX : HELLO_LINE_BYTES_MAX
    if (this.#lineBytes + lineEnd - at > sizeMax) return this.#fail('maximum control line exceeded')
    if (found < 0) {
      this.#line.push(Buffer.from(bytes.subarray(at, end)))
      this.#lineBytes += end - at
      return end
    }
    if (this.#lineBytes === 0) return this.#parseLine(bytes, at, lineEnd, bytes, lineEnd + 1)
    const line = Buffer.concat([...this.#line, bytes.subarray(at, lineEnd)])
    this.#line = []
    this.#lineBytes = 0
    return this.#parseLine(line, 0, line.length, bytes, lineEnd + 1)
  }

  /** The line in [from, to) of `line`; a body begins at `body` of `bytes`. */
  #parseLine(line: Buffer, from: number, to: number, bytes: Buffer, body: number): number {
    const stop = to > from && line[to - 1] === CR ? to - 1 : to
    if (stop - from > 5 && line[from + 4] === SPACE && line.readInt32LE(from) === R) {
      if (!this.#isTrusted || !this.#parseHead(line, from + 5, stop)) return this.#refuse()
      return this.#takeBody(bytes, body)
    }
    let opEnd = from
    while (opEnd < stop && line[opEnd] !== SPACE) opEnd++
    return this.#parseControl(line, from, opEnd, stop) ? body : this.#refuse()
  }

  #parseControl(line: Buffer, from: number, opEnd: number, end: number): boolean {
    const facts = this.#facts
    switch (line.toString('latin1', from, opEnd)) {
      case 'PING':
        facts.ping()
        return true
      case 'PONG':
        facts.pong()
        return true
      case '+OK':
        return true
      case '-ERR':
        facts.error(unquoted(line.toString('utf8', opEnd, end)))
        return true
      case 'INFO':
        facts.info(line.toString('utf8', opEnd, end))
        return true
      case 'CONNECT':
        facts.connect(line.toString('utf8', opEnd, end))
        return true
      case 'PEER':
        if (this.#isTrusted) facts.peer(line.toString('utf8', opEnd, end))
        return this.#isTrusted
      case 'LEAF':
        if (this.#isTrusted) facts.leaf(line.toString('utf8', opEnd, end))
        return this.#isTrusted
      case 'RS+':
      case 'RS-':
      case 'RC+':
      case 'RC-':
        return this.#isTrusted && this.#parseInterest(line, from, opEnd, end)
      default:
        return false
    }
  }

  #parseInterest(line: Buffer, from: number, opEnd: number, end: number): boolean {
    const args = this.#arguments
    const count = args.split(line, opEnd, end)
    const account = count >= 2 ? this.#account(args.bytes(0)) : undefined
    if (account === undefined) return false
    const subject = args.text(1)
    const isThere = line[from + 2] === PLUS
    if (line[from + 1] === CAPTURE) {
      if (count === 2) this.#facts.capture(account, subject, isThere)
      return count === 2
    }
    if (!isThere) {
      if (count <= 3) this.#facts.interestGone(account, subject, args.text(2))
      return count <= 3
    }
    if (count !== 2 && count !== 4) return false
    const weight = count === 4 ? parseSize(line, args.start(3), args.end(3)) : 1
    this.#facts.interest(account, subject, args.text(2), Math.max(weight, 1))
    return true
  }

  #parseHead(line: Buffer, from: number, end: number): boolean {
    const args = this.#arguments
    const head = this.#head
    const count = args.split(line, from, end)
    if (count < 4) return false
    let hasReply = false
    let hasShown = false
    let hasHeaders = false
    head.isToStore = false
    head.isForGroupsOnly = false
    for (let i = args.start(1); i < args.end(1); i++) {
      const flag = line[i]
      if (flag === FLAG_REPLY) hasReply = true
      else if (flag === FLAG_SHOWN) hasShown = true
      else if (flag === FLAG_HEADERS) hasHeaders = true
      else if (flag === FLAG_CAPTURE) head.isToStore = true
      else if (flag === FLAG_GROUPS) head.isForGroupsOnly = true
      else if (flag !== FLAG_NONE) return false
    }
    let next = 3
    const sizes = hasHeaders ? count - 2 : count - 1
    if (next + (hasReply ? 1 : 0) + (hasShown ? 1 : 0) > sizes) return false
    const account = this.#account(args.bytes(0))
    if (account === undefined) return false
    head.account = account
    head.subject = args.bytes(2)
    head.reply = hasReply ? args.bytes(next++) : EMPTY
    head.shown = hasShown ? args.bytes(next++) : undefined
    head.queues = next === sizes ? NO_QUEUES : this.#texts(next, sizes)
    head.headerSize = hasHeaders ? parseSize(line, args.start(sizes), args.end(sizes)) : 0
    head.totalSize = parseSize(line, args.start(count - 1), args.end(count - 1))
    return head.headerSize >= 0 && head.totalSize >= head.headerSize
  }

  #takeBody(bytes: Buffer, body: number): number {
    const { totalSize } = this.#head
    if (totalSize > this.#payloadBytesMax) return this.#fail('Maximum Payload Violation')
    const behind = body + totalSize + 2
    if (behind <= bytes.length) {
      if (bytes[behind - 2] !== CR || bytes[behind - 1] !== LF) return this.#refuse()
      this.#deliver(bytes, body)
      return behind
    }
    // The line is not ours to keep: its words are copied for as long as the body takes.
    const head = this.#head
    head.subject = Buffer.from(head.subject)
    head.reply = Buffer.from(head.reply)
    if (head.shown !== undefined) head.shown = Buffer.from(head.shown)
    this.#missing = totalSize + 2
    return body
  }

  #collect(bytes: Buffer, at: number): number {
    const taken = Math.min(this.#missing, bytes.length - at)
    this.#chunks.push(Buffer.from(bytes.subarray(at, at + taken)))
    this.#missing -= taken
    if (this.#missing > 0) return at + taken
    const body = Buffer.concat(this.#chunks)
    this.#chunks = []
    const { totalSize } = this.#head
    if (body[totalSize] !== CR || body[totalSize + 1] !== LF) return this.#refuse()
    this.#deliver(body, 0)
    return at + taken
  }

  #deliver(bytes: Buffer, body: number): void {
    const { account, subject, reply, shown, headerSize, totalSize } = this.#head
    const message = shown === undefined ? this.#message : this.#shownMessage
    message.subject = subject
    message.reply = reply
    message.headers = headerSize === 0 ? EMPTY : bytes.subarray(body, body + headerSize)
    message.payload = bytes.subarray(body + headerSize, body + totalSize)
    if (shown !== undefined) this.#shownMessage.shownSubject = shown
    this.#facts.message(account, message, this.#head)
  }

  /** Mostly the account of the message before, so that no string is made. */
  #account(token: Uint8Array): string | undefined {
    if (isEqual(token, this.#lastToken)) return this.#lastAccount
    const text = Buffer.from(token.buffer, token.byteOffset, token.length).toString()
    let account = this.#accounts.get(text)
    if (account === undefined) {
      account = accountOf(text)
      if (account === undefined) return undefined
      if (this.#accounts.size >= ACCOUNT_NAMES_MAX) this.#accounts.clear()
      this.#accounts.set(text, account)
    }
    this.#lastToken = Buffer.from(token)
    this.#lastAccount = account
    return account
  }

  #texts(from: number, to: number): readonly string[] {
    const texts: string[] = []
    for (let i = from; i < to; i++) texts.push(this.#arguments.text(i))
    return texts
  }

  #refuse(): number {
    return this.#fail('Unknown Protocol Operation')
  }

  #fail(violation: PeerViolation): number {
    this.#violation = violation
    this.stop()
    return Number.MAX_SAFE_INTEGER
  }
}

const PLUS = 43
const CAPTURE = 67

function wordOf(word: string): number {
  return Buffer.from(word).readInt32LE(0)
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length || a.length === 0) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function unquoted(text: string): string {
  const trimmed = text.trim()
  const isQuoted = trimmed.length >= 2 && trimmed.startsWith("'") && trimmed.endsWith("'")
  return isQuoted ? trimmed.slice(1, -1) : trimmed
}
