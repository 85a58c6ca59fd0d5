import type { RawData, WebSocket } from 'ws'
import { arenaBytes, READ_START } from './arena.ts'
import type { ChannelSecurity, EndStatus } from './channel.ts'
import { READ_BYTES, WEBSOCKET_REASON_BYTES_MAX, WEBSOCKET_UNREAD_BYTES_MAX } from './limits.ts'
import type { TlsFacts } from './tls-facts.ts'
import type { Wire, WireEvents } from './wire.ts'
import type { WireEnds } from './wire-ends.ts'

/** Close codes of an orderly end; 1005 stands for a close frame without a code [RFC 6455, 7.4.1]. */
const ORDERLY_CODES: ReadonlySet<number> = new Set([1000, 1001, 1005])

/** What is known of a WebSocket beside its bytes. */
export interface WebSocketFacts {
  readonly ends: WireEnds
  readonly forwardedFor?: string | undefined
  readonly path: string
  readonly cookies: Readonly<Record<string, string>>
  readonly tls: TlsFacts | undefined
}

const NOTHING = Buffer.alloc(0)
const TOO_MUCH: EndStatus = { code: 1009, reason: 'more than the reader can take' }
const NO_TEXT: EndStatus = { code: 1003, reason: 'MQTT is binary' }
const ORDERLY: EndStatus = { code: 1000, reason: '' }

/**
 * An open WebSocket as a byte stream: each flush is one binary message, and the boundaries of
 * messages mean nothing to the reader. Pings are answered by `ws`.
 */
export class WebSocketWire implements Wire {
  readonly kind = 'websocket'
  readonly path: string
  readonly cookies: Readonly<Record<string, string>>
  readonly tls: TlsFacts | undefined
  readonly forwardedFor: string | undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  readonly #socket: WebSocket
  readonly #sendOptions: {
    readonly binary: true
    readonly compress: boolean
  }
  #events: WireEvents | undefined
  #error: Error | undefined
  #sends = 0
  #isPaused = true
  /** Parts of messages that came while the reader was paused: `ws` hands out all that it has read. */
  #unread: Buffer[] = []
  #unreadBytes = 0
  #isGivenUp = false
  #isReading = false
  /** It is closed, which is told behind what is unread. */
  #isOver = false
  #isLost = false
  #hasTold = false

  constructor(socket: WebSocket, { ends, forwardedFor, path, cookies, tls }: WebSocketFacts) {
    this.forwardedFor = forwardedFor
    this.path = path
    this.cookies = cookies
    this.tls = tls
    this.remoteAddress = ends.remoteAddress
    this.remotePort = ends.remotePort
    this.localAddress = ends.localAddress
    this.localPort = ends.localPort
    this.#socket = socket
    this.#sendOptions = { binary: true, compress: socket.extensions !== '' }
    socket.pause()
    socket.on('error', (error) => {
      this.#error = error
    })
  }

  get security(): ChannelSecurity {
    return this.tls === undefined ? 'plain' : 'tls'
  }

  attach(events: WireEvents): void {
    this.#events = events
    // With a subprotocol it is one of MQTT, which is in binary frames only [MQTT-6.0.0-1].
    const takesText = this.#socket.protocol === ''
    this.#socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary || takesText) this.#copyIn(data)
      else this.#giveUp(NO_TEXT, 'the WebSocket brought text, and MQTT is binary')
    })
    this.#socket.on('close', (code) => {
      this.#isOver = true
      this.#isLost = this.#error !== undefined
      if (!this.#isLost && !ORDERLY_CODES.has(code)) {
        this.#error = new Error(`WebSocket closed with code ${code}`)
      }
      if (this.#isLost || this.#unread.length === 0) this.#tellOver()
    })
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    if (this.#unread.length === 0) this.#socket.resume()
    else setImmediate(this.#goOn)
  }

  /** Frames are made by `ws`, which needs a view of the bytes. */
  sendNow(): number {
    return 0
  }

  send(bytes: Uint8Array): boolean {
    const send = ++this.#sends
    this.#socket.send(bytes, this.#sendOptions, (error) => {
      if (!error && send === this.#sends) this.#events?.sent()
    })
    return this.#socket.bufferedAmount === 0
  }

  finish(status: EndStatus = ORDERLY): void {
    this.#socket.close(status.code, cutReason(status.reason))
  }

  abort(): void {
    this.#socket.terminate()
    if (this.#isOver) setImmediate(this.#tellOver)
  }

  /** Text messages of NATS clients are taken too: the bytes are what counts. */
  #copyIn(data: RawData): void {
    if (this.#isGivenUp) return
    for (const part of Array.isArray(data) ? data : [data]) {
      const bytes = Buffer.isBuffer(part) ? part : Buffer.from(part)
      this.#unread.push(bytes)
      this.#unreadBytes += bytes.length
    }
    const [first = NOTHING] = this.#unread
    if (this.#unreadBytes - first.length > WEBSOCKET_UNREAD_BYTES_MAX) {
      // A few compressed bytes, which `ws` has read before it was paused, can be more than there is memory.
      this.#giveUp(TOO_MUCH, 'the WebSocket brought more than the reader can take')
    } else this.#handOut()
  }

  #giveUp(status: EndStatus, reason: string): void {
    if (this.#isGivenUp) return
    this.#isGivenUp = true
    this.#unread = []
    this.#unreadBytes = 0
    this.#error ??= new Error(reason)
    this.finish(status)
    setImmediate(() => this.abort())
  }

  #handOut(): void {
    // A reader that resumes from within `received` goes on in this loop.
    if (this.#isReading) return
    this.#isReading = true
    while (!this.#isPaused && this.#unread.length > 0) {
      const [bytes = NOTHING] = this.#unread
      const size = Math.min(READ_BYTES, bytes.length)
      if (size === bytes.length) this.#unread.shift()
      else this.#unread[0] = bytes.subarray(size)
      this.#unreadBytes -= size
      bytes.copy(arenaBytes, READ_START, 0, size)
      if (size > 0) this.#events?.received(size)
    }
    this.#isReading = false
    if (this.#isOver && this.#unread.length === 0) this.#tellOver()
  }

  readonly #tellOver = (): void => {
    if (this.#hasTold) return
    this.#hasTold = true
    this.#unread = []
    // What came before a close stands, whatever its code says.
    if (!this.#isLost) this.#events?.ended()
    this.#events?.closed(this.#error)
  }

  readonly #goOn = (): void => {
    this.#handOut()
    if (!this.#isPaused) this.#socket.resume()
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
