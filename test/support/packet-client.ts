import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import {
  generate,
  type IAuthPacket,
  type IConnackPacket,
  type IConnectPacket,
  type IDisconnectPacket,
  type IPubackPacket,
  type IPublishPacket,
  type ISubackPacket,
  type ISubscription,
  type IUnsubackPacket,
  type Packet,
  parser,
} from 'mqtt-packet'
import { DEADLINE_MS } from './patience.ts'

/** What a server sends, by its name. */
export interface Answers {
  connack: IConnackPacket
  publish: IPublishPacket
  puback: IPubackPacket & { reasonCode?: number }
  pubrec: IPubackPacket & { reasonCode?: number }
  pubrel: IPubackPacket & { reasonCode?: number }
  pubcomp: IPubackPacket & { reasonCode?: number }
  suback: ISubackPacket
  unsuback: IUnsubackPacket
  pingresp: Packet & { cmd: 'pingresp' }
  disconnect: IDisconnectPacket
  auth: IAuthPacket
}

type Named = Answers[keyof Answers]

type Version = 3 | 4 | 5

/**
 * A client of MQTT 5, or of an older version, that does nothing by itself: packets out as they are given, by another codec than the server's,
 * or as hex; packets in one after the other.
 */
export class PacketClient {
  readonly #socket: Socket
  readonly #options: { readonly protocolVersion: Version }
  readonly #packets: Named[] = []
  /** All bytes that came, for what no parser tells. */
  received: Buffer = Buffer.alloc(0)
  #isClosed = false
  readonly #waiting = new Set<() => void>()

  private constructor(socket: Socket, protocolVersion: Version) {
    this.#socket = socket
    this.#options = { protocolVersion }
    const reader = parser(this.#options)
    reader.on('packet', (packet) => this.#packets.push(packet as Named))
    reader.on('error', (error) => socket.destroy(error))
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      reader.parse(chunk)
      this.#changed()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      this.#changed()
    })
  }

  /** A connection that has sent nothing yet. */
  static async open(port: number, version: Version = 5): Promise<PacketClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('error', reject)
    })
    return new PacketClient(socket, version)
  }

  /** A client whose CONNECT was accepted, and the CONNACK. */
  static async connect(
    port: number,
    packet: Partial<IConnectPacket> = {},
  ): Promise<{ client: PacketClient; connack: IConnackPacket }> {
    const client = await PacketClient.open(port, packet.protocolVersion)
    client.sendConnect(packet)
    const connack = await client.next('connack')
    assert.equal(connack.reasonCode ?? connack.returnCode, 0, JSON.stringify(connack))
    return { client, connack }
  }

  /** The same, for who does not look at the CONNACK. */
  static async client(port: number, packet: Partial<IConnectPacket> = {}): Promise<PacketClient> {
    const { client } = await PacketClient.connect(port, packet)
    return client
  }

  sendConnect(packet: Partial<IConnectPacket> = {}): void {
    this.send(connect5(packet))
  }

  send(packet: Packet): void {
    this.#socket.write(generate(packet, this.#options))
  }

  /** Hex, which may hold spaces, or bytes. */
  raw(bytes: string | Uint8Array): void {
    const isText = typeof bytes === 'string'
    this.#socket.write(isText ? Buffer.from(bytes.replaceAll(' ', ''), 'hex') : bytes)
  }

  /** At QoS 0 unless it has an identifier. */
  publish(topic: string, payload: string | Buffer, rest: Partial<IPublishPacket> = {}): void {
    const qos = rest.messageId === undefined ? 0 : 1
    this.send({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...rest })
  }

  /** Asks for the filters, and takes the answer. */
  async subscribe(
    packetId: number,
    filters: readonly (string | ISubscription)[],
    subscriptionIdentifier?: number,
  ): Promise<ISubackPacket> {
    const subscriptions = filters.map((filter) =>
      typeof filter === 'string' ? { topic: filter, qos: 2 as const } : filter,
    )
    const properties = subscriptionIdentifier === undefined ? {} : { subscriptionIdentifier }
    this.send({ cmd: 'subscribe', messageId: packetId, subscriptions, properties })
    return this.whenever('suback', packetId)
  }

  async unsubscribe(packetId: number, ...filters: string[]): Promise<IUnsubackPacket> {
    this.send({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions: filters })
    const unsuback = await this.next('unsuback')
    assert.equal(unsuback.messageId, packetId)
    return unsuback
  }

  ack(cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', messageId: number, reasonCode = 0): void {
    this.send({ cmd, messageId, reasonCode } as Packet)
  }

  /** The next packet, which must be one of that kind. */
  async next<Kind extends keyof Answers>(
    kind: Kind,
    deadlineMs = DEADLINE_MS,
  ): Promise<Answers[Kind]> {
    await this.#until(() => this.#packets.length > 0 || this.#isClosed, kind, deadlineMs)
    const packet = this.#packets.shift()
    assert.equal(packet?.cmd, kind, `${JSON.stringify(packet)}`)
    return packet as Answers[Kind]
  }

  /** The first packet of that kind and identifier, whatever is before it: that stays. */
  async whenever<Kind extends keyof Answers>(
    kind: Kind,
    messageId: number,
  ): Promise<Answers[Kind]> {
    const isMeant = (packet: Named): boolean =>
      packet.cmd === kind && 'messageId' in packet && packet.messageId === messageId
    await this.#until(() => this.#packets.some(isMeant) || this.#isClosed, `${kind} ${messageId}`)
    const at = this.#packets.findIndex(isMeant)
    assert.ok(at >= 0, `closed, after ${JSON.stringify(this.#packets)}`)
    return this.#packets.splice(at, 1)[0] as Answers[Kind]
  }

  /** The next PUBLISH as `topic payload`. */
  async message(): Promise<string> {
    const { topic, payload } = await this.next('publish')
    return `${topic} ${payload}`
  }

  /** All that comes before the answer to a PINGREQ: what was to come of what went before. */
  async beforePong(): Promise<readonly Named[]> {
    const packets = await this.answered()
    assert.ok(!this.#isClosed, `closed, after ${JSON.stringify(packets)}`)
    return packets
  }

  /** The same, or all that comes before the server closes. */
  async answered(): Promise<readonly Named[]> {
    this.send({ cmd: 'pingreq' })
    const isPong = ({ cmd }: Named): boolean => cmd === 'pingresp'
    await this.#until(() => this.#packets.some(isPong) || this.#isClosed, 'pingresp')
    const at = this.#packets.findIndex(isPong)
    return at < 0 ? this.#packets.splice(0) : this.#packets.splice(0, at + 1).slice(0, -1)
  }

  /** A PUBLISH at QoS 2 from its beginning to its end. */
  async publish2(topic: string, payload: string, messageId = 1): Promise<void> {
    this.publish(topic, payload, { messageId, qos: 2 })
    assert.equal((await this.next('pubrec')).messageId, messageId)
    this.ack('pubrel', messageId)
    assert.equal((await this.next('pubcomp')).messageId, messageId)
  }

  /** The server closes: what it has sent before. */
  async end(): Promise<readonly Named[]> {
    await this.#until(() => this.#isClosed, 'the end')
    return this.#packets.splice(0)
  }

  /** The server ends it by a DISCONNECT, and sends nothing behind it [MQTT-3.14.4-1]. */
  async disconnected(): Promise<number> {
    const { reasonCode = 0 } = await this.next('disconnect')
    assert.deepEqual(await this.end(), [])
    return reasonCode
  }

  /** How often it is answered, and sent nothing else, until `done` is. */
  async answeredDuring(done: Promise<unknown>): Promise<number> {
    let isDone = false
    const end = done.finally(() => {
      isDone = true
    })
    let count = 0
    for (; !isDone; count++) assert.deepEqual(await this.beforePong(), [])
    await end
    return count
  }

  /** Bytes that the kernel has not taken yet: the server reads no further. */
  get unsent(): number {
    return this.#socket.writableLength
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** DISCONNECT, and the end. */
  async disconnect(packet: Partial<IDisconnectPacket> = {}): Promise<void> {
    this.send({ cmd: 'disconnect', reasonCode: 0, ...packet })
    await this.end()
  }

  /** Reads no more: what comes fills the buffers on the way. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Closes without DISCONNECT. */
  async destroy(): Promise<void> {
    this.#socket.destroy()
    await this.#until(() => this.#isClosed, 'the end')
  }

  async #until(isTrue: () => boolean, what: string, deadlineMs = DEADLINE_MS): Promise<void> {
    const timer = setTimeout(() => this.#changed(), deadlineMs)
    const endMs = Date.now() + deadlineMs
    while (!isTrue()) {
      if (Date.now() >= endMs) {
        throw new Error(`waited for ${what}, have ${JSON.stringify(this.#packets).slice(0, 1_000)}`)
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
    }
    clearTimeout(timer)
  }

  #changed(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const look of waiting) look()
  }
}

export function connect5(packet: Partial<IConnectPacket> = {}): IConnectPacket {
  return {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clean: true,
    keepalive: 0,
    clientId: '',
    ...packet,
  }
}
