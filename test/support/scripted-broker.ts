import { createServer, type Server, type Socket } from 'node:net'
import { generate, type Packet, parser } from 'mqtt-packet'
import { DEADLINE_MS } from './patience.ts'

/** A broker whose every answer is the test's: connections come, packets are read, nothing is said by itself. */
export class ScriptedBroker {
  readonly #server: Server
  readonly #waiting: BrokerSide[] = []
  readonly #all = new Set<Socket>()
  #arrived: (() => void) | undefined

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#all.add(socket)
      this.#waiting.push(new BrokerSide(socket))
      this.#arrived?.()
    })
  }

  static async listen(port = 0): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker()
    await new Promise<void>((resolve, reject) => {
      broker.#server.once('error', reject)
      broker.#server.listen(port, '127.0.0.1', () => resolve())
    })
    return broker
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** The next connection that comes. */
  async next(): Promise<BrokerSide> {
    const endMs = Date.now() + DEADLINE_MS
    for (;;) {
      const side = this.#waiting.shift()
      if (side !== undefined) return side
      await arrival((arrived) => (this.#arrived = arrived), endMs, 'a connection')
    }
  }

  /** The next connection, with its CONNECT answered by yes, and its SUBSCRIBE when it sends one. */
  async accept(options: Partial<Accepting> = {}): Promise<BrokerSide> {
    const { isSessionPresent = false, properties = {}, filters = 1 } = options
    const side = await this.next()
    const connect = await side.take('connect')
    side.version = connect.protocolVersion ?? 4
    side.send({
      cmd: 'connack',
      sessionPresent: isSessionPresent,
      returnCode: 0,
      reasonCode: 0,
      properties,
    })
    if (filters === 0) return side
    const { messageId = 0 } = await side.take('subscribe')
    side.send({ cmd: 'suback', messageId, granted: Array.from({ length: filters }, () => 1) })
    return side
  }

  async close(): Promise<void> {
    for (const socket of this.#all) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }
}

interface Accepting {
  readonly isSessionPresent: boolean
  readonly properties: object
  /** How many filters its SUBSCRIBE has; 0: none is waited for. */
  readonly filters: number
}

type Named<Cmd extends Packet['cmd']> = Extract<Packet, { cmd: Cmd }>

/** One connection as the broker sees it. */
export class BrokerSide {
  version = 4
  isClosed = false
  readonly #socket: Socket
  readonly #packets: Packet[] = []
  #arrived: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    const reader = parser()
    reader.on('packet', (packet: Packet) => {
      this.#packets.push(packet)
      this.#arrived?.()
    })
    reader.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      reader.parse(chunk)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#arrived?.()
    })
  }

  /** The next packet, which must be of that kind; PINGREQs are answered and passed over. */
  async take<Cmd extends Packet['cmd']>(cmd: Cmd): Promise<Named<Cmd>> {
    const endMs = Date.now() + DEADLINE_MS
    for (;;) {
      const packet = this.#packets.shift()
      if (packet?.cmd === 'pingreq') {
        this.send({ cmd: 'pingresp' })
      } else if (packet !== undefined) {
        if (packet.cmd !== cmd) throw new Error(`${cmd} was to come, not ${JSON.stringify(packet)}`)
        return packet as Named<Cmd>
      } else if (this.isClosed) {
        throw new Error(`closed before ${cmd}`)
      } else {
        await arrival((arrived) => (this.#arrived = arrived), endMs, cmd)
      }
    }
  }

  async closed(): Promise<void> {
    const endMs = Date.now() + DEADLINE_MS
    while (!this.isClosed) await arrival((arrived) => (this.#arrived = arrived), endMs, 'the end')
  }

  /** What has come and nobody has taken. */
  get untaken(): readonly Packet[] {
    return this.#packets
  }

  send(packet: object): void {
    this.#socket.write(generate(packet as Packet, { protocolVersion: this.version }))
  }

  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  publish(
    topic: string,
    payload: string | Buffer,
    messageId: number,
    properties: object = {},
  ): void {
    this.send({
      cmd: 'publish',
      topic,
      payload,
      qos: 1,
      messageId,
      dup: false,
      retain: false,
      properties,
    })
  }

  /** Without a word. */
  destroy(): void {
    this.#socket.destroy()
  }
}

async function arrival(
  listen: (arrived: () => void) => void,
  endMs: number,
  what: string,
): Promise<void> {
  const leftMs = endMs - Date.now()
  if (leftMs <= 0) throw new Error(`waited for ${what}`)
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, leftMs)
    listen(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
