import { connect, type Socket } from 'node:net'
import {
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IPubackPacket,
  type IPublishPacket,
  type ISubackPacket,
  type ISubscribePacket,
  type IUnsubackPacket,
  type Packet,
  parser,
  type QoS,
} from 'mqtt-packet'
import { DEADLINE_MS } from './patience.ts'

const NO_MATCHING_SUBSCRIBERS = 0x10

export type ProtocolVersion = 4 | 5

/** A client that a drawn script leads: it acknowledges what it gets, or holds that back, and keeps all of it. */
export class ScriptClient {
  readonly #socket: Socket
  readonly #port: number
  readonly #version: ProtocolVersion
  readonly #waiting = new Map<string, (packet: Packet) => void>()
  readonly #received: Received[]
  readonly #isHolding: boolean
  readonly #closed: Promise<void>
  /** What the server's topic aliases stand for. */
  readonly #aliases = new Map<number, string>()
  #lastId = 0

  private constructor(socket: Socket, port: number, options: ScriptClientOptions) {
    this.#socket = socket
    this.#port = port
    this.#version = options.version
    this.#received = options.received
    this.#isHolding = options.isHolding
    const packets = parser({ protocolVersion: options.version })
    packets.on('packet', (packet) => this.#take(packet))
    socket.on('data', (bytes) => packets.parse(bytes))
    socket.on('error', () => {})
    this.#closed = new Promise((resolve) => socket.once('close', () => resolve()))
  }

  static async open(
    port: number,
    packet: Partial<IConnectPacket> & { readonly clientId: string },
    options: ScriptClientOptions,
  ): Promise<{ readonly client: ScriptClient; readonly connack: string }> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const client = new ScriptClient(socket, port, options)
    const answer = client.#answer('connack')
    client.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: options.version,
      clean: true,
      keepalive: 0,
      ...packet,
    })
    const { returnCode = 0, reasonCode = 0, sessionPresent } = (await answer) as IConnackPacket
    return { client, connack: `code ${returnCode || reasonCode} present ${sessionPresent}` }
  }

  async subscribe(packet: Omit<ISubscribePacket, 'cmd' | 'messageId'>): Promise<string> {
    const messageId = this.#nextId()
    const answer = this.#answer(`suback ${messageId}`)
    this.#send({ ...packet, cmd: 'subscribe', messageId })
    return `granted ${((await answer) as ISubackPacket).granted}`
  }

  async unsubscribe(filters: readonly string[]): Promise<string> {
    const messageId = this.#nextId()
    const answer = this.#answer(`unsuback ${messageId}`)
    this.#send({ cmd: 'unsubscribe', messageId, unsubscriptions: [...filters] })
    const { granted } = (await answer) as IUnsubackPacket & { granted?: readonly number[] }
    return `removed ${granted ?? ''}`
  }

  /** Until the last acknowledgement of its QoS; at QoS 0 until the server has read it. */
  async publish(
    packet: Pick<IPublishPacket, 'topic' | 'payload' | 'qos' | 'retain' | 'properties'>,
  ) {
    if (packet.qos === 0) {
      this.#send({ ...packet, cmd: 'publish', dup: false })
      await this.ping()
      return ''
    }
    const messageId = this.#nextId()
    const first = this.#answer(`${packet.qos === 1 ? 'puback' : 'pubrec'} ${messageId}`)
    this.#send({ ...packet, cmd: 'publish', dup: false, messageId })
    const codes = [codeOf(await first)]
    if (packet.qos === 2 && (codes[0] ?? 0) < 0x80) {
      const last = this.#answer(`pubcomp ${messageId}`)
      this.#send({ cmd: 'pubrel', messageId })
      codes.push(codeOf(await last))
    }
    return `acknowledged ${codes}`
  }

  async ping(): Promise<void> {
    const answer = this.#answer('pingresp')
    this.#send({ cmd: 'pingreq' })
    await answer
  }

  /** DISCONNECT, until the server has closed. */
  async disconnect(reasonCode = 0, sessionExpiryInterval?: number): Promise<void> {
    const expiry = sessionExpiryInterval === undefined ? {} : { sessionExpiryInterval }
    this.#send({ cmd: 'disconnect', reasonCode, properties: expiry })
    // 3.1.1 wants the client to close, MQTT 5 lets it.
    this.#socket.end()
    await this.#inTime(this.#closed, 'the end of the connection')
  }

  /** Closes without DISCONNECT. */
  drop(): void {
    this.#socket.destroy()
  }

  #take(packet: Packet): void {
    const { messageId = 0 } = packet
    if (packet.cmd === 'publish') this.#takePublish(packet)
    else if (packet.cmd !== 'pubrel') this.#takeAnswer(packet.cmd, packet)
    else if (!this.#isHolding) this.#send({ cmd: 'pubcomp', messageId })
  }

  #takeAnswer(cmd: string, packet: Packet): void {
    const key = packet.messageId === undefined ? cmd : `${cmd} ${packet.messageId}`
    this.#waiting.get(key)?.(packet)
    this.#waiting.delete(key)
  }

  #takePublish(packet: IPublishPacket): void {
    const { topicAlias } = packet.properties ?? {}
    if (topicAlias !== undefined && packet.topic !== '') this.#aliases.set(topicAlias, packet.topic)
    const topic = packet.topic || (this.#aliases.get(topicAlias ?? 0) ?? '')
    this.#received.push(described({ ...packet, topic }))
    const { qos, messageId = 0 } = packet
    if (qos === 0 || this.#isHolding) return
    this.#send(qos === 1 ? { cmd: 'puback', messageId } : { cmd: 'pubrec', messageId })
  }

  #answer(key: string): Promise<Packet> {
    const answer = new Promise<Packet>((resolve) => this.#waiting.set(key, resolve))
    const closed = this.#closed.then(() => {
      throw new Error(`port ${this.#port} closed instead of ${key}`)
    })
    // Of both, the one that comes later is nobody's.
    closed.catch(() => {})
    return this.#inTime(Promise.race([answer, closed]), key)
  }

  async #inTime<T>(result: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`waited for ${what}`)), DEADLINE_MS)
    })
    try {
      return await Promise.race([result, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #nextId(): number {
    return ++this.#lastId
  }

  #send(packet: Packet): void {
    this.#socket.write(generate(packet, { protocolVersion: this.#version }))
  }
}

/** A message; of those of a topic, a QoS and a publisher order is kept [MQTT-4.6.0-5]. */
export interface Received {
  readonly topic: string
  readonly qos: QoS
  readonly text: string
  /** As the payload says it; '' when that is empty. */
  readonly publisher: string
  /** Of its subscription; 0: none. */
  readonly identifier: number
}

export interface ScriptClientOptions {
  readonly version: ProtocolVersion
  /** Where each message goes. */
  readonly received: Received[]
  /** Acknowledges nothing that it gets. */
  readonly isHolding: boolean
}

/** A server that knows that nobody takes the message may say so instead of 0 (MQTT 5, 3.4.2.1). */
function codeOf(packet: Packet): number {
  const { reasonCode = 0 } = packet as IPubackPacket
  return reasonCode === NO_MATCHING_SUBSCRIBERS ? 0 : reasonCode
}

function described(packet: IPublishPacket): Received {
  const { topic, payload, qos, retain, dup, properties = {} } = packet
  const { correlationData, messageExpiryInterval, topicAlias: _, ...others } = properties
  const { subscriptionIdentifier, ...rest } = others
  const facts = {
    ...rest,
    // What comes again has the identifier that its subscription has by now, or that of its first time.
    ...(subscriptionIdentifier === undefined || dup ? {} : { subscriptionIdentifier }),
    ...(correlationData === undefined ? {} : { correlation: correlationData.toString('hex') }),
    // The seconds that are left are those of a clock; when none are, mosquitto says so of what comes again by nothing.
    ...(messageExpiryInterval === undefined || dup ? {} : { expires: true }),
  }
  const sorted = Object.entries(facts).sort(([a], [b]) => (a < b ? -1 : 1))
  const flags = `${retain ? ' retained' : ''}${dup ? ' again' : ''}`
  const text = `${payload}${flags} ${JSON.stringify(sorted)}`
  const publisher = / of \d$/.exec(`${payload}`)?.[0] ?? ''
  return { topic, qos, text, publisher, identifier: Number(subscriptionIdentifier ?? 0) }
}
