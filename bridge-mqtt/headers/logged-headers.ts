import { writeEscaped } from './escapes.ts'
import { HeaderCursor } from './header-cursor.ts'
import { FIELD, type Field, knownField } from './header-names.ts'
import { NO_HEADERS, plainHeaders, plainQos, qosOfHeaders } from './published-headers.ts'

/** What a message is kept with beside its own headers, to be delivered later as it would be now. */
export interface LoggedFacts {
  /** With which it counts as published. */
  readonly qos: number
  readonly isRetain: boolean
  /** The client that published it, for its subscriptions with no local; '' when it has none. */
  readonly from: string
  /** The topic of its reply subject; undefined when it has none. */
  readonly replyTopic: Uint8Array | undefined
  /** The queue group, of one that is addressed to a member of it. */
  readonly group?: string
  /** What is left of its time, when it has lain for a while before; else it has what its publisher gave it. */
  readonly expirySeconds?: number
}

const VERSION = Buffer.from('NATS/1.0\r\n')
const LINE_END = Buffer.from('\r\n')
const BLOCK_END = Buffer.from('\r\n\r\n')
const LF = 10
const ESCAPED_MAX = 3
const OWN_BYTES = 160
/** What only this server says: others who send it are not believed. */
const FROM_LINE = Buffer.from(`\n${FIELD.from}:`)
const OWN = [Buffer.from(`\n${FIELD.retain}:`), FROM_LINE, Buffer.from(`\n${FIELD.group}:`)]

/** By QoS: what was retained says nothing else, mostly. */
const RETAINED: readonly Uint8Array[] = ['', `${FIELD.qos}: 1\r\n`, `${FIELD.qos}: 2\r\n`].map(
  (qosLine) => Buffer.from(`${VERSION}${qosLine}${FIELD.retain}: 1${BLOCK_END}`),
)

const cursor = new HeaderCursor()

/** What a message to a member of a group is kept with, when it says nothing else: the last one made. */
let grouped = { group: '', qos: 0, headers: VERSION as Uint8Array }

/**
 * The headers of a message with the facts about it, in place of what its sender may have said of them.
 * The block that came, when it says all of it.
 */
export function loggedHeaders(headers: Uint8Array, facts: LoggedFacts): Uint8Array {
  const { qos, isRetain, from, replyTopic, group = '', expirySeconds = -1 } = facts
  if (from === '' && replyTopic === undefined && expirySeconds < 0) {
    const known = knownHeaders(headers, qos, isRetain, group)
    if (known !== undefined) return known
  }
  return blockOf(headers, facts)
}

/** A block that is there already; undefined when one has to be made. */
function knownHeaders(
  headers: Uint8Array,
  qos: number,
  isRetain: boolean,
  group: string,
): Uint8Array | undefined {
  const isPlain = headers.length === 0 || plainQos(headers) > 0
  if (group !== '') return isPlain && !isRetain ? groupHeaders(qos, group) : undefined
  if (isRetain) return isPlain ? RETAINED[qos] : undefined
  if (headers.length === 0) return plainHeaders(qos)
  return qosOfHeaders(headers) === qos && !claimsOwn(headers) ? headers : undefined
}

function groupHeaders(qos: number, group: string): Uint8Array {
  if (grouped.group !== group || grouped.qos !== qos) {
    const facts = { qos, isRetain: false, from: '', replyTopic: undefined, group }
    grouped = { group, qos, headers: blockOf(NO_HEADERS, facts) }
  }
  return grouped.headers
}

function blockOf(headers: Uint8Array, facts: LoggedFacts): Uint8Array {
  const { qos, isRetain, from, replyTopic, group = '', expirySeconds = -1 } = facts
  const client = Buffer.from(from)
  const queue = Buffer.from(group)
  const grown = ESCAPED_MAX * (client.length + queue.length + (replyTopic?.length ?? 0))
  const block = new Block(VERSION.length + headers.length + grown + OWN_BYTES)
  block.put(VERSION)
  if (qos > 0) block.line(FIELD.qos, Buffer.from(`${qos}`))
  if (isRetain) block.line(FIELD.retain, Buffer.from('1'))
  if (client.length > 0) block.line(FIELD.from, client)
  if (queue.length > 0) block.line(FIELD.group, queue)
  if (replyTopic !== undefined) block.line(FIELD.responseTopic, replyTopic)
  if (expirySeconds >= 0) block.line(FIELD.messageExpiry, Buffer.from(`${expirySeconds}`))
  const isNew = (field: Field): boolean =>
    (replyTopic !== undefined && field === FIELD.responseTopic) ||
    (expirySeconds >= 0 && field === FIELD.messageExpiry)
  putOthers(block, headers, isNew)
  return block.finish()
}

/** Whether a logged message was published by this client, and said so. */
export function isFrom(headers: Uint8Array, clientId: string): boolean {
  if (headers.length === 0 || plainQos(headers) > 0) return false
  const at = Buffer.prototype.indexOf.call(headers, FROM_LINE)
  if (at < 0) return false
  const line = new Block(ESCAPED_MAX * Buffer.byteLength(clientId) + OWN_BYTES)
  line.line(FIELD.from, Buffer.from(clientId))
  return line.isAt(headers, at + 1)
}

function claimsOwn(headers: Uint8Array): boolean {
  if (plainQos(headers) > 0) return false
  return OWN.some((line) => Buffer.prototype.includes.call(headers, line))
}

/** All lines but those that were written anew. */
function putOthers(block: Block, headers: Uint8Array, isNew: (field: Field) => boolean): void {
  cursor.begin(headers)
  const isEnded = BLOCK_END.equals(headers.subarray(-BLOCK_END.length))
  const end = isEnded ? headers.length - LINE_END.length : headers.length
  let kept = cursor.lineEnd
  while (cursor.next()) {
    const field = knownField(headers, cursor.nameStart, cursor.nameEnd)
    if (field === undefined || !(isOwn(field) || isNew(field))) continue
    block.put(headers, kept, cursor.nameStart)
    kept = cursor.lineEnd
  }
  if (kept >= end) return
  block.put(headers, kept, end)
  if (headers[end - 1] !== LF) block.put(LINE_END)
}

function isOwn(field: Field): boolean {
  switch (field) {
    case FIELD.qos:
    case FIELD.qosOfNatsServer:
    case FIELD.retain:
    case FIELD.from:
    case FIELD.group:
      return true
    default:
      return false
  }
}

class Block {
  readonly #bytes: Buffer
  #at = 0

  constructor(sizeMax: number) {
    this.#bytes = Buffer.allocUnsafe(sizeMax)
  }

  put(bytes: Uint8Array, start = 0, end = bytes.length): void {
    for (let at = start; at < end; at++) this.#bytes[this.#at++] = bytes[at] ?? 0
  }

  line(field: Field, value: Uint8Array): void {
    this.#at += this.#bytes.write(`${field}: `, this.#at, 'latin1')
    const roomEnd = this.#bytes.length
    this.#at = writeEscaped(this.#bytes, this.#at, roomEnd, value, 0, value.length, false)
    this.put(LINE_END)
  }

  /** Whether what was written so far stands there. */
  isAt(bytes: Uint8Array, at: number): boolean {
    return this.#bytes.subarray(0, this.#at).equals(bytes.subarray(at, at + this.#at))
  }

  finish(): Uint8Array {
    this.put(LINE_END)
    return this.#bytes.subarray(0, this.#at)
  }
}
