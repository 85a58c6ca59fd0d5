import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/**
 * A TCP proxy between a leaf and its hub that breaks as radio links do. `near` is the side that
 * dialled (the leaf), `far` the hub.
 */
export class LinkProxy {
  readonly #farPort: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  readonly #abandoned = new Set<Socket>()
  #isCut = false
  #isStalled = false

  private constructor(server: Server, farPort: number) {
    this.#server = server
    this.#farPort = farPort
    server.on('connection', (near) => this.#join(near))
  }

  static async open(port: number, farPort: number): Promise<LinkProxy> {
    const server = createServer({ allowHalfOpen: false }).listen(port, '127.0.0.1')
    await once(server, 'listening')
    return new LinkProxy(server, farPort)
  }

  get connections(): number {
    return this.#pairs.size
  }

  /** Every connection is reset, and no new one gets through until `heal`. */
  cut(): void {
    this.#isCut = true
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
  }

  /** Nothing passes either way, and nobody is told, until `heal`. */
  stall(): void {
    this.#isStalled = true
    for (const { near, far } of this.#pairs) {
      near.pause()
      far.pause()
    }
  }

  /** The leaf loses its connection; the hub is not told and goes on believing in it. */
  halfOpen(): void {
    for (const pair of [...this.#pairs]) {
      this.#pairs.delete(pair)
      this.#abandoned.add(pair.far)
      pair.far.unpipe()
      pair.far.resume()
      pair.near.unpipe()
      pair.near.resetAndDestroy()
    }
  }

  heal(): void {
    this.#isCut = false
    this.#isStalled = false
    for (const { near, far } of this.#pairs) {
      near.resume()
      far.resume()
    }
  }

  async close(): Promise<void> {
    this.cut()
    for (const socket of this.#abandoned) socket.destroy()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(near: Socket): void {
    near.on('error', () => {})
    if (this.#isCut) {
      near.resetAndDestroy()
      return
    }
    const far = createConnection({ host: '127.0.0.1', port: this.#farPort })
    const pair = { near, far }
    this.#pairs.add(pair)
    far.on('error', () => {})
    far.on('close', () => {
      this.#abandoned.delete(far)
      if (this.#pairs.delete(pair)) near.destroy()
    })
    near.on('close', () => {
      if (this.#pairs.delete(pair)) far.destroy()
    })
    near.pipe(far)
    far.pipe(near)
    if (!this.#isStalled) return
    near.pause()
    far.pause()
  }
}
