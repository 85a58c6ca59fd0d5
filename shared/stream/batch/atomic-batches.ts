/**
 * Atomic batch publish [ADR-50]: messages of a batch gather until one says that they are all; then they
 * are checked, each against what the ones before it did, and stored in one transaction, or none is.
 * Facts from nats-server 2.15 (stream.go, processJetStreamAtomicBatchMsg; jetstream_batching.go).
 */
import { NO_BYTES } from '../headers.ts'
import { JetStreamError, toJetStreamError } from '../jetstream-error.ts'
import type { Message } from '../publish/admission.ts'
import type { Waiting } from '../publish/pub-ack.ts'
import { parsePublishHeaders } from '../publish/publish-headers.ts'
import { AtomicBatch } from './atomic-batch.ts'
import { BatchChecks } from './batch-checks.ts'
import type { BatchHeaders } from './batch-headers.ts'
import { type BatchTarget, checkStream, isLevelMissing } from './batch-target.ts'
import { IdleTimer } from './idle-timer.ts'
import {
  ATOMIC_MESSAGES_LIMIT,
  ATOMIC_MESSAGES_MAX,
  ATOMIC_PER_SERVER_MAX,
  ATOMIC_PER_STREAM_MAX,
  BATCH_ID_BYTES_MAX,
  BATCH_IDLE_MS,
} from './limits.ts'
import { OpenBatches } from './open-batches.ts'

type Abandoned = 'timeout' | 'large' | 'incomplete' | 'unsupported'

export class AtomicBatches extends OpenBatches<AtomicBatch> {
  /** Resolves once a commit can be checked; undefined when it can be now. */
  prepare({ id, commit }: BatchHeaders, last: Message): Promise<void> | undefined {
    const { config, store } = this.stream
    const isCounting = config.allow_msg_counter === true
    if (commit === 'no' || !(isCounting || store.stage.isClearing)) return undefined
    return this.#prepareFrom(0, [...(this.batches.get(id)?.messages ?? []), last])
  }

  /** One message. Throws why it, and mostly its batch with it, is refused. */
  take(message: Message, headers: BatchHeaders, waiting: Waiting): void {
    checkStream(this.stream, message)
    if (this.stream.config.allow_atomic !== true) throw new JetStreamError(10174)
    const { id, seq, commit } = headers
    if (Buffer.byteLength(id) > BATCH_ID_BYTES_MAX) throw new JetStreamError(10179)
    if (seq === undefined) throw new JetStreamError(10175)
    const batch = this.batches.get(id) ?? this.#open(id, seq, commit)
    if (commit === 'invalid') throw this.#abandon(id, undefined, new JetStreamError(10200))
    if (isLevelMissing(message, this.parts.apiLevel)) {
      throw this.#abandon(id, 'unsupported', new JetStreamError(10185))
    }
    batch.touch()
    batch.seq++
    if (batch.seq !== seq || (seq === 1 && commit === 'before')) {
      throw this.#abandon(id, 'incomplete', new JetStreamError(10176))
    }
    if (sizeAt(seq, commit) > this.#messagesMax) {
      throw this.#abandon(id, 'large', this.#tooLarge())
    }
    this.#add(id, batch, message, headers, waiting)
    if (commit === 'no') this.#confirm(waiting)
    else this.#commit(id, batch, waiting)
  }

  /** Drops what gathers, and tells nobody but who stands behind the messages. */
  clear(): void {
    for (const id of [...this.batches.keys()]) {
      this.#abandon(id, undefined, new JetStreamError(10176))
    }
  }

  /** The store takes no larger transaction, whatever the configuration says. */
  get #messagesMax(): number {
    const { messagesMax } = this.parts.limits.server.batches
    return messagesMax === 0 ? ATOMIC_MESSAGES_MAX : Math.min(messagesMax, ATOMIC_MESSAGES_LIMIT)
  }

  #tooLarge(): JetStreamError {
    return new JetStreamError(10199, String(this.#messagesMax))
  }

  #open(id: string, seq: number, commit: BatchHeaders['commit']): AtomicBatch {
    if (seq !== 1) {
      const isTooLarge = sizeAt(seq, commit) > this.#messagesMax
      throw isTooLarge ? this.#tooLarge() : new JetStreamError(10176)
    }
    const { perStreamMax, perServerMax, idleMs } = this.parts.limits.server.batches
    const isFull =
      this.batches.size >= (perStreamMax || ATOMIC_PER_STREAM_MAX) ||
      this.server.atomic >= (perServerMax || ATOMIC_PER_SERVER_MAX)
    if (isFull) throw new JetStreamError(10210)
    const timer = new IdleTimer(this.parts.clock, idleMs || BATCH_IDLE_MS, () => {
      this.#abandon(id, 'timeout', new JetStreamError(10176))
    })
    const batch = new AtomicBatch(this.server, timer)
    this.batches.set(id, batch)
    return batch
  }

  #add(
    id: string,
    batch: AtomicBatch,
    message: Message,
    { commit }: BatchHeaders,
    waiting: Waiting,
  ): void {
    if (commit === 'before') {
      batch.endWithLast()
      return
    }
    try {
      batch.add(message, commit === 'no' ? waiting.committed : undefined)
    } catch (error) {
      throw this.#abandon(id, 'large', toJetStreamError(error))
    }
  }

  /** Tells a publisher that asks that the message was taken into its batch. */
  #confirm({ reply }: Waiting): void {
    if (reply === '') return
    // The caller may be the router in the middle of a delivery.
    queueMicrotask(() => this.parts.port.publish(reply, '', NO_BYTES, NO_BYTES))
  }

  #commit(id: string, batch: AtomicBatch, waiting: Waiting): void {
    const { acks } = this.parts
    const { messages } = batch
    const tail = `,"batch":${JSON.stringify(id)},"count":${messages.length}`
    this.#close(id, batch)
    const committed: Parameters<BatchTarget['appendChecked']>[2] = (error, seq) => {
      batch.tell(error)
      if (error === undefined) acks.accept(seq, tail, waiting)
      else acks.refuse(error, waiting)
    }
    try {
      this.target.transaction(() => this.#appendAll(messages, committed))
    } catch (error) {
      const refusal = toJetStreamError(error)
      queueMicrotask(() => batch.tell(refusal))
      throw error
    }
  }

  #appendAll(
    messages: readonly Message[],
    committed: Parameters<BatchTarget['appendChecked']>[2],
  ): void {
    const checks = new BatchChecks(this.target)
    try {
      for (const [index, message] of messages.entries()) {
        const asked = parsePublishHeaders(message.headers)
        const draft = checks.check(message, asked)
        const isLast = index === messages.length - 1
        this.target.appendChecked(draft, asked, isLast ? committed : () => {})
      }
    } catch (error) {
      // Which limit it is beyond shows only while what is staged of it counts.
      throw this.parts.acks.refusalOf(error)
    }
  }

  #abandon(id: string, reason: Abandoned | undefined, error: JetStreamError): JetStreamError {
    const batch = this.batches.get(id)
    if (batch !== undefined) this.#close(id, batch)
    queueMicrotask(() => {
      batch?.tell(error)
      if (reason === undefined) return
      const stream = this.stream.name
      this.parts.advisories.publish(`STREAM.BATCH_ABANDONED.${stream}`, 'stream_batch_abandoned', {
        stream,
        batch: id,
        reason,
      })
    })
    return error
  }

  #close(id: string, batch: AtomicBatch): void {
    this.batches.delete(id)
    batch.close()
  }

  /** Reads what counters need, in the order of the messages, and nothing again that is known. */
  #prepareFrom(start: number, messages: readonly Message[]): Promise<void> | undefined {
    for (let i = start; i < messages.length; i++) {
      const message = messages[i] as Message
      const ready = this.target.prepare(message, parsePublishHeaders(message.headers))
      if (ready !== undefined) return ready.then(() => this.#prepareFrom(i + 1, messages))
    }
    return undefined
  }
}

/** Messages of a batch when it ends here. */
function sizeAt(seq: number, commit: BatchHeaders['commit']): number {
  if (commit !== 'before') return seq
  // nats-server counts down from 0 to the largest number.
  return seq === 0 ? Number.MAX_SAFE_INTEGER : seq - 1
}
