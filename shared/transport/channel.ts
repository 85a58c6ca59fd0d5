import type { PetioleError } from '../runtime/index.ts'

/**
 * One byte stream: an accepted or dialled TCP socket, a WebSocket's binary stream, or a simulated
 * one. Input arrives in the arena (see arena.ts), so that parsers and the router copy without
 * making views; output is gathered per channel in arena slots and goes out as one write per read
 * chunk or turn of the loop.
 */
export interface Channel {
  readonly kind: 'tcp' | 'websocket' | 'memory'
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /** The path of a WebSocket's upgrade request (`/leafnode`); '' for the others. */
  readonly path: string
  /** Bytes taken from the writer and not yet by the kernel. */
  readonly pendingBytes: number
  readonly isClosed: boolean

  /** Begins to read. Called once; no callback comes before it. */
  start(handler: ChannelHandler): void
  /** Copies `bytes` to the output. Never blocks; the caller watches `pendingBytes`. */
  write(bytes: Uint8Array): void
  /**
   * Reserves `size` contiguous bytes of output in the arena and returns their offset, or -1 when
   * the channel is closed or `size` is above `outputSlotBytes`: then use `write`. Fill them, then `commit`.
   */
  reserve(size: number): number
  /** Ends a reservation: output now ends at arena offset `end`. */
  commit(end: number): void
  /** Stops reading until `resume`: back-pressure on the sender. */
  pause(): void
  resume(): void
  /** Sends what is gathered, then closes. Idempotent. */
  end(): void
  /** Closes at once and drops what is gathered. `onClose` gets `error`. Idempotent. */
  destroy(error?: PetioleError): void
}

export interface ChannelHandler {
  /**
   * Bytes [start, end) of the arena, valid during the call only. Returns the offset of the first
   * byte not used: that tail comes again in front of the next chunk. A handler must consume (collect
   * as chunks) what is longer than the arena's head room, see `CARRY_BYTES_MAX`.
   */
  onChunk(start: number, end: number): number
  /** `pendingBytes` has fallen below half of what the handler last saw above the low-water mark. */
  onDrain(): void
  /** Called once, when no more input comes and output is gone. `error` when it was not an orderly end. */
  onClose(error: PetioleError | undefined): void
}
