import type { NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import {
  type Cancel,
  type Clock,
  codeOf,
  messageOf,
  type Random,
} from '../../shared/runtime/index.ts'
import {
  BATCH_OVERHEAD_BYTES,
  type BatchReply,
  batchSubject,
  decodeBatchReply,
  encodeBatch,
  type Welcome,
} from '../../shared/sync/index.ts'
import type { BatchSize } from './batch-size.ts'
import type { BufferDrain, Flight } from './buffer-drain.ts'
import { FlightWindow } from './flight-window.ts'
import { Lane } from './lane.ts'
import { READ_PAUSE_MS } from './limits.ts'

export interface SessionDependencies {
  readonly batchSize: BatchSize
  readonly client: NatsClient
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/**
 * What lies between a welcome and the moment when the home stops answering: batches go out as far as
 * the window allows, answers come back in any order. A session holds nothing that matters; its
 * successor starts again from the hub's watermarks.
 */
export class SyncSession {
  readonly drains: readonly BufferDrain[]
  readonly #leaf: string
  readonly #welcome: Welcome
  readonly #client: NatsClient
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #batchSize: BatchSize
  readonly #window: FlightWindow
  readonly #lane: Lane
  readonly #abort = new AbortController()
  #pausedUntilMs = 0
  #wake: (() => void) | undefined
  #isWoken = false
  #cancelTimer: Cancel | undefined

  constructor(
    leaf: string,
    welcome: Welcome,
    drains: readonly BufferDrain[],
    dependencies: SessionDependencies,
  ) {
    this.#leaf = leaf
    this.#welcome = welcome
    this.drains = drains
    this.#batchSize = dependencies.batchSize
    this.#client = dependencies.client
    this.#clock = dependencies.clock
    this.#random = dependencies.random
    this.#log = dependencies.log
    this.#window = new FlightWindow(welcome.credit_bytes)
    this.#lane = new Lane(drains)
  }

  /** Resolves when the session is over. */
  async run(): Promise<void> {
    const unsubscribe = this.drains.map(({ buffer }) => buffer.store.onCommit(() => this.wake()))
    const stopInterest = this.#client.onInterest(batchSubject(this.#welcome.home), () => {
      if (!this.#client.hasInterest(batchSubject(this.#welcome.home))) this.end('the link is down')
    })
    try {
      while (!this.#abort.signal.aborted) await this.#sendNext()
    } finally {
      // Also when a buffer could not be read: what is on the way must not outlive the session.
      this.end('the session is over')
      this.#cancelTimer?.()
      stopInterest()
      for (const stop of unsubscribe) stop()
    }
  }

  /** Gives up what is on the way. Idempotent. */
  end(reason: string): void {
    if (this.#abort.signal.aborted) return
    this.#log.debug({ reason }, 'sync session ended')
    this.#abort.abort()
    this.wake()
  }

  /** The hub says that what it refused of a buffer may go in now; '' are all of them. */
  retry(buffer: string): void {
    const nowMs = this.#clock.monotonicMs()
    let isHeeded = false
    for (const drain of this.drains) {
      if ((buffer === '' || drain.buffer.name === buffer) && drain.retry(nowMs)) isHeeded = true
    }
    if (!isHeeded) return
    this.#pausedUntilMs = 0
    this.wake()
  }

  wake(): void {
    this.#isWoken = true
    this.#wake?.()
  }

  async #sendNext(): Promise<void> {
    this.#isWoken = false
    const nowMs = this.#clock.monotonicMs()
    const isPaused = nowMs < this.#pausedUntilMs
    const drain = isPaused || !this.#window.hasRoom ? undefined : this.#lane.next(nowMs)
    if (drain === undefined) {
      return this.#sleep(isPaused ? this.#pausedUntilMs : this.#lane.wakeAtMs(nowMs), nowMs)
    }
    const flight = await drain.cut(this.#batchBytes)
    // Nothing to cut where something was expected: sent back meanwhile, or the disk is not ready.
    if (flight === undefined) return this.#sleep(nowMs + READ_PAUSE_MS, nowMs)
    if (!this.#abort.signal.aborted) this.#send(drain, flight)
  }

  #send(drain: BufferDrain, flight: Flight): void {
    const { buffer } = drain
    const { cut } = flight
    const header = {
      leaf: this.#leaf,
      buffer: buffer.name,
      incarnation: buffer.incarnation,
      firstSeq: cut.firstSeq,
      lastSeq: cut.lastSeq,
      gaps: cut.gaps,
    }
    const bytes = encodeBatch(header, cut.records, this.#window.isSlow)
    if (bytes.length > this.#welcome.payload_max) {
      this.#tooLarge(drain, flight, bytes.length)
      return
    }
    const sentMs = this.#clock.monotonicMs()
    this.#window.sent(bytes.length)
    const choices = { deadlineMs: this.#window.deadlineMs, signal: this.#abort.signal }
    this.#client.request(batchSubject(this.#welcome.home), bytes, choices).then(
      (message) => {
        const nowMs = this.#clock.monotonicMs()
        this.#window.answered(bytes.length, nowMs - sentMs, nowMs)
        this.#batchSize.answered(bytes.length)
        this.#answered(drain, flight, message.payload, nowMs)
      },
      (error: unknown) => this.#unanswered(bytes.length, error),
    )
  }

  /** A single record that is larger travels alone, and is refused when even so it is too large. */
  get #batchBytes(): number {
    const roomBytes = this.#welcome.payload_max - BATCH_OVERHEAD_BYTES
    return Math.max(1, Math.min(this.#window.batchBytes, this.#batchSize.bytes, roomBytes))
  }

  #unanswered(size: number, error: unknown): void {
    if (codeOf(error) === 'PETIOLE_REQUEST_TIMEOUT') {
      this.#batchSize.unanswered(size)
      this.#log.warn({ size, next: this.#batchSize.bytes }, 'a batch has no answer')
    }
    this.end(messageOf(error))
  }

  #answered(drain: BufferDrain, flight: Flight, payload: Uint8Array, nowMs: number): void {
    if (this.#abort.signal.aborted) return
    let reply: BatchReply
    try {
      reply = decodeBatchReply(payload)
    } catch (error) {
      this.end(messageOf(error))
      return
    }
    if (reply.incarnation !== drain.buffer.incarnation && reply.status !== 'invalid') {
      this.end(`an answer to ${drain.buffer.name} is about another incarnation`)
      return
    }
    const wasRefused = drain.refusal !== undefined
    const effect = drain.answered(flight, reply, nowMs)
    if (drain.refusal !== undefined && !wasRefused) {
      const { subject, reason } = drain.refusal
      this.#log.warn({ buffer: drain.buffer.name, subject, reason }, 'the hub refuses a record')
    }
    if (effect === 'hello again') this.end('the hub wants a hello')
    if (reply.status === 'later') {
      const waitMs = reply.retry_ms * (1 + this.#random.float())
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + waitMs)
    }
    this.wake()
  }

  #tooLarge(drain: BufferDrain, { cut }: Flight, size: number): void {
    const subject = cut.records[0]?.subject ?? ''
    const reason = `a record that takes ${size} bytes is larger than the hub's max_payload of ${this.#welcome.payload_max}: raise it at the hub`
    drain.blockOn({ subject, reason }, this.#clock.monotonicMs())
  }

  #sleep(untilMs: number, nowMs: number): Promise<void> {
    if (this.#isWoken || this.#abort.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined
        this.#cancelTimer?.()
        this.#cancelTimer = undefined
        resolve()
      }
      if (Number.isFinite(untilMs)) {
        this.#cancelTimer = this.#clock.after(untilMs - nowMs, () => this.#wake?.())
      }
    })
  }
}
