import { checkUtf8 } from '../codec/index.ts'
import { EncodedProperties } from './encoded-properties.ts'
import { writeUnescaped } from './escapes.ts'
import { HeaderCursor } from './header-cursor.ts'
import { FIELD, isReservedName, knownField } from './header-names.ts'
import { NO_HEADERS, plainQos, qosOfHeaders } from './published-headers.ts'

const NO_TOPIC = NO_HEADERS
const NO_EXPIRY = -1
const ZERO = 0x30
const UINT32_MAX = 0xffff_ffff
const UINT32_DIGITS = 10
/**
 * Properties take at most so many bytes for each byte of headers: a line of two bytes, `n:`, and its line
 * end are a name of one byte and five around it. A last line without its end adds a few.
 */
const GROWTH_MAX = 2
const ROOM_BYTES = 16

/**
 * What a header block says to MQTT clients: of a message that was a PUBLISH all that it was; of one that
 * a NATS client sent its headers, as user properties in their order. What no packet of MQTT can carry (not
 * UTF-8, U+0000, longer than 65,535 bytes, more than the limit) is left out and counted.
 *
 * One object is read again and again. It shows `shared` as long as the headers lie where they did.
 */
export class MessageFacts {
  qos = 0
  /** To be believed of the log's messages only: there it is the server's word. */
  isRetain = false
  /** The client that published it, '' when nobody needs to know. Believed like `isRetain`. */
  from = ''
  /** The queue group of the member that it is addressed to, '' for none. Believed like `isRetain`. */
  group = ''
  /** Seconds, as published; -1 when it does not expire. */
  messageExpiry = NO_EXPIRY
  /** Headers that were left out, of all messages so far whose `shared` was asked for. */
  omitted = 0
  #headers: Uint8Array = NO_HEADERS
  #replyTopic: Uint8Array = NO_TOPIC
  #shared: Uint8Array | undefined = NO_HEADERS
  readonly #cursor = new HeaderCursor()
  readonly #encoded = new EncodedProperties()

  /**
   * @param replyTopic the topic of the message's reply subject, which is where an answer reaches who
   *   asks; without it a response topic among the headers counts
   */
  read(headers: Uint8Array, replyTopic: Uint8Array = NO_TOPIC): void {
    this.isRetain = false
    this.from = ''
    this.group = ''
    this.messageExpiry = NO_EXPIRY
    this.#headers = headers
    this.#replyTopic = replyTopic
    this.#shared = replyTopic.length === 0 ? NO_HEADERS : undefined
    this.qos = plainQos(headers)
    if (this.qos === 0 && headers.length > 0) this.#readFields(headers)
  }

  /**
   * The same of a block that nobody changes any more, as of what was logged: most messages have that of the one
   * before, and nothing is read again then. What it leaves out is counted once.
   */
  readUnchanging(headers: Uint8Array): void {
    if (headers !== this.#headers || this.#replyTopic.length > 0) this.read(headers)
  }

  /**
   * As `PublishProperties.shared` wants it: payload format, content type, response topic, correlation
   * data, user properties; empty for none. Made when it is first asked for, and the caller's to keep.
   */
  get shared(): Uint8Array {
    this.#shared ??= this.#encode()
    return this.#shared
  }

  /** The response topic in `shared`; undefined for none, and for one of more than `sizeMax` bytes. */
  responseTopic(sizeMax: number): string | undefined {
    const { shared } = this
    const { responseStart: start, responseEnd: end } = this.#encoded
    const size = end - start
    if (shared.length === 0 || size === 0 || size > sizeMax) return undefined
    return Buffer.from(shared.buffer, shared.byteOffset + start, size).toString()
  }

  #readFields(headers: Uint8Array): void {
    this.qos = qosOfHeaders(headers)
    this.#shared = undefined
    const cursor = this.#cursor
    cursor.begin(headers)
    while (cursor.next()) {
      const { nameStart, nameEnd, valueStart, valueEnd } = cursor
      if (!isReservedName(headers, nameStart, nameEnd)) continue
      const field = knownField(headers, nameStart, nameEnd)
      if (field === FIELD.messageExpiry && this.messageExpiry < 0) {
        this.messageExpiry = uint32At(headers, valueStart, valueEnd)
      } else if (field === FIELD.retain) {
        this.isRetain = true
      } else if (field === FIELD.from && this.from === '') {
        this.from = textAt(headers, valueStart, valueEnd)
      } else if (field === FIELD.group && this.group === '') {
        this.group = textAt(headers, valueStart, valueEnd)
      }
    }
  }

  #encode(): Uint8Array {
    const headers = this.#headers
    const encoded = this.#encoded
    encoded.begin(headers.length * GROWTH_MAX + this.#replyTopic.length + ROOM_BYTES)
    const hasReply = this.#replyTopic.length > 0
    const cursor = this.#cursor
    cursor.begin(headers)
    while (cursor.next()) {
      const { nameStart, nameEnd, valueStart, valueEnd } = cursor
      if (!isReservedName(headers, nameStart, nameEnd)) {
        encoded.userProperty(headers, nameStart, nameEnd, valueStart, valueEnd)
        continue
      }
      const field = knownField(headers, nameStart, nameEnd)
      // Where it stood in the PUBLISH: properties keep their order, though only user properties have to.
      if (hasReply && field === FIELD.responseTopic) encoded.responseTopic(this.#replyTopic)
      else if (field !== undefined) encoded.field(field, headers, valueStart, valueEnd)
    }
    if (hasReply) encoded.responseTopic(this.#replyTopic)
    this.omitted += encoded.omitted
    return encoded.finish()
  }
}

/** The number in bytes [start, end), -1 when they are none or more than 32 bits hold. */
function uint32At(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > UINT32_DIGITS) return NO_EXPIRY
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] ?? 0) - ZERO
    if (digit < 0 || digit > 9) return NO_EXPIRY
    value = value * 10 + digit
  }
  return value > UINT32_MAX ? NO_EXPIRY : value
}

function textAt(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.allocUnsafe(end - start)
  const size = writeUnescaped(text, 0, bytes, start, end)
  return checkUtf8(text, 0, size) === undefined ? text.toString('utf8', 0, size) : ''
}
