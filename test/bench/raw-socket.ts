import { connect, type OnReadOpts, type Socket } from 'node:net'

export const CONNECT =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n'

const READ_BYTES = 1024 * 1024

/**
 * A NATS client that parses nothing: it counts bytes, so that what a benchmark measures is the server.
 * Its reads land in one buffer of its own.
 */
export class RawSocket {
  readonly socket: Socket
  bytes = 0
  onBytes: (bytes: Uint8Array) => void = () => {}

  constructor(
    { host, port }: { readonly host: string; readonly port: number },
    readBytes = READ_BYTES,
  ) {
    const onread: OnReadOpts = {
      buffer: Buffer.alloc(readBytes),
      callback: (size, buffer) => {
        const bytes = this.#answered(buffer.subarray(0, size))
        this.bytes += bytes.length
        if (bytes.length > 0) this.onBytes(bytes)
        return true
      },
    }
    this.socket = connect({ host, port, noDelay: true, onread })
    // Nobody would ever get what is still awaited.
    this.socket.on('error', (error) => this.#fail(error.message))
    this.socket.on('end', () => this.#fail('the server ended it'))
  }

  /** Sends `text` and waits for the PONG behind it. */
  async settle(text: string): Promise<void> {
    let seen = ''
    const settled = new Promise<void>((resolve) => {
      this.onBytes = (bytes) => {
        seen = (seen + Buffer.from(bytes).toString('latin1')).slice(-SEEN_CHARS)
        if (seen.includes('PONG\r\n')) resolve()
      }
    })
    this.socket.write(`${text}PING\r\n`)
    await settled
    this.bytes = 0
  }

  /** Resolves when `bytes` more have come. */
  count(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.onBytes = () => {
        if (this.bytes >= bytes) resolve()
      }
    })
  }

  /** Writes, and waits when the kernel has enough. */
  async write(block: Uint8Array): Promise<void> {
    if (this.socket.write(block)) return
    await new Promise((resolve) => this.socket.once('drain', resolve))
  }

  /** What came without a server's PING in front or behind, which is answered. */
  #answered(bytes: Uint8Array): Uint8Array {
    const isInFront = isPing(bytes, 0)
    if (!isInFront && !isPing(bytes, bytes.length - PING.length)) return bytes
    this.socket.write('PONG\r\n')
    return isInFront ? bytes.subarray(PING.length) : bytes.subarray(0, -PING.length)
  }

  #fail(why: string): never {
    throw new Error(`connection lost, after ${this.bytes} bytes: ${why}`)
  }
}

const SEEN_CHARS = 64 * 1024

const PING = Buffer.from('PING\r\n')

function isPing(bytes: Uint8Array, at: number): boolean {
  return at >= 0 && PING.every((byte, i) => bytes[at + i] === byte)
}
