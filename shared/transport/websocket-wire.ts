import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { arenaBytes, READ_START } from './arena.ts'
import type { EndStatus } from './channel.ts'
import { READ_BYTES, WEBSOCKET_REASON_BYTES_MAX } from './limits.ts'
import { NO_COOKIES, type Wire, type WireEvents } from './wire.ts'

/** Close codes of an orderly end; 1005 stands for a close frame without a code [RFC 6455, 7.4.1]. */
const ORDERLY_CODES: ReadonlySet<number> = new Set([1000, 1001, 1005])

const ORDERLY: EndStatus = { code: 1000, reason: '' }

/**
 * An open WebSocket as a byte stream: each flush is one binary message, and the boundaries of
 * messages mean nothing to the reader. Pings are answered by `ws`.
 */
export class WebSocketWire implements Wire {
  readonly kind = 'websocket'
  readonly path: string
  readonly cookies = NO_COOKIES
  readonly security = 'plain'
  readonly tls = undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #socket: WebSocket
  #events: WireEvents | undefined
  #error: Error | undefined
  #sends = 0

  constructor(socket: WebSocket, tcp: Socket, path: string) {
    this.path = path
    this.remoteAddress = tcp.remoteAddress ?? ''
    this.remotePort = tcp.remotePort ?? 0
    this.localAddress = tcp.localAddress ?? ''
    this.localPort = tcp.localPort ?? 0
    this.#socket = socket
    socket.pause()
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  attach(events: WireEvents): void {
    this.#events = events
    this.#socket.on('message', (data: RawData) => this.#copyIn(data))
    this.#socket.on('close', (code) => {
      if (this.#error === undefined && !ORDERLY_CODES.has(code)) {
        this.#error = new Error(`WebSocket closed with code ${code}`)
      }
      events.closed(this.#error)
    })
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Frames are made by `ws`, which needs a view of the bytes. */
  sendNow(): number {
    return 0
  }

  send(bytes: Uint8Array): boolean {
    const send = ++this.#sends
    this.#socket.send(bytes, { binary: true, compress: false }, (error) => {
      if (!error && send === this.#sends) this.#events?.sent()
    })
    return this.#socket.bufferedAmount === 0
  }

  finish(status: EndStatus = ORDERLY): void {
    this.#socket.close(status.code, cutReason(status.reason))
  }

  abort(): void {
    this.#socket.terminate()
  }

  /** Text messages are taken too: the bytes are what counts. */
  #copyIn(data: RawData): void {
    const parts = Array.isArray(data) ? data : [data]
    for (const part of parts) {
      const bytes = Buffer.isBuffer(part) ? part : Buffer.from(part)
      for (let at = 0; at < bytes.length; at += READ_BYTES) {
        const size = Math.min(READ_BYTES, bytes.length - at)
        bytes.copy(arenaBytes, READ_START, at, at + size)
        this.#events?.received(size)
      }
    }
  }
}

/** A reason travels in a control frame, and must be cut between characters. */
function cutReason(reason: string): string {
  const bytes = Buffer.from(reason)
  if (bytes.length <= WEBSOCKET_REASON_BYTES_MAX) return reason
  let end = WEBSOCKET_REASON_BYTES_MAX
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
