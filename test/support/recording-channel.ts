import {
  arenaBytes,
  type Channel,
  type ChannelHandler,
  type Output,
} from '../../shared/transport/index.ts'

/** A channel without a wire: keeps what is written, and says it is as far behind as the test wants. */
export class RecordingChannel implements Channel {
  readonly kind = 'memory'
  readonly remoteAddress = '192.0.2.1'
  readonly remotePort = 1
  readonly localAddress = '192.0.2.2'
  readonly localPort = 2
  readonly path = ''
  readonly cookies = {}
  readonly security = 'plain'
  readonly tls = undefined
  readonly written: Buffer[] = []
  pendingBytes = 0
  isClosed = false
  hasEnded = false
  isPaused = false
  handler: ChannelHandler | undefined
  readonly #start: number

  /** @param start arena offset of room for the longest reservation */
  constructor(start: number) {
    this.#start = start
  }

  get output(): Output {
    throw new Error('not the hot path')
  }

  get text(): string {
    return Buffer.concat(this.written).toString('hex')
  }

  isBehind(bytes: number): boolean {
    return this.pendingBytes >= bytes
  }

  start(handler: ChannelHandler): void {
    this.handler = handler
  }

  write(bytes: Uint8Array): void {
    this.written.push(Buffer.from(bytes))
  }

  reserve(): number {
    return this.isClosed ? -1 : this.#start
  }

  commit(end: number): void {
    this.written.push(Buffer.from(arenaBytes.subarray(this.#start, end)))
  }

  pause(): void {
    this.isPaused = true
  }

  hold(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
  }

  secure(): Promise<void> {
    return Promise.resolve()
  }

  end(): void {
    this.isClosed = true
  }

  destroy(): void {
    this.isClosed = true
  }
}
