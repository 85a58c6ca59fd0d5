import { connect, type Socket } from 'node:net'

/**
 * A bare MQTT 3.1.1 client for benchmarks: it walks over the packets that come without looking into them
 * more than it must, answers what has to be answered, and gathers what it writes per chunk, so that what is
 * measured is the server.
 */
export interface ClientOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly isClean: boolean
}

const PACKET = { connack: 2, publish: 3, puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7, suback: 9 }
const ACK_BYTES = 4
const ACKS_BYTES = 64 * 1024

export class BenchClient {
  /** Publishes of ours that are acknowledged to their end (PUBACK, PUBCOMP). */
  acknowledged = 0
  received = 0
  onAcknowledged: (packetId: number) => void = () => {}
  /** Where the payload of a PUBLISH begins; called for each when set. */
  onMessage: ((bytes: Buffer, payloadAt: number, end: number) => void) | undefined
  /** Called behind each chunk that was walked over. */
  onChunk: () => void = () => {}
  readonly #socket: Socket
  readonly #answers = Buffer.alloc(ACKS_BYTES)
  #answersEnd = 0
  #rest: Buffer | undefined
  #onHandshake: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    // Whoever waits for something would wait for ever.
    socket.on('error', (error) => fail(error.message))
    socket.on('end', () => fail('the server closed the connection'))
  }

  static async open({ host, port, clientId, isClean }: ClientOptions): Promise<BenchClient> {
    const client = new BenchClient(connect({ host, port, noDelay: true }))
    const id = Buffer.from(clientId)
    const fields = [0, 4, 0x4d, 0x51, 0x54, 0x54, 4, isClean ? 2 : 0, 0, 0, 0, id.length]
    const connected = client.#handshake()
    client.write(packet(0x10, Buffer.concat([Buffer.from(fields), id])))
    await connected
    return client
  }

  async subscribe(filter: string, qos: number): Promise<void> {
    const name = Buffer.from(filter)
    const fields = [Buffer.from([0, 1, name.length >> 8, name.length & 0xff]), name, Buffer.of(qos)]
    const subscribed = this.#handshake()
    this.write(packet(0x82, Buffer.concat(fields)))
    await subscribed
  }

  /** False: the kernel has enough, wait for `drained`. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes)
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('drain', resolve))
  }

  /** Says DISCONNECT; what still comes is not looked at. */
  async close(): Promise<void> {
    this.#socket.removeAllListeners()
    this.#socket.on('error', () => {}).resume()
    const closed = new Promise((resolve) => this.#socket.once('close', resolve))
    this.#socket.end(Buffer.of(0xe0, 0))
    await closed
  }

  #handshake(): Promise<void> {
    return new Promise((resolve) => {
      this.#onHandshake = resolve
    })
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    this.#rest = undefined
    let at = 0
    while (at < bytes.length) {
      const end = this.#read(bytes, at)
      if (end === 0) break
      at = end
    }
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at))
    this.#flush()
    this.onChunk()
  }

  /** Returns the offset behind the packet at `at`, 0 when it is not all here. */
  #read(bytes: Buffer, at: number): number {
    let length = 0
    let next = at + 1
    for (let shift = 0; ; shift += 7) {
      if (next >= bytes.length) return 0
      const byte = bytes[next++] as number
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    const end = next + length
    if (end > bytes.length) return 0
    const first = bytes[at] as number
    this.#handle(first, bytes, next, end)
    return end
  }

  #handle(first: number, bytes: Buffer, body: number, end: number): void {
    const type = first >> 4
    if (type === PACKET.publish) {
      this.#publish((first >> 1) & 3, bytes, body, end)
    } else if (type === PACKET.puback || type === PACKET.pubcomp) {
      this.acknowledged++
      this.onAcknowledged(bytes.readUInt16BE(body))
    } else if (type === PACKET.pubrec) {
      this.#answer(0x62, bytes.readUInt16BE(body))
    } else if (type === PACKET.pubrel) {
      this.#answer(0x70, bytes.readUInt16BE(body))
    } else if (type === PACKET.connack || type === PACKET.suback) {
      const code = bytes[end - 1] as number
      if (type === PACKET.connack ? code !== 0 : code > 2) fail(`it was refused with code ${code}`)
      this.#onHandshake?.()
    }
  }

  #publish(qos: number, bytes: Buffer, body: number, end: number): void {
    this.received++
    let payload = body + 2 + bytes.readUInt16BE(body)
    if (qos > 0) {
      this.#answer(qos === 1 ? 0x40 : 0x50, bytes.readUInt16BE(payload))
      payload += 2
    }
    this.onMessage?.(bytes, payload, end)
  }

  #answer(first: number, packetId: number): void {
    if (this.#answersEnd + ACK_BYTES > ACKS_BYTES) this.#flush()
    const at = this.#answersEnd
    this.#answers[at] = first
    this.#answers[at + 1] = 2
    this.#answers.writeUInt16BE(packetId, at + 2)
    this.#answersEnd = at + ACK_BYTES
  }

  #flush(): void {
    if (this.#answersEnd === 0) return
    this.write(Buffer.from(this.#answers.subarray(0, this.#answersEnd)))
    this.#answersEnd = 0
  }
}

/** A PUBLISH; `packetId` 0 for QoS 0. */
export function publishPacket(
  topic: string,
  payload: Uint8Array,
  qos: number,
  packetId: number,
  isRetain = false,
): Buffer {
  const name = Buffer.from(topic)
  const head = Buffer.alloc(2 + name.length + (qos > 0 ? 2 : 0))
  head.writeUInt16BE(name.length)
  name.copy(head, 2)
  if (qos > 0) head.writeUInt16BE(packetId, 2 + name.length)
  return packet(0x30 | (qos << 1) | (isRetain ? 1 : 0), Buffer.concat([head, payload]))
}

function packet(first: number, body: Uint8Array): Buffer {
  const head = [first]
  let rest = body.length
  do {
    head.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0))
    rest >>= 7
  } while (rest > 0)
  return Buffer.concat([Buffer.from(head), body])
}

function fail(why: string): never {
  throw new Error(`MQTT connection lost: ${why}`)
}
