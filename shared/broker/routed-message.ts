import { allocate, arenaBytes } from '../transport/index.ts'
import { EMPTY_HEADERS, formatDecimal } from '../wire/index.ts'
import { NESTED_PUBLICATIONS_MAX, STAGED_BYTES_MAX } from './limits.ts'
import type { Message, MessagePart, Peer, Publication, PublishCommitted } from './message.ts'
import type { TraceSpan } from './message-tracer.ts'

/**
 * The message on its way, in whichever form it came, and in the other when somebody asks for it:
 *
 * - a frame: it lies in the arena as a client sent it, and is copied to clients as one run.
 *
 *       <subject> [<reply> ][<header size> ]<total size>\r\n<headers><payload>\r\n
 *       ^ subjectStart  ^ tailStart                         ^ bodyStart          ^ end
 *
 * - parts: byte arrays from another layer, or a payload that was collected in chunks. They are staged
 *   as a frame, under the subject that receivers are shown, when the first client is interested.
 */
export class RoutedMessage implements Message {
  serial = 0
  origin: Peer = NOBODY
  committed: PublishCommitted | undefined = undefined
  trace: TraceSpan | undefined = undefined
  part: MessagePart | undefined = undefined
  isFrame = false
  hasHeaders = false
  subjectStart = 0
  tailStart = 0
  replyEnd = 0
  bodyStart = 0
  end = 0
  headerBytes = 0
  /** Of headers and payload. */
  totalBytes = 0
  readonly depth: number
  readonly #stage: number
  #subjectText: string | undefined
  #subject: Uint8Array | undefined
  #shown: Uint8Array | undefined
  #reply: Uint8Array | undefined
  #headers: Uint8Array | undefined
  #payload: Uint8Array | undefined

  /**
   * @param stage arena offset of STAGED_BYTES_MAX bytes; -1 when this message must not stage
   * @param depth how many messages are on their way when this one is taken
   */
  constructor(stage: number, depth = 0) {
    this.#stage = stage
    this.depth = depth
  }

  get subject(): string {
    this.#subjectText ??= this.isFrame
      ? textAt(this.subjectStart, this.tailStart - 1)
      : textOf(this.subjectBytes)
    return this.#subjectText
  }

  get subjectBytes(): Uint8Array {
    this.#subject ??= viewOf(this.subjectStart, this.tailStart - 1)
    return this.#subject
  }

  get shownSubject(): string {
    return this.#shown === undefined ? this.subject : textOf(this.#shown)
  }

  get shownBytes(): Uint8Array {
    return this.#shown ?? this.subjectBytes
  }

  get reply(): string {
    return this.isFrame ? replyAt(this.tailStart, this.replyEnd) : textOf(this.replyBytes)
  }

  get replyBytes(): Uint8Array {
    this.#reply ??= viewOf(this.tailStart, this.replyEnd)
    return this.#reply
  }

  get headers(): Uint8Array {
    if (!this.hasHeaders) return EMPTY_HEADERS
    this.#headers ??= viewOf(this.bodyStart, this.bodyStart + this.headerBytes)
    return this.#headers
  }

  get payload(): Uint8Array {
    this.#payload ??= viewOf(this.bodyStart + this.headerBytes, this.bodyStart + this.totalBytes)
    return this.#payload
  }

  get hasReply(): boolean {
    return this.#reply === undefined ? this.replyEnd > this.tailStart : this.#reply.length > 0
  }

  takeCommitted(): PublishCommitted | undefined {
    const committed = this.committed
    this.committed = undefined
    return committed
  }

  shareCommitted(): PublishCommitted | undefined {
    const { committed } = this
    if (committed === undefined) return undefined
    this.committed = sharedByTwo(committed)
    return this.committed
  }

  setParts(origin: Peer, publication: Publication): void {
    this.serial = ++lastSerial
    this.origin = origin
    this.isFrame = false
    this.#subjectText = undefined
    this.#subject = publication.subject
    this.#shown = publication.shownSubject
    this.#reply = publication.reply
    this.#headers = publication.headers
    this.#payload = publication.payload
    this.hasHeaders = publication.headers.length > 0
    this.headerBytes = publication.headers.length
    this.totalBytes = publication.headers.length + publication.payload.length
  }

  /** The offsets are the caller's to set. @param subject when that is known as text */
  setFrame(origin: Peer, subject?: string): void {
    this.serial = ++lastSerial
    this.origin = origin
    this.isFrame = true
    this.#subjectText = subject
    this.#subject = undefined
    this.#shown = undefined
    this.#reply = undefined
    this.#headers = undefined
    this.#payload = undefined
  }

  /** Drops the references, so that a large payload does not outlive its delivery. */
  clear(): void {
    this.setFrame(NOBODY)
    this.isFrame = false
    this.committed = undefined
    this.trace = undefined
    this.part = undefined
  }

  /** Lays parts out as a frame; false when they are too long for that. */
  stage(): boolean {
    if (this.isFrame) return true
    const { shownBytes, replyBytes, headers, payload } = this
    const size = shownBytes.length + replyBytes.length + this.totalBytes + FRAME_OVERHEAD
    if (this.#stage < 0 || size > STAGED_BYTES_MAX) return false
    let at = this.#stage
    this.subjectStart = at
    at = append(at, shownBytes)
    arenaBytes[at++] = SPACE
    this.tailStart = at
    at = append(at, replyBytes)
    this.replyEnd = at
    if (replyBytes.length > 0) arenaBytes[at++] = SPACE
    at = writeSizes(at, this.hasHeaders ? this.headerBytes : -1, this.totalBytes)
    this.bodyStart = at
    at = append(append(at, headers), payload)
    arenaBytes[at] = CR
    arenaBytes[at + 1] = LF
    this.end = at + 2
    this.isFrame = true
    return true
  }
}

const CR = 13
const LF = 10
const SPACE = 32
/** Spaces, line ends and two sizes of up to nine digits. */
const FRAME_OVERHEAD = 64

/** Nobody's message: what a message in no use says of its origin. */
const NOBODY: Peer = { kind: 'local', id: 0, echo: true, deliver: () => {} }

/**
 * The messages of this process that are on their way at this moment: one, and one more for each
 * publication from within a delivery. An outer one keeps its frame and its stage until it is given back.
 */
const POOL: RoutedMessage[] = []
let inFlight = 0
let lastSerial = 0

/** Whether publications are nested as deep as they may be: routing goes in a circle, or nearly so. */
export function isNestedTooDeep(): boolean {
  return inFlight >= NESTED_PUBLICATIONS_MAX
}

/** A message to fill in, route and give back. */
export function takeMessage(): RoutedMessage {
  let message = POOL[inFlight]
  if (message === undefined) {
    message = new RoutedMessage(allocate(STAGED_BYTES_MAX), inFlight)
    POOL.push(message)
  }
  inFlight++
  return message
}

/** Gives those back as well that were taken after it. */
export function giveMessage(message: RoutedMessage): void {
  message.clear()
  inFlight = message.depth
}

/** Writes `[<header size> ]<total size>\r\n` at an arena offset; no header size when it is -1. */
export function writeSizes(start: number, headerBytes: number, totalBytes: number): number {
  let at = start
  if (headerBytes >= 0) {
    at = formatDecimal(arenaBytes, at, headerBytes)
    arenaBytes[at++] = SPACE
  }
  at = formatDecimal(arenaBytes, at, totalBytes)
  arenaBytes[at] = CR
  arenaBytes[at + 1] = LF
  return at + 2
}

/** No Buffer: that takes twice as long to make, and each message that is stored needs three. */
function viewOf(start: number, end: number): Uint8Array {
  return new Uint8Array(arenaBytes.buffer, arenaBytes.byteOffset + start, end - start)
}

function append(at: number, bytes: Uint8Array): number {
  if (bytes.length > 0) arenaBytes.set(bytes, at)
  return at + bytes.length
}

function textAt(start: number, end: number): string {
  return start === end ? '' : arenaBytes.toString('utf8', start, end)
}

/** The reply that was asked for last: most who publish in numbers have one inbox for all that they are told. */
let lastReply = ''
let lastReplySize = 0
const LAST_REPLY_BYTES = 64
const LAST_REPLY = allocate(LAST_REPLY_BYTES)

function replyAt(start: number, end: number): string {
  const size = end - start
  if (size > LAST_REPLY_BYTES) return textAt(start, end)
  if (size === lastReplySize && isLastReply(start, size)) return lastReply
  lastReply = textAt(start, end)
  lastReplySize = size
  arenaBytes.copyWithin(LAST_REPLY, start, end)
  return lastReply
}

function isLastReply(start: number, size: number): boolean {
  for (let i = 0; i < size; i++) {
    if (arenaBytes[start + i] !== arenaBytes[LAST_REPLY + i]) return false
  }
  return true
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}

/** Two calls make one. An error is told at once: a transaction around the publication may still be taken back. */
function sharedByTwo(committed: PublishCommitted): PublishCommitted {
  let waits = 2
  return (error) => {
    if (waits === 0) return
    waits = error === undefined ? waits - 1 : 0
    if (waits === 0) committed(error)
  }
}
