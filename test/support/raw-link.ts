import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { eventually } from './link-node.ts'

/** The other end of a leaf link as bare bytes: what it says is up to the test. */
export class RawLink {
  readonly #socket: Socket
  #text = ''
  #isClosed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#isClosed = true
    })
  }

  static async dial(port: number): Promise<RawLink> {
    const socket = createConnection({ host: '127.0.0.1', port })
    await once(socket, 'connect')
    return new RawLink(socket)
  }

  get text(): string {
    return this.#text
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  send(...lines: readonly string[]): void {
    this.#socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
  }

  async sees(text: string): Promise<void> {
    await eventually(() => this.#text.includes(text), `${text} in ${this.#text}`)
  }

  async closes(): Promise<void> {
    await eventually(() => this.#isClosed, `closed after ${this.#text}`)
  }

  destroy(): void {
    this.#socket.destroy()
  }
}

/** A listener whose connections are bare bytes. */
export class RawHub {
  readonly #server: Server
  readonly links: RawLink[] = []

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (socket) => this.links.push(new RawLink(socket)))
  }

  static async open(): Promise<RawHub> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new RawHub(server)
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return `nats-leaf://127.0.0.1:${address.port}`
  }

  async accepted(count = 1): Promise<RawLink> {
    await eventually(() => this.links.length >= count, `${count} connections`)
    return this.links[count - 1]!
  }

  async close(): Promise<void> {
    for (const link of this.links) link.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
