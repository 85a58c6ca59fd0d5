import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { generate, type Packet, parser } from 'mqtt-packet'
import { DEADLINE_MS } from './patience.ts'

/**
 * An MQTT client that forgets nothing when its connection is lost, as the specification has it (section 4.1,
 * session state): what it has sent at QoS 1 and 2 and not seen to its end is sent again, in order, and
 * the identifiers of what it has received at QoS 2 are known until PUBREL. Readings are numbers.
 */
export interface PersistentClientOptions {
  readonly clientId: string
  readonly port: number
  readonly level: 4 | 5
}

interface Outgoing {
  readonly topic: string
  readonly reading: number
  readonly qos: 1 | 2
  readonly isRetain: boolean
  isReleased: boolean
}

const EXPIRY_S = 3_600

export class PersistentMqttClient {
  readonly clientId: string
  /** Of the newest CONNACK. */
  isSessionPresent = false
  /** Readings whose PUBACK or PUBCOMP has come. */
  readonly acknowledged = new Set<number>()
  /** Readings in the order in which they came first, by topic. */
  readonly received = new Map<string, number[]>()
  readonly #times = new Map<number, number>()
  readonly #port: number
  readonly #level: 4 | 5
  readonly #outgoing = new Map<number, Outgoing>()
  readonly #incoming = new Set<number>()
  readonly #changes = new Set<() => void>()
  #socket: Socket | undefined
  #lastId = 0

  constructor({ clientId, port, level }: PersistentClientOptions) {
    this.clientId = clientId
    this.#port = port
    this.#level = level
  }

  get inFlight(): number {
    return this.#outgoing.size
  }

  /** How often a reading was handed on: more than once is a duplicate. */
  timesOf(reading: number): number {
    return this.#times.get(reading) ?? 0
  }

  /** Resolves when the session goes on; rejects when the server does not take it. */
  async connect(): Promise<void> {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    socket.on('error', () => {})
    const packets = parser({ protocolVersion: this.#level })
    const accepted = new Promise<void>((resolve, reject) => {
      packets.on('packet', (packet: Packet) => {
        if (packet.cmd === 'connack') {
          const code = packet.returnCode ?? packet.reasonCode
          this.isSessionPresent = packet.sessionPresent
          if (code === 0) resolve()
          else reject(new Error(`CONNACK ${code}`))
        } else this.#take(packet)
      })
      socket.once('close', () => reject(new Error('closed before CONNACK')))
    })
    socket.on('data', (chunk: Buffer) => packets.parse(chunk))
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
      this.#changed()
    })
    this.#socket = socket
    this.#send({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: this.#level,
      clean: false,
      clientId: this.clientId,
      keepalive: 0,
      ...(this.#level === 5 ? { properties: { sessionExpiryInterval: EXPIRY_S } } : {}),
    })
    await accepted
    for (const [messageId, outgoing] of this.#outgoing) {
      if (outgoing.isReleased) this.#send({ cmd: 'pubrel', messageId })
      else this.#publish(messageId, outgoing, true)
    }
  }

  async subscribe(topic: string, qos: 1 | 2): Promise<void> {
    const messageId = this.#takeId()
    this.#send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] })
    await this.until(() => !this.#ids.has(messageId), 'SUBACK')
  }

  /** Sends a reading, or keeps it for the next connection. */
  publish(topic: string, reading: number, qos: 1 | 2, isRetain = false): void {
    const messageId = this.#takeId()
    const outgoing = { topic, reading, qos, isRetain, isReleased: false }
    this.#outgoing.set(messageId, outgoing)
    this.#publish(messageId, outgoing, false)
  }

  /** Loses the connection without a word. */
  drop(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  async disconnect(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return
    this.#send({ cmd: 'disconnect' })
    this.#socket = undefined
    socket.end()
    await once(socket, 'close')
  }

  get isConnected(): boolean {
    return this.#socket !== undefined
  }

  /** Waits for a fact; rejects with what was waited for when it does not come true in time. */
  until(fact: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#changes.delete(look)
        reject(new Error(`${this.clientId} waits for ${what}`))
      }, DEADLINE_MS)
      const look = (): void => {
        if (!fact()) return
        clearTimeout(timer)
        this.#changes.delete(look)
        resolve()
      }
      this.#changes.add(look)
      look()
    })
  }

  readonly #ids = new Set<number>()

  #take(packet: Packet): void {
    const messageId = 'messageId' in packet ? (packet.messageId ?? 0) : 0
    if (packet.cmd === 'publish') {
      const isNew = packet.qos !== 2 || !this.#incoming.has(messageId)
      if (isNew) this.#handOn(packet.topic, Number(packet.payload))
      if (packet.qos === 2) this.#incoming.add(messageId)
      if (packet.qos === 1) this.#send({ cmd: 'puback', messageId })
      if (packet.qos === 2) this.#send({ cmd: 'pubrec', messageId })
    } else if (packet.cmd === 'pubrel') {
      this.#incoming.delete(messageId)
      this.#send({ cmd: 'pubcomp', messageId })
    } else if (packet.cmd === 'pubrec') {
      const outgoing = this.#outgoing.get(messageId)
      if (outgoing !== undefined) outgoing.isReleased = true
      this.#send({ cmd: 'pubrel', messageId })
    } else if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') {
      const outgoing = this.#outgoing.get(messageId)
      if (outgoing !== undefined) this.acknowledged.add(outgoing.reading)
      this.#outgoing.delete(messageId)
      this.#ids.delete(messageId)
    } else if (packet.cmd === 'suback') {
      this.#ids.delete(messageId)
    }
    this.#changed()
  }

  #handOn(topic: string, reading: number): void {
    const times = this.timesOf(reading)
    this.#times.set(reading, times + 1)
    if (times > 0) return
    const readings = this.received.get(topic)
    if (readings === undefined) this.received.set(topic, [reading])
    else readings.push(reading)
  }

  #publish(messageId: number, { topic, reading, qos, isRetain }: Outgoing, dup: boolean): void {
    this.#send({
      cmd: 'publish',
      topic,
      payload: `${reading}`,
      qos,
      messageId,
      retain: isRetain,
      dup,
    })
  }

  #send(packet: Packet): void {
    this.#socket?.write(generate(packet, { protocolVersion: this.#level }))
  }

  #takeId(): number {
    do this.#lastId = this.#lastId === 65_535 ? 1 : this.#lastId + 1
    while (this.#ids.has(this.#lastId))
    this.#ids.add(this.#lastId)
    return this.#lastId
  }

  #changed(): void {
    for (const look of [...this.#changes]) look()
  }
}
