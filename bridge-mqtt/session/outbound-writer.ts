import type { Channel } from '../../shared/transport/index.ts'
import {
  type AckType,
  LEVEL,
  type Level,
  OutboundAliases,
  PUBLISH_FLAG,
  PublishProperties,
  publishHeadSize,
} from '../codec/index.ts'
import { CACHED_TOPIC_BYTES, OUTBOUND_ALIASES_MAX } from '../limits.ts'
import { sendAck, sendPublish } from '../sent-packets.ts'
import type { OutboundMessage } from './outbound-message.ts'
import { SharedPacket } from './shared-packet.ts'

/** What a client said of what it takes. */
export interface OutboundLimits {
  readonly level: Level
  /** Of a whole packet. */
  readonly packetSizeMax: number
  readonly topicAliasMax: number
}

const NO_TOPIC = new Uint8Array(0)
/** One for all: it is filled and written at once. */
const section = new PublishProperties()
const packet = new SharedPacket()

/** Writes what goes to one client: in place where the output has room, else in pieces. */
export class OutboundWriter {
  readonly #channel: Channel
  readonly #isV5: boolean
  readonly #packetSizeMax: number
  readonly #aliases: OutboundAliases<Uint8Array> | undefined

  constructor(channel: Channel, { level, packetSizeMax, topicAliasMax }: OutboundLimits) {
    this.#channel = channel
    this.#isV5 = level === LEVEL.v5
    this.#packetSizeMax = packetSizeMax
    if (this.#isV5 && topicAliasMax > 0) {
      this.#aliases = new OutboundAliases(Math.min(topicAliasMax, OUTBOUND_ALIASES_MAX))
    }
  }

  /** False when the packet would be larger than the client takes: then nothing is sent [MQTT-3.1.2-25]. */
  publish(message: OutboundMessage, packetId: number, isDup: boolean): boolean {
    const properties = this.#isV5 ? propertiesOf(message) : undefined
    const flags =
      (message.qos << 1) |
      (message.isRetain ? PUBLISH_FLAG.retain : 0) |
      (isDup ? PUBLISH_FLAG.dup : 0)
    if (this.#aliases === undefined && packet.isOf(message, flags, properties)) {
      if (packet.size > this.#packetSizeMax) return false
      const at = this.#channel.reserve(packet.size)
      if (at >= 0) {
        this.#channel.commit(packet.copyTo(at, packetId))
        return true
      }
    }
    return this.#compose(message, packetId, flags, properties)
  }

  acknowledge(type: AckType, packetId: number, reason: number): void {
    sendAck(this.#channel, type, packetId, reason)
  }

  #compose(
    message: OutboundMessage,
    packetId: number,
    flags: number,
    properties: PublishProperties | undefined,
  ): boolean {
    const { payload, qos } = message
    let { topic } = message
    let headSize = publishHeadSize(topic.length, payload.length, qos, properties)
    if (headSize + payload.length > this.#packetSizeMax) return false
    if (this.#aliases !== undefined && properties !== undefined) {
      topic = this.#aliased(message, properties, this.#aliases)
      headSize = publishHeadSize(topic.length, payload.length, qos, properties)
    }
    sendPublish(this.#channel, headSize, topic, payload, packetId, flags, properties)
    return true
  }

  /** The topic as it is sent: empty when the client knows an alias of it, which is then a property. */
  #aliased(
    { topic, payload, qos }: OutboundMessage,
    properties: PublishProperties,
    aliases: OutboundAliases<Uint8Array>,
  ): Uint8Array {
    // Longer topics are not remembered, so that each message would take another alias.
    if (topic.length > CACHED_TOPIC_BYTES) return topic
    properties.topicAlias = 1
    const size = publishHeadSize(topic.length, payload.length, qos, properties) + payload.length
    properties.topicAlias = 0
    // An alias that the client is not told must not be given.
    if (size > this.#packetSizeMax) return topic
    const { alias, isKnown } = aliases.of(topic)
    properties.topicAlias = alias
    return isKnown ? NO_TOPIC : topic
  }
}

function propertiesOf(message: OutboundMessage): PublishProperties {
  section.topicAlias = 0
  section.messageExpiry = message.messageExpiry
  section.shared = message.shared
  section.subscriptionIds = message.subscriptionIds
  return section
}
