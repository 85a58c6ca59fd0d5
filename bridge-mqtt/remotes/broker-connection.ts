import type { Cancel, Clock, PetioleError } from '../../shared/runtime/index.ts'
import {
  type Channel,
  type ChannelHandler,
  OUTPUT_HIGH_WATER_BYTES,
} from '../../shared/transport/index.ts'
import {
  AckReader,
  CONNACK,
  type ConnackPacket,
  decodeConnack,
  decodeDisconnect,
  decodeSuback,
  decodeUnsuback,
  encodeDisconnect,
  type Frame,
  isReasonCode,
  LEVEL,
  type Level,
  NO_PROPERTIES,
  PACKET,
  PUBLISH_FLAG,
  PublishProperties,
  PublishReader,
  publishHeadSize,
  REASON,
  type SubackPacket,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import { sendAck, sendPublish } from '../sent-packets.ts'
import { endingOf, HUNG_UP_ADVICE, NO_BROKER_ADVICE, type Refusal, refusalOf } from './answers.ts'
import { type InboundOwner, InboundWindow } from './inbound-window.ts'
import { INBOUND_UNACKED_MAX, PUBLISH_OVERHEAD_BYTES } from './limits.ts'
import { OutboundForm } from './message-forms.ts'
import { PacketInput, type PacketReader } from './packet-input.ts'
import { Pinger } from './pinger.ts'
import type { Outgoing, Publishing, PublishLine } from './queue-sender.ts'
import type { RemotePeer } from './remote-peer.ts'

/** What a connection asks of the remote it is for. */
export interface BrokerConnectionParts {
  readonly channel: Channel
  readonly level: Level
  readonly clock: Clock
  readonly peer: RemotePeer
  readonly via: string
  readonly connectPacket: Uint8Array
  readonly keepAliveMs: number
  /** For the answer to CONNECT. */
  readonly answerMs: number
  readonly payloadBytesMax: number
  /** CONNACK said yes. What is written in it goes out at once. */
  onAccepted(connack: ConnackPacket): void
  onSuback(packet: SubackPacket): void
  onPuback(packetId: number, reason: number): void
  /** Output has room again. */
  onDrain(): void
  /** Told once, for all endings but `close`. */
  onEnded(ending: Ending): void
}

type VersionFault = 'none' | 'refusal' | 'silence'

export interface Ending extends Refusal {
  /** Whether the version may be why: the broker named it, or went without a word when it heard it. */
  readonly versionFault: VersionFault
}

/** Before MQTT 5 a broker has no words for it. */
const CLOSED_ADVICE = 'if it comes again and again: does another client have our client id?'
const RECEIVE_MAXIMUM_DEFAULT = 65_535

/**
 * One connection to a broker, as its client: CONNECT, then what comes is published here and acknowledged when
 * it is stored, and what the sender gives goes out. It ends itself by the rules of the protocol and by timeouts; it
 * is never used again then.
 */
export class BrokerConnection implements ChannelHandler, PacketReader, InboundOwner, PublishLine {
  receiveMaximum = RECEIVE_MAXIMUM_DEFAULT
  isSessionPresent = false
  readonly #parts: BrokerConnectionParts
  readonly #input: PacketInput
  readonly #window: InboundWindow
  readonly #publish = new PublishReader()
  readonly #ack = new AckReader()
  readonly #properties = new PublishProperties()
  readonly #form: OutboundForm
  readonly #pinger: Pinger
  #cancelAnswer: Cancel | undefined
  #packetBytesMax = Number.POSITIVE_INFINITY
  #isAccepted = false
  #isPaused = false
  #isEnded = false

  constructor(parts: BrokerConnectionParts) {
    this.#parts = parts
    this.#input = new PacketInput(this, parts.payloadBytesMax + PUBLISH_OVERHEAD_BYTES)
    this.#window = new InboundWindow(this)
    this.#form = new OutboundForm(parts.via)
    this.#pinger = new Pinger(parts.clock, parts.channel, () =>
      this.fail('no answer to PINGREQ', 'is the network there?'),
    )
  }

  get isReading(): boolean {
    return !this.#isEnded && !this.#isPaused
  }

  get isBehind(): boolean {
    return this.#parts.channel.pendingBytes >= OUTPUT_HIGH_WATER_BYTES
  }

  start(): void {
    const { channel, clock, connectPacket, answerMs } = this.#parts
    channel.start(this)
    channel.write(connectPacket)
    this.#cancelAnswer = clock.after(answerMs, () => {
      this.#end('the broker does not answer CONNECT', NO_BROKER_ADVICE, 'silence')
    })
  }

  onChunk(start: number, end: number): number {
    this.#pinger.heard()
    const used = this.#input.take(start, end, this.#parts.level)
    return this.#isEnded ? end : used
  }

  onDrain(): void {
    if (!this.#isEnded) this.#parts.onDrain()
  }

  onClose(error: PetioleError | undefined): void {
    const reason = error?.message ?? 'closed by the broker'
    if (this.#isAccepted) this.#end(reason, CLOSED_ADVICE)
    else this.#end(`${reason} before an answer to CONNECT`, HUNG_UP_ADVICE, 'silence')
  }

  packet(bytes: Uint8Array, frame: Frame): void {
    const violation = this.#read(bytes, frame)
    if (violation !== undefined) this.broken(violation)
  }

  tooLarge(size: number, packetId: number): void {
    this.#parts.peer.tooLarge(size, packetId, this.#window)
  }

  broken({ text, rule, rule5, reason }: Violation): void {
    const { level } = this.#parts
    const number = level === LEVEL.v5 ? rule5 : rule
    this.#goodbye(reason)
    const advice = this.#isAccepted ? '' : NO_BROKER_ADVICE
    this.#end(`the broker breaks the protocol: ${text} [${number}]`, advice)
  }

  stored(packetId: number): void {
    if (this.#isEnded) return
    const { channel } = this.#parts
    sendAck(channel, PACKET.puback, packetId, REASON.success)
    if (!this.#isPaused || this.#window.pending >= INBOUND_UNACKED_MAX) return
    this.#isPaused = false
    channel.resume()
  }

  unstored(error: PetioleError): void {
    this.fail(`a message of the broker cannot be stored: ${error.message}`, 'look at the store')
  }

  refused(error: PetioleError): void {
    this.#parts.peer.unstorable(error)
  }

  /** Each fact of a PUBLISH at its place; `packetId` 0 is QoS 0. */
  publish(message: Outgoing, packetId: number, isDup: boolean): Publishing {
    const { channel, level } = this.#parts
    const { topic, headers, payload, waitedMs } = message
    if (!this.#form.read(headers, waitedMs, this.#properties)) return 'expired'
    const properties = level === LEVEL.v5 ? this.#properties : undefined
    if (properties !== undefined) this.#form.fill(properties, headers)
    const qos = packetId === 0 ? 0 : 1
    const headSize = publishHeadSize(topic.length, payload.length, qos, properties)
    if (headSize + payload.length > this.#packetBytesMax) return 'too large'
    const flags = packetId === 0 ? 0 : PUBLISH_FLAG.qos1 | (isDup ? PUBLISH_FLAG.dup : 0)
    sendPublish(channel, headSize, topic, payload, packetId, flags, properties)
    return 'sent'
  }

  /** Ends itself when none comes. */
  awaitSuback(timeoutMs: number): void {
    this.#cancelAnswer = this.#parts.clock.after(timeoutMs, () => {
      this.fail('the broker does not answer SUBSCRIBE', "look at the broker's log")
    })
  }

  write(packet: Uint8Array): void {
    this.#parts.channel.write(packet)
  }

  fail(reason: string, advice: string): void {
    this.#goodbye(REASON.unspecified)
    this.#end(reason, advice)
  }

  /** Acknowledges what is being stored, then says goodbye: the broker keeps the session. */
  drain(): Promise<void> {
    this.#parts.channel.pause()
    return new Promise((resolve) => {
      this.#window.whenIdle(() => {
        this.close()
        resolve()
      })
    })
  }

  /** In order, and without telling the remote. Idempotent. */
  close(): void {
    if (this.#isEnded) return
    this.#goodbye(REASON.success)
    this.#stop()
    this.#parts.channel.end()
  }

  #read(bytes: Uint8Array, frame: Frame): Violation | undefined {
    if (!this.#isAccepted) return this.#readConnack(bytes, frame)
    const { level, peer } = this.#parts
    switch (frame.type) {
      case PACKET.publish: {
        const violation = this.#publish.read(bytes, frame, level, 'server')
        if (violation !== undefined) return violation
        return this.#readPublish(bytes, peer)
      }
      case PACKET.puback: {
        const violation = this.#ack.read(bytes, frame, level, 'server')
        if (violation === undefined) this.#parts.onPuback(this.#ack.packetId, this.#ack.reason)
        return violation
      }
      case PACKET.suback: {
        const packet = decodeSuback(bytes, frame, level)
        if ('rule' in packet) return packet
        this.#cancelAnswer?.()
        this.#parts.onSuback(packet)
        return undefined
      }
      case PACKET.unsuback: {
        const packet = decodeUnsuback(bytes, frame, level)
        return 'rule' in packet ? packet : undefined
      }
      case PACKET.pingresp:
        return frame.bodyEnd > frame.bodyStart ? VIOLATIONS.trailingBytes : undefined
      case PACKET.disconnect:
        return this.#readDisconnect(bytes, frame, level)
      default:
        return VIOLATIONS.wrongDirection
    }
  }

  #readPublish(bytes: Uint8Array, peer: RemotePeer): Violation | undefined {
    const packet = this.#publish
    // Neither has been asked for.
    if (packet.qos === 2) return VIOLATIONS.publishQos2
    if (packet.topicAlias !== 0) return VIOLATIONS.topicAliasTooHigh
    peer.publish(bytes, packet, this.#window)
    if (this.#window.pending < INBOUND_UNACKED_MAX || this.#isPaused) return undefined
    this.#isPaused = true
    this.#parts.channel.pause()
    return undefined
  }

  #readConnack(bytes: Uint8Array, frame: Frame): Violation | undefined {
    if (frame.type !== PACKET.connack) return VIOLATIONS.wrongDirection
    // A broker that knows no MQTT 5 says so in the form of the version that it knows.
    const isShort = frame.bodyEnd - frame.bodyStart === CONNACK_3_SIZE
    const level = isShort ? LEVEL.v311 : this.#parts.level
    const packet = decodeConnack(bytes, frame, level)
    if ('rule' in packet) return packet
    if (packet.code !== 0) {
      const { reason, advice } = refusalOf(packet, level)
      this.#end(reason, advice, isVersionRefusal(packet.code, level) ? 'refusal' : 'none')
      return undefined
    }
    if (level !== this.#parts.level) return VIOLATIONS.truncated
    this.#accepted(packet)
    return undefined
  }

  #accepted(packet: ConnackPacket): void {
    const { properties } = packet
    this.#cancelAnswer?.()
    this.#isAccepted = true
    this.isSessionPresent = packet.isSessionPresent
    this.receiveMaximum = properties.receiveMaximum ?? RECEIVE_MAXIMUM_DEFAULT
    this.#packetBytesMax = properties.maximumPacketSize ?? Number.POSITIVE_INFINITY
    const askedMs = (properties.serverKeepAliveSeconds ?? -1) * 1_000
    this.#pinger.start(askedMs >= 0 ? askedMs : this.#parts.keepAliveMs)
    this.#parts.onAccepted(packet)
  }

  #readDisconnect(bytes: Uint8Array, frame: Frame, level: Level): Violation | undefined {
    // Before MQTT 5 it is a client's.
    if (level !== LEVEL.v5) return VIOLATIONS.wrongDirection
    const packet = decodeDisconnect(bytes, frame, level, 'server')
    if ('rule' in packet) return packet
    const { reason, advice } = endingOf(packet)
    this.#end(reason, advice)
    return undefined
  }

  /** Before MQTT 5 there is one DISCONNECT, and a broken connection needs none. */
  #goodbye(reason: number): void {
    if (this.#isEnded || !this.#isAccepted) return
    const { channel, level } = this.#parts
    if (level !== LEVEL.v5 && reason !== REASON.success) return
    const known = isReasonCode(PACKET.disconnect, reason, 'client', level)
    const packet = { reason: known ? reason : REASON.protocolError, properties: NO_PROPERTIES }
    channel.write(encodeDisconnect(packet, level, 'client'))
  }

  #end(reason: string, advice: string, versionFault: VersionFault = 'none'): void {
    if (this.#isEnded) return
    this.#stop()
    this.#parts.channel.end()
    this.#parts.onEnded({ reason, advice, versionFault })
  }

  #stop(): void {
    this.#isEnded = true
    this.#cancelAnswer?.()
    this.#pinger.stop()
    this.#window.end()
  }
}

/** Of the body of a CONNACK before MQTT 5. */
const CONNACK_3_SIZE = 2

function isVersionRefusal(code: number, level: Level): boolean {
  return level === LEVEL.v5
    ? code === REASON.unsupportedProtocolVersion
    : code === CONNACK.unacceptableProtocolVersion
}
