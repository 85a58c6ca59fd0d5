import { type OperationName, operationAt, skipBlanks } from './client-operation.ts'
import { ControlLine, findLineEnd, textEnd } from './control-line.ts'
import { parseSize } from './decimal.ts'
import { parseJsonObject } from './json-object.ts'
import type { ServerErrorName } from './server-error.ts'

/** Takes what a client publishes. Offsets are into the parser's memory and hold during the call. */
export interface PublicationSink {
  /**
   * Looks at the subject that begins at `start` and returns where the space behind it is. -1 when
   * there is none before `end`, or the subject holds a byte that needs a closer look.
   */
  scanSubject(start: number, end: number): number
  /**
   * A message as it should be written, the subject just scanned:
   * `<subject> [<reply> ][<header bytes> ]<total bytes>\r\n<body>\r\n`.
   * @param replyEnd the same as `tailStart` when there is no reply
   * @param headerBytes -1 for PUB
   */
  publishRun(
    subjectStart: number,
    tailStart: number,
    replyEnd: number,
    bodyStart: number,
    headerBytes: number,
    totalBytes: number,
  ): void
  /** A message that was written otherwise, or was too large to wait for in place. */
  publishParts(publication: ParsedPublication): void
}

/** Takes everything else that a client says, in order with what it publishes. */
export interface OperationSink {
  connect(json: string): void
  subscribe(subject: string, queue: string, sid: string): void
  /** @param deliveredMax 0 ends the subscription at once */
  unsubscribe(sid: string, deliveredMax: number): void
  ping(): void
  pong(): void
  /** The client reports an error: it is about to close. */
  reportedError(text: string): void
  /**
   * Something else than CONNECT came first, while CONNECT is expected. The sink clears `expectsConnect`
   * to have it understood, holds the parser to have it wait, or stops it.
   */
  uninvited(): void
  /** The parser has stopped: what follows is not understood. */
  violated(error: Violation): void
}

/** An error with a text of its own, or arguments that make no sense: nats-server closes without a word. */
export type Violation = ServerErrorName | 'malformed'

export interface ParsedPublication {
  readonly subject: Uint8Array
  readonly reply: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

export interface ClientParserOptions {
  readonly controlLineBytesMax: number
  readonly payloadBytesMax: number
  /** An unfinished message up to this size is left where it is; a larger one is collected. */
  readonly carryBytesMax: number
}

/** The memory that input lies in; readable a few bytes past any `end`. */
export interface ParserMemory {
  readonly bytes: Uint8Array
  readonly view: DataView
}

/**
 * What NATS clients send: bytes in, calls to the sink out. It knows no connection.
 *
 * PUB and HPUB as every client writes them (upper case, one space between arguments, CRLF) take
 * the first road and make neither strings nor objects. Other spellings of the protocol (tabs, runs
 * of blanks, lower case, a bare LF) are understood on the second. What is incomplete is left to
 * come again with more behind it, so a call must not depend on where input was cut.
 */
export class ClientParser {
  /** Nothing but CONNECT is understood: the client has not been let in. */
  expectsConnect = false
  /** HPUB is understood. */
  acceptsHeaders = false
  /** Nothing is understood for now: what comes is left where it is. */
  isHeld = false
  /** Headers and payload together. May change at any time. */
  payloadBytesMax: number
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #publications: PublicationSink
  readonly #operations: OperationSink
  readonly #controlLineBytesMax: number
  readonly #carryBytesMax: number
  #isStopped = false
  #large: LargePublication | undefined
  /** Results of `#scanTail`. */
  #replyEnd = 0
  #headerBytes = -1
  #totalBytes = 0

  constructor(
    memory: ParserMemory,
    publications: PublicationSink,
    operations: OperationSink,
    options: ClientParserOptions,
  ) {
    this.#bytes = memory.bytes
    this.#view = memory.view
    this.#publications = publications
    this.#operations = operations
    this.#controlLineBytesMax = options.controlLineBytesMax
    this.payloadBytesMax = options.payloadBytesMax
    this.#carryBytesMax = options.carryBytesMax
  }

  /** No more calls to the sink, whatever comes. */
  stop(): void {
    this.#isStopped = true
    this.#large = undefined
  }

  /** Returns the offset of the first byte not understood yet; `end` once it has stopped. */
  parse(start: number, end: number): number {
    let at = this.#large === undefined ? start : this.#collect(this.#large, start, end)
    while (at < end && !this.#isStopped && !this.isHeld) {
      const word = this.#view.getInt32(at, true)
      let next: number
      if (word === PUB && !this.expectsConnect) next = this.#publish(at, at + 4, false, end)
      else if (word === HPUB && this.#bytes[at + 4] === SPACE && this.acceptsHeaders) {
        next = this.#publish(at, at + 5, true, end)
      } else next = this.#control(at, end)
      if (next === INCOMPLETE) break
      at = next
    }
    return this.#isStopped ? end : at
  }

  #publish(at: number, subjectStart: number, hasHeaders: boolean, end: number): number {
    const bytes = this.#bytes
    const space = this.#publications.scanSubject(subjectStart, end)
    if (space <= subjectStart) return this.#control(at, end)
    const tailStart = space + 1
    let i = tailStart
    let digit = (bytes[i] ?? 0) - 48
    if (!hasHeaders && digit >= 0 && digit <= 9) {
      let total = 0
      const digitsEnd = Math.min(end, i + SIZE_DIGITS_MAX)
      do {
        total = total * 10 + digit
        digit = (bytes[++i] ?? 0) - 48
      } while (digit >= 0 && digit <= 9 && i < digitsEnd)
      this.#replyEnd = tailStart
      this.#headerBytes = -1
      this.#totalBytes = total
    }
    if (i === tailStart || i >= end || bytes[i] !== CR) {
      i = this.#scanTail(tailStart, end, hasHeaders)
      if (i < 0) return this.#control(at, end)
    }
    if (i + 1 >= end || bytes[i + 1] !== LF) return this.#control(at, end)
    if (this.#headerBytes === 0) return this.#control(at, end)
    const totalBytes = this.#totalBytes
    if (!this.#checkSizes(i - subjectStart, this.#headerBytes, totalBytes)) return end
    const bodyStart = i + 2
    const bodyEnd = bodyStart + totalBytes
    if (bodyEnd + 2 > end) {
      if (bodyEnd + 2 - at <= this.#carryBytesMax) return INCOMPLETE
      return this.#beginLarge(subjectStart, space, tailStart, this.#replyEnd, bodyStart, end)
    }
    if (bytes[bodyEnd] !== CR || bytes[bodyEnd + 1] !== LF)
      return this.#violate('unknown_operation')
    this.#publications.publishRun(
      subjectStart,
      tailStart,
      this.#replyEnd,
      bodyStart,
      this.#headerBytes,
      totalBytes,
    )
    return bodyEnd + 2
  }

  /**
   * Reads `[<reply> ][<header bytes> ]<total bytes>` with single spaces and returns where the CR
   * is; -1 when it is not there yet or it is written otherwise.
   */
  #scanTail(tailStart: number, end: number, hasHeaders: boolean): number {
    const bytes = this.#bytes
    const last = Math.min(end, tailStart + this.#controlLineBytesMax)
    let lineEnd = tailStart
    while (lineEnd < last && bytes[lineEnd] !== CR && bytes[lineEnd] !== LF) lineEnd++
    if (lineEnd >= last || bytes[lineEnd] !== CR) return -1
    const totalStart = this.#wordStart(tailStart, lineEnd)
    this.#totalBytes = parseSize(bytes, totalStart, lineEnd)
    let replyEnd = totalStart - 1
    this.#headerBytes = -1
    if (hasHeaders) {
      if (totalStart === tailStart) return -1
      const headerStart = this.#wordStart(tailStart, totalStart - 1)
      this.#headerBytes = parseSize(bytes, headerStart, totalStart - 1)
      if (this.#headerBytes < 0) return -1
      replyEnd = headerStart - 1
    }
    if (this.#totalBytes < 0) return -1
    this.#replyEnd = Math.max(replyEnd, tailStart)
    if (replyEnd === tailStart) return -1
    for (let i = tailStart; i < replyEnd; i++) {
      if (bytes[i] === SPACE || bytes[i] === TAB) return -1
    }
    return lineEnd
  }

  /** Where the word that ends at `end` begins, not before `start`. */
  #wordStart(start: number, end: number): number {
    let at = end
    while (at > start && this.#bytes[at - 1] !== SPACE) at--
    return at
  }

  #checkSizes(lineBytes: number, headerBytes: number, totalBytes: number): boolean {
    if (lineBytes > this.#controlLineBytesMax) this.#violate('control_line')
    else if (headerBytes > totalBytes) this.#violate('malformed')
    else if (totalBytes > this.payloadBytesMax) this.#violate('payload')
    return !this.#isStopped
  }

  #control(at: number, end: number): number {
    const bytes = this.#bytes
    const first = (bytes[at] ?? 0) | LOWER
    if (this.expectsConnect && first !== LOWER_C) {
      this.#operations.uninvited()
      if (this.expectsConnect) return INCOMPLETE
    }
    const operation = operationAt(bytes, at, end)
    if (operation === undefined) return this.#violate('unknown_operation')
    const argumentsStart = skipBlanks(bytes, at + operation.name.length, end)
    const max = this.#controlLineBytesMax
    if (argumentsStart - at > max + LINE_SLACK) return this.#violate('control_line')
    const lineFeed = findLineEnd(bytes, argumentsStart, Math.min(end, argumentsStart + max + 2))
    const lineEnd = textEnd(bytes, argumentsStart, lineFeed < 0 ? end : lineFeed)
    if (lineEnd - argumentsStart > max) return this.#violate('control_line')
    if (lineFeed < 0) return INCOMPLETE
    if (!operation.takesWords) this.#operate(operation.name, argumentsStart, lineEnd)
    else if (line.split(bytes, argumentsStart, lineEnd) < 0) return this.#violate('malformed')
    else if (operation.name === 'PUB' || operation.name === 'HPUB') {
      return this.#publishOdd(operation.name === 'HPUB', at, lineFeed + 1, end)
    } else this.#operate(operation.name, argumentsStart, lineEnd)
    return lineFeed + 1
  }

  #operate(operation: OperationName, start: number, end: number): void {
    const sink = this.#operations
    const count = line.count
    if (operation === 'PING') sink.ping()
    else if (operation === 'PONG') sink.pong()
    else if (operation === 'CONNECT') sink.connect(this.#text(start, end))
    else if (operation === '-ERR') sink.reportedError(this.#text(start, end))
    else if (operation === 'SUB' && (count === 2 || count === 3)) {
      sink.subscribe(line.text(0), count === 3 ? line.text(1) : '', line.text(count - 1))
    } else if (operation === 'UNSUB' && (count === 1 || count === 2)) {
      const max = count === 2 ? parseSize(this.#bytes, line.start(1), line.end(1)) : 0
      sink.unsubscribe(line.text(0), Math.max(max, 0))
    } else if (operation === 'INFO') {
      if (parseJsonObject(this.#text(start, end)) === undefined) this.#violate('malformed')
    } else if (operation !== '+OK') this.#violate('malformed')
  }

  #text(start: number, end: number): string {
    return Buffer.from(this.#bytes.subarray(start, end)).toString()
  }

  /** PUB and HPUB in any spelling; `line` is split. */
  #publishOdd(hasHeaders: boolean, at: number, bodyStart: number, end: number): number {
    const count = line.count
    const sizes = hasHeaders ? 2 : 1
    if (hasHeaders && !this.acceptsHeaders) return this.#violate('malformed')
    if (count < 1 + sizes || count > 2 + sizes) return this.#violate('malformed')
    const bytes = this.#bytes
    const totalBytes = parseSize(bytes, line.start(count - 1), line.end(count - 1))
    const headerBytes = hasHeaders
      ? parseSize(bytes, line.start(count - 2), line.end(count - 2))
      : -1
    if (totalBytes < 0 || (hasHeaders && headerBytes < 0)) return this.#violate('malformed')
    if (!this.#checkSizes(0, headerBytes, totalBytes)) return end
    const hasReply = count === 2 + sizes
    const replyStart = hasReply ? line.start(1) : line.end(0)
    const replyEnd = hasReply ? line.end(1) : replyStart
    const bodyEnd = bodyStart + totalBytes
    this.#headerBytes = headerBytes
    this.#totalBytes = totalBytes
    if (bodyEnd + 2 > end) {
      if (bodyEnd + 2 - at <= this.#carryBytesMax) return INCOMPLETE
      return this.#beginLarge(line.start(0), line.end(0), replyStart, replyEnd, bodyStart, end)
    }
    if (bytes[bodyEnd] !== CR || bytes[bodyEnd + 1] !== LF)
      return this.#violate('unknown_operation')
    const payloadStart = bodyStart + Math.max(headerBytes, 0)
    this.#publications.publishParts({
      subject: line.bytes(0),
      reply: bytes.subarray(replyStart, replyEnd),
      headers: bytes.subarray(bodyStart, payloadStart),
      payload: bytes.subarray(payloadStart, bodyEnd),
    })
    return bodyEnd + 2
  }

  #beginLarge(
    subjectStart: number,
    subjectEnd: number,
    replyStart: number,
    replyEnd: number,
    bodyStart: number,
    end: number,
  ): number {
    const large: LargePublication = {
      subject: Uint8Array.from(this.#bytes.subarray(subjectStart, subjectEnd)),
      reply: Uint8Array.from(this.#bytes.subarray(replyStart, replyEnd)),
      headerBytes: Math.max(this.#headerBytes, 0),
      body: Buffer.allocUnsafe(this.#totalBytes + 2),
      filled: 0,
    }
    this.#large = large
    return this.#collect(large, bodyStart, end)
  }

  /** Returns where the bytes behind the large message begin; `end` when it is not whole yet. */
  #collect(large: LargePublication, start: number, end: number): number {
    const { body, headerBytes } = large
    const stop = Math.min(end, start + body.length - large.filled)
    body.set(this.#bytes.subarray(start, stop), large.filled)
    large.filled += stop - start
    if (large.filled < body.length) return stop
    this.#large = undefined
    const bodyEnd = body.length - 2
    if (body[bodyEnd] !== CR || body[bodyEnd + 1] !== LF) return this.#violate('unknown_operation')
    this.#publications.publishParts({
      subject: large.subject,
      reply: large.reply,
      headers: body.subarray(0, headerBytes),
      payload: body.subarray(headerBytes, bodyEnd),
    })
    return stop
  }

  #violate(error: Violation): number {
    this.stop()
    this.#operations.violated(error)
    return STOPPED
  }
}

/** A message too large to wait for in place. Its size is known and bounded, so it is filled as it comes. */
interface LargePublication {
  readonly subject: Uint8Array
  readonly reply: Uint8Array
  readonly headerBytes: number
  readonly body: Buffer
  filled: number
}

const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32
const LOWER = 32
const LOWER_C = 99
const INCOMPLETE = -1
/** Any offset will do: the loop ends because the parser has stopped. */
const STOPPED = 0
const SIZE_DIGITS_MAX = 9
/** The operation's name and the blank behind it do not count as control line. */
const LINE_SLACK = 16
const PUB = Buffer.from('PUB ').readInt32LE(0)
const HPUB = Buffer.from('HPUB').readInt32LE(0)

/** Split results live until the next line, so one will do for all parsers. */
const line = new ControlLine()
