import { connect, type Socket } from 'node:net'
import { DEADLINE_MS } from './patience.ts'

/** A raw MQTT connection: bytes out as hex or as packets, bytes in until a fact holds. */
export class MqttLine {
  readonly #socket: Socket
  #received = Buffer.alloc(0)
  #isClosed = false
  #changed: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#changed?.()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
      this.#changed?.()
    })
  }

  static async open(port: number): Promise<MqttLine> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('error', reject)
    })
    return new MqttLine(socket)
  }

  /** A connection whose CONNECT was accepted; the CONNACK is taken already. */
  static async client(port: number, connectPacket: Uint8Array): Promise<MqttLine> {
    const line = await MqttLine.open(port)
    line.send(connectPacket)
    const connack = await line.take(4)
    if (connack !== '20020000') throw new Error(`CONNACK was ${connack}`)
    return line
  }

  send(bytes: Uint8Array | string): void {
    this.#socket.write(
      typeof bytes === 'string' ? Buffer.from(bytes.replaceAll(' ', ''), 'hex') : bytes,
    )
  }

  /** Bytes that have come and were not taken. */
  get unread(): number {
    return this.#received.length
  }

  /** The next `size` bytes as hex; fewer when the server closes before. */
  async take(size: number): Promise<string> {
    await this.#until(() => this.#received.length >= size || this.#isClosed, `${size} bytes`)
    const bytes = this.#received.subarray(0, size)
    this.#received = this.#received.subarray(bytes.length)
    return bytes.toString('hex')
  }

  /** Everything until the server closes, as hex. */
  async rest(): Promise<string> {
    await this.#until(() => this.#isClosed, 'the end')
    return this.take(this.#received.length)
  }

  /** Whether nothing is between us: sends a PINGREQ, and what came before its answer. */
  async takeUntilPong(): Promise<string> {
    this.send('c000')
    await this.#until(() => this.#received.subarray(-2).toString('hex') === 'd000', 'PINGRESP')
    const text = this.#received.subarray(0, -2).toString('hex')
    this.#received = Buffer.alloc(0)
    return text
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Closes without DISCONNECT. */
  destroy(): void {
    this.#socket.destroy()
  }

  async #until(isTrue: () => boolean, what: string): Promise<void> {
    const timer = setTimeout(() => this.#changed?.(), DEADLINE_MS)
    const endMs = Date.now() + DEADLINE_MS
    while (!isTrue()) {
      if (Date.now() >= endMs) {
        throw new Error(`waited for ${what}, have ${this.#received.toString('hex')}`)
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
    clearTimeout(timer)
  }
}
