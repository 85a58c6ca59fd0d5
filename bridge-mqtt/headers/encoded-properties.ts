import { checkUtf8, isTopicName, PROPERTY } from '../codec/index.ts'
import { writeUnescaped } from './escapes.ts'
import { FIELD, type Field } from './header-names.ts'
import { FIELD_BYTES_MAX, SCRATCH_BYTES_KEPT, USER_PROPERTIES_MAX } from './limits.ts'

const NOTHING = new Uint8Array(0)
const SCRATCH_BYTES_MIN = 4096
const ZERO = 0x30
const EQUALS = 0x3d
/** An identifier and a length. */
const HEAD_BYTES = 3
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * Properties of a PUBLISH, encoded one behind the other from what header fields say. Each is checked as
 * if a client had sent it: what would make the packet malformed is left out and counted. Of those that
 * may be there once, the first counts.
 */
export class EncodedProperties {
  /** Fields that no packet can carry. */
  omitted = 0
  /** Where the response topic lies in what `finish` gives; 0 and 0 for none. */
  responseStart = 0
  responseEnd = 0
  #bytes = Buffer.allocUnsafe(SCRATCH_BYTES_MIN)
  #at = 0
  #userProperties = 0
  /** A bit for each identifier that may be there once and is; all of them are below 32. */
  #present = 0

  /** @param sizeMax what can be written until `finish` at the most */
  begin(sizeMax: number): void {
    if (this.#bytes.length < sizeMax) this.#bytes = Buffer.allocUnsafe(sizeMax)
    this.#at = 0
    this.#userProperties = 0
    this.#present = 0
    this.omitted = 0
    this.responseStart = 0
    this.responseEnd = 0
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    const encoded = this.#at === 0 ? NOTHING : Buffer.from(this.#bytes.subarray(0, this.#at))
    if (this.#bytes.length > SCRATCH_BYTES_KEPT) this.#bytes = Buffer.allocUnsafe(SCRATCH_BYTES_MIN)
    return encoded
  }

  /** A topic name that was checked before. */
  responseTopic(topic: Uint8Array): void {
    if (!this.#isFirst(PROPERTY.responseTopic)) return
    const start = this.#at
    this.#bytes.set(topic, start + HEAD_BYTES)
    this.#end(PROPERTY.responseTopic, start, start + HEAD_BYTES + topic.length)
  }

  /** The value of a field in bytes [start, end); those that are no property are passed over. */
  field(field: Field, bytes: Uint8Array, start: number, end: number): void {
    switch (field) {
      case FIELD.payloadFormat:
        this.#payloadFormat(bytes, start, end)
        break
      case FIELD.contentType:
        this.#text(PROPERTY.contentType, bytes, start, end)
        break
      case FIELD.responseTopic:
        this.#text(PROPERTY.responseTopic, bytes, start, end)
        break
      case FIELD.correlationData:
        this.#correlationData(bytes, start, end)
        break
      case FIELD.userProperty:
        this.#escapedPair(bytes, start, end)
        break
      default:
    }
  }

  /** A header that is a user property as it is. */
  userProperty(
    bytes: Uint8Array,
    nameStart: number,
    nameEnd: number,
    start: number,
    end: number,
  ): void {
    const from = this.#at
    const valueHead = from + HEAD_BYTES + nameEnd - nameStart
    copy(bytes, nameStart, nameEnd, this.#bytes, from + HEAD_BYTES)
    copy(bytes, start, end, this.#bytes, valueHead + 2)
    this.#endPair(from, valueHead, valueHead + 2 + end - start)
  }

  #payloadFormat(bytes: Uint8Array, start: number, end: number): void {
    const value = (bytes[start] ?? 0) - ZERO
    if (end - start !== 1 || (value !== 0 && value !== 1)) this.omitted++
    else if (this.#isFirst(PROPERTY.payloadFormat)) {
      this.#bytes[this.#at++] = PROPERTY.payloadFormat
      this.#bytes[this.#at++] = value
      this.#present |= 1 << PROPERTY.payloadFormat
    }
  }

  #text(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isFirst(id)) return
    const from = this.#at
    const to = writeUnescaped(this.#bytes, from + HEAD_BYTES, bytes, start, end)
    const isText = checkUtf8(this.#bytes, from + HEAD_BYTES, to) === undefined
    const isTopic = isText && isTopicName(this.#bytes, from + HEAD_BYTES, to)
    if (isTopic || (isText && id !== PROPERTY.responseTopic)) this.#end(id, from, to)
    else this.omitted++
  }

  #correlationData(bytes: Uint8Array, start: number, end: number): void {
    if (!this.#isFirst(PROPERTY.correlationData)) return
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
    if (!BASE64.test(text)) {
      this.omitted++
      return
    }
    const from = this.#at
    const size = this.#bytes.write(text, from + HEAD_BYTES, 'base64')
    this.#end(PROPERTY.correlationData, from, from + HEAD_BYTES + size)
  }

  #escapedPair(bytes: Uint8Array, start: number, end: number): void {
    let equals = start
    while (equals < end && bytes[equals] !== EQUALS) equals++
    const from = this.#at
    const valueHead = writeUnescaped(this.#bytes, from + HEAD_BYTES, bytes, start, equals)
    const to = writeUnescaped(this.#bytes, valueHead + 2, bytes, Math.min(equals + 1, end), end)
    this.#endPair(from, valueHead, to)
  }

  #endPair(from: number, valueHead: number, to: number): void {
    const nameSize = valueHead - from - HEAD_BYTES
    const valueSize = to - valueHead - 2
    if (
      this.#userProperties >= USER_PROPERTIES_MAX ||
      nameSize > FIELD_BYTES_MAX ||
      valueSize > FIELD_BYTES_MAX ||
      checkUtf8(this.#bytes, from + HEAD_BYTES, valueHead) !== undefined ||
      checkUtf8(this.#bytes, valueHead + 2, to) !== undefined
    ) {
      this.omitted++
      return
    }
    this.#userProperties++
    this.#head(PROPERTY.userProperty, from, nameSize)
    this.#bytes.writeUInt16BE(valueSize, valueHead)
    this.#at = to
  }

  #end(id: number, from: number, to: number): void {
    const size = to - from - HEAD_BYTES
    if (size > FIELD_BYTES_MAX) {
      this.omitted++
      return
    }
    this.#head(id, from, size)
    this.#present |= 1 << id
    this.#at = to
    if (id !== PROPERTY.responseTopic) return
    this.responseStart = from + HEAD_BYTES
    this.responseEnd = to
  }

  #head(id: number, at: number, size: number): void {
    this.#bytes[at] = id
    this.#bytes.writeUInt16BE(size, at + 1)
  }

  #isFirst(id: number): boolean {
    return (this.#present & (1 << id)) === 0
  }
}

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  for (let i = start, next = at; i < end; i++, next++) to[next] = from[i] ?? 0
}
