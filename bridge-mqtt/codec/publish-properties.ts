import { PROPERTY } from './property-table.ts'
import { varintSize, writeVarint } from './varint.ts'

const NOTHING = new Uint8Array(0)
const ALIAS_SIZE = 3
const EXPIRY_SIZE = 5

/**
 * The properties of a PUBLISH that leaves: those that are the same for all its receivers, encoded
 * once, and those that differ from one to the next. One object is filled for message after message.
 */
export class PublishProperties {
  /** By `encodeProperties`: user properties and all else that goes on as it came [MQTT-3.3.2-17]. */
  shared: Uint8Array = NOTHING
  /** 0 for none. */
  topicAlias = 0
  /** What is left of the message's time, in seconds; -1 when it does not expire [MQTT-3.3.2-6]. */
  messageExpiry = -1
  /** Of the receiver's subscriptions that match [MQTT-3.3.4-4]. */
  subscriptionIds: readonly number[] = []

  /** Bytes of the properties behind their length. */
  get size(): number {
    let size = this.shared.length
    if (this.topicAlias !== 0) size += ALIAS_SIZE
    if (this.messageExpiry >= 0) size += EXPIRY_SIZE
    for (const id of this.subscriptionIds) size += 1 + varintSize(id)
    return size
  }

  /** With their length. */
  get sectionSize(): number {
    const { size } = this
    return varintSize(size) + size
  }

  /** Writes the section at `at`; returns the offset behind it. */
  write(bytes: Uint8Array, at: number): number {
    let next = writeVarint(bytes, at, this.size)
    if (this.topicAlias !== 0) {
      bytes[next++] = PROPERTY.topicAlias
      bytes[next++] = this.topicAlias >> 8
      bytes[next++] = this.topicAlias & 0xff
    }
    if (this.messageExpiry >= 0) {
      bytes[next++] = PROPERTY.messageExpiry
      for (let shift = 24; shift >= 0; shift -= 8) {
        bytes[next++] = (this.messageExpiry >>> shift) & 0xff
      }
    }
    for (const id of this.subscriptionIds) {
      bytes[next++] = PROPERTY.subscriptionId
      next = writeVarint(bytes, next, id)
    }
    bytes.set(this.shared, next)
    return next + this.shared.length
  }
}
