import type { PetioleError } from '../runtime/index.ts'
import type { DialSecurity } from './dial-security.ts'
import type { Output } from './output.ts'
import type { TlsFacts } from './tls-facts.ts'

/**
 * Where a byte stream stands with TLS:
 *
 *     plain    never
 *     offered  the peer may begin a handshake with its first byte, or go on in plain: `tls_available`
 *     awaited  the peer must begin one, after a plain INFO: `tls_required`
 *     tls      the handshake is done, and was before the channel came when the listener is TLS-first
 *
 * The transport does the handshake by itself: a handler sees no byte of it, and whatever it writes
 * meanwhile goes out behind it.
 */
export type ChannelSecurity = 'plain' | 'offered' | 'awaited' | 'tls'

/** How a WebSocket is closed [RFC 6455, 7.4]. */
export interface EndStatus {
  readonly code: number
  /** At most 123 bytes; longer ones are cut. */
  readonly reason: string
}

/**
 * One byte stream: an accepted or dialled TCP socket, a WebSocket's binary stream, or a simulated
 * one. Input arrives in the arena (see arena.ts), so that parsers and the router copy without
 * making views; output is gathered per channel in arena slots and goes out as one write per read
 * chunk or turn of the loop.
 *
 * No method of a channel calls its handler before it returns: callbacks come in turns of their own,
 * so a router may write to and destroy any channel in the middle of a loop over them.
 */
export interface Channel {
  readonly kind: 'tcp' | 'websocket' | 'memory'
  /**
   * The peer, or who a PROXY header says it is, which comes with the first bytes: these may change once,
   * before the first `onChunk`.
   */
  readonly remoteAddress: string
  readonly remotePort: number
  /**
   * Who `X-Forwarded-For` of a WebSocket's upgrade request says it is. Anybody may send that header, so
   * it is shown and believed by nothing: rules about addresses go by `remoteAddress`, as in nats-server.
   */
  readonly forwardedFor?: string | undefined
  readonly localAddress: string
  readonly localPort: number
  /** The path of a WebSocket's upgrade request (`/leafnode`); '' for the others. */
  readonly path: string
  /** Of a WebSocket's upgrade request; empty for the others. */
  readonly cookies: Readonly<Record<string, string>>
  readonly security: ChannelSecurity
  /** What the handshake has found out; undefined as long as `security` is not `tls`. */
  readonly tls: TlsFacts | undefined
  /** What `write`, `reserve` and `commit` work on. The hot path calls it directly: one class for all kinds. */
  readonly output: Output
  /** Bytes taken from the writer and not yet by the kernel. */
  readonly pendingBytes: number
  /**
   * Whether the peer takes less than it is sent: the kernel takes no more, and `bytes` or more wait. Who
   * was told so is told by `onDrain`, or by `onClose`, when it is worth asking again.
   */
  isBehind(bytes: number): boolean
  readonly isClosed: boolean
  /** The other side sends no more; what it sent before may still be kept for a handler that is paused. */
  readonly hasEnded: boolean

  /** Begins to read. Called once; no callback comes before it. */
  start(handler: ChannelHandler): void
  /** Copies `bytes` to the output. Never blocks; the caller watches `pendingBytes`. */
  write(bytes: Uint8Array): void
  /**
   * Reserves `size` contiguous bytes of output in the arena and returns their offset, or -1 when
   * the channel is closed, `size` is above OUTPUT_SLOT_BYTES or the arena is full: then use `write`,
   * which always works (and does nothing on a closed channel). Fill them, then `commit`.
   */
  reserve(size: number): number
  /** Ends a reservation: output now ends at arena offset `end`. */
  commit(end: number): void
  /**
   * Stops reading until `resume`: back-pressure on the sender. The chunk in hand is not cut short,
   * and one that was already read may still come.
   *
   * What a handler leaves unused while it is paused is kept, however long, and comes again after
   * `resume`, also when nothing new arrives: so a handler can wait in the middle of a chunk.
   */
  pause(): void
  /**
   * The same for the handler, but what comes is still read, up to CARRY_BYTES_MAX, so that `hasEnded` and
   * `isClosed` tell whether somebody is still there. For waits that are long.
   */
  hold(): void
  resume(): void
  /**
   * Begins TLS on a dialled TCP connection: for protocols in which the other side asks for it in
   * plain. Nothing may be written until it resolves, and what was read before must be used up. Rejects
   * with PETIOLE_TLS_FAILED or PETIOLE_TLS_TIMEOUT, and the channel closes with the same.
   */
  secure(security: DialSecurity): Promise<void>
  /**
   * Sends what is gathered, then closes; reads no more. At the latest after END_LINGER_MS. `status`
   * is for WebSockets, default 1000. Idempotent.
   */
  end(status?: EndStatus): void
  /** Closes at once and drops what is gathered. `onClose` gets `error`. Idempotent. */
  destroy(error?: PetioleError): void
}

export interface ChannelHandler {
  /**
   * Bytes [start, end) of the arena, valid during the call only. Returns the offset of the first
   * byte not used: that tail comes again in front of the next chunk. A handler must consume (collect
   * as chunks) what is longer than CARRY_BYTES_MAX; a longer tail destroys the channel with
   * PETIOLE_CARRY_OVERFLOW, unless the channel is paused. Not called again once the channel is ended or destroyed.
   */
  onChunk(start: number, end: number): number
  /**
   * `pendingBytes` is back at OUTPUT_LOW_WATER_BYTES or below after it was at OUTPUT_HIGH_WATER_BYTES
   * or above, or some of what waited has left when `isBehind` said so. Whoever saw it that high is told by
   * this, or by `onClose`.
   */
  onDrain(): void
  /**
   * Plain bytes came where `security` is `awaited`. What is written within the call still goes out in
   * plain; then the channel ends, and `onClose` gets PETIOLE_TLS_REQUIRED.
   */
  onPlainRefused?(): void
  /** Called once, when no more input comes and output is gone. `error` when it was not an orderly end. */
  onClose(error: PetioleError | undefined): void
}
