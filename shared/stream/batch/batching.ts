/** Batches of one stream: which messages are part of one, and of which kind. */
import type { Message } from '../publish/admission.ts'
import type { Waiting } from '../publish/pub-ack.ts'
import type { PublishHeaders } from '../publish/publish-headers.ts'
import { AtomicBatches } from './atomic-batches.ts'
import type { BatchParts, BatchStream, BatchTarget } from './batch-target.ts'
import { FastBatches } from './fast-batches.ts'

export class Batching {
  readonly #stream: BatchStream
  readonly #atomic: AtomicBatches
  readonly #fast: FastBatches

  constructor(stream: BatchStream, target: BatchTarget, parts: BatchParts) {
    this.#stream = stream
    this.#atomic = new AtomicBatches(stream, target, parts)
    this.#fast = new FastBatches(stream, target, parts)
  }

  /** Whether `take` is to take it. */
  isPart(asked: PublishHeaders, { said }: Waiting): boolean {
    return asked.batch !== undefined || said !== undefined
  }

  /** Resolves once the message can be taken; undefined when it can be now. */
  prepare(message: Message, { batch }: PublishHeaders): Promise<void> | undefined {
    return batch === undefined ? undefined : this.#atomic.prepare(batch, message)
  }

  /** Throws why it is refused. */
  take(message: Message, asked: PublishHeaders, waiting: Waiting): void {
    if (waiting.said !== undefined) this.#fast.take(message, asked, waiting)
    else if (asked.batch !== undefined) this.#atomic.take(message, asked.batch, waiting)
  }

  /** The stream's configuration is another now: what it does not allow any more ends. */
  configured(): void {
    const { allow_atomic, allow_batched } = this.#stream.config
    if (allow_atomic !== true) this.#atomic.clear()
    if (allow_batched !== true) this.#fast.clear()
  }

  close(): void {
    this.#atomic.clear()
    this.#fast.clear()
  }
}
