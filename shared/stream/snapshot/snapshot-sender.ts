/**
 * Sends a backup to whoever asked for it: pieces of one size, only so many of them unanswered, and a status
 * behind the last one. Whoever does not answer, or is gone, gets a status too, and nothing is held for him.
 */
import type { Clock } from '../../runtime/index.ts'
import { NO_BYTES, statusHeaders } from '../headers.ts'
import { SNAPSHOT_ACK_TIMEOUT_MS, SNAPSHOT_INTEREST_MS } from '../limits.ts'
import type { StreamPort } from '../port.ts'
import { ByteQueue } from './byte-queue.ts'

export interface SnapshotRoute {
  readonly deliverSubject: string
  /** Where pieces are answered: this, then their length and number. */
  readonly ackPrefix: string
  readonly chunkBytes: number
  readonly windowChunks: number
}

/** Why a receiver gets nothing more. */
class Stopped extends Error {}

export class SnapshotSender {
  readonly #port: StreamPort
  readonly #clock: Clock
  readonly #route: SnapshotRoute
  #slots: number
  #chunks = 0
  #stopped: Stopped | undefined
  #wake: (() => void) | undefined

  constructor(port: StreamPort, clock: Clock, route: SnapshotRoute) {
    this.#port = port
    this.#clock = clock
    this.#route = route
    this.#slots = route.windowChunks
  }

  /** Resolves with what went wrong, undefined when all was sent. */
  async send(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<string | undefined> {
    const { deliverSubject, ackPrefix } = this.#route
    const stopAcks = this.#port.subscribe(`${ackPrefix}.>`, () => this.#acknowledged())
    const interest = this.#port.watchInterest(deliverSubject, '', () => {
      if (!interest.isInterested) this.#stop('no interest')
      this.#wake?.()
    })
    const onAbort = (): void => this.#stop('server shutdown')
    signal.addEventListener('abort', onAbort)
    try {
      if (!interest.isInterested) await this.#until(SNAPSHOT_INTEREST_MS)
      await this.#sendAll(bytes)
      this.#end('204')
      return undefined
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#end(statusOf(problem, error instanceof Stopped))
      return problem
    } finally {
      signal.removeEventListener('abort', onAbort)
      interest.stop()
      stopAcks()
    }
  }

  async #sendAll(bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const { chunkBytes } = this.#route
    const queue = new ByteQueue()
    for await (const piece of bytes) {
      queue.push(piece)
      while (queue.length >= chunkBytes) {
        await this.#slot()
        this.#chunk(queue.take(chunkBytes))
      }
    }
    if (queue.length > 0) this.#chunk(queue.take(queue.length), false)
  }

  async #slot(): Promise<void> {
    if (this.#slots === 0) await this.#until(SNAPSHOT_ACK_TIMEOUT_MS)
    if (this.#slots === 0) this.#stop('no flow response')
    if (this.#stopped !== undefined) throw this.#stopped
    this.#slots--
  }

  #chunk(bytes: Uint8Array, isAnswered = true): void {
    const { deliverSubject, ackPrefix } = this.#route
    const reply = isAnswered ? `${ackPrefix}.${bytes.length}.${++this.#chunks}` : ''
    this.#port.publish(deliverSubject, reply, NO_BYTES, bytes)
  }

  #end(status: string): void {
    this.#port.publish(this.#route.deliverSubject, '', statusHeaders(status), NO_BYTES)
  }

  #acknowledged(): void {
    // Who answers twice does not get more.
    this.#slots = Math.min(this.#slots + 1, this.#route.windowChunks)
    this.#wake?.()
  }

  #stop(reason: string): void {
    this.#stopped ??= new Stopped(reason)
    this.#wake?.()
  }

  /** Resolves when something has changed, or after `ms`. */
  #until(ms: number): Promise<void> {
    if (this.#stopped !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        cancel()
        this.#wake = undefined
        resolve()
      }
      const cancel = this.#clock.after(ms, done)
      this.#wake = done
    })
  }
}

function statusOf(problem: string, isStopped: boolean): string {
  if (problem === 'no interest') return '408 No Interest'
  if (problem === 'no flow response') return '408 No Flow Response'
  const text = problem.replace(/[\r\n]+/g, ' ')
  return isStopped ? `408 ${text}` : `500 ${text}`
}
