import type { PetioleError } from '../../shared/runtime/index.ts'
import { arenaBytes, type Channel, type ChannelHandler } from '../../shared/transport/index.ts'
import { DEADLINE_MS } from './patience.ts'

/** A channel's handler that keeps what it gets and lets a test wait for facts about it. */
export class ChannelProbe implements ChannelHandler {
  readonly channel: Channel
  chunks = 0
  drains = 0
  isClosed = false
  error: PetioleError | undefined
  /** How many bytes of a chunk to use; the rest must come again. */
  use: (start: number, end: number) => number = (_start, end) => end
  onPlainRefused: () => void = () => {}
  onBytes: ((bytes: Uint8Array) => void) | undefined
  #parts: Uint8Array[] = []
  #checks: (() => void)[] = []

  constructor(channel: Channel) {
    this.channel = channel
    channel.start(this)
  }

  get size(): number {
    return this.#parts.reduce((sum, part) => sum + part.length, 0)
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  onChunk(start: number, end: number): number {
    this.chunks++
    const used = this.use(start, end)
    const bytes = Buffer.from(arenaBytes.subarray(start, used))
    if (bytes.length > 0) this.#parts.push(bytes)
    this.onBytes?.(bytes)
    this.#check()
    return used
  }

  onDrain(): void {
    this.drains++
    this.#check()
  }

  onClose(error: PetioleError | undefined): void {
    this.isClosed = true
    this.error = error
    this.#check()
  }

  /** Resolves when `fact` holds; looks after each event of the channel. */
  until(what: string, fact: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stop()
        reject(new Error(`not within ${DEADLINE_MS} ms: ${what} (${this.size} bytes received)`))
      }, DEADLINE_MS)
      const check = (): void => {
        if (!fact()) return
        stop()
        resolve()
      }
      const stop = (): void => {
        clearTimeout(timer)
        this.#checks = this.#checks.filter((other) => other !== check)
      }
      this.#checks.push(check)
      check()
    })
  }

  closed(): Promise<void> {
    return this.until('closed', () => this.isClosed)
  }

  #check(): void {
    for (const check of [...this.#checks]) check()
  }
}

/** Resolves when `fact` holds; for facts that no event tells of. */
export async function eventually(what: string, fact: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!fact()) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
