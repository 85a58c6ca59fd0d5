/**
 * Fast batch publish [ADR-50]: each message is stored by itself, as if it was published alone, and
 * acknowledged together with others, at a pace that the server sets. What a publisher asks of it
 * stands in the reply subject of each message, and every answer goes to the newest one.
 * Facts from nats-server 2.15 (stream.go, processJetStreamFastBatchMsg; jetstream_batching.go).
 */

import type { PetioleError } from '../../runtime/index.ts'
import { NO_BYTES, withoutHeaders } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { Draft, Message } from '../publish/admission.ts'
import type { Waiting } from '../publish/pub-ack.ts'
import type { PublishHeaders } from '../publish/publish-headers.ts'
import { API_LEVEL_HEADER, checkStream, isLevelMissing } from './batch-target.ts'
import { FastBatch } from './fast-batch.ts'
import { type FastReply, parseFastReply } from './fast-reply.ts'
import { IdleTimer } from './idle-timer.ts'
import {
  BATCH_ID_BYTES_MAX,
  BATCH_IDLE_MS,
  FAST_PER_SERVER_MAX,
  FAST_PER_STREAM_MAX,
} from './limits.ts'
import { OpenBatches } from './open-batches.ts'

interface Open {
  readonly batch: FastBatch
  readonly timer: IdleTimer
}

export class FastBatches extends OpenBatches<Open> {
  /** One message. Throws why it is refused as a single message would be. */
  take(message: Message, asked: PublishHeaders, waiting: Waiting): void {
    checkStream(this.stream, message)
    if (this.stream.config.allow_batched !== true) throw new JetStreamError(10205)
    const said = parseFastReply(waiting.said ?? '')
    if (said === undefined) throw new JetStreamError(10206)
    if (Buffer.byteLength(said.id) > BATCH_ID_BYTES_MAX) throw new JetStreamError(10207)
    const open = this.batches.get(said.id) ?? this.#open(said)
    if (isLevelMissing(message, this.parts.apiLevel)) {
      this.#close(said.id, open)
      throw new JetStreamError(10185)
    }
    open.timer.touch()
    if (said.operation === 'ping') this.#ping(open.batch, said, waiting)
    else if (open.batch.isCommitted) drop(waiting)
    else if (!this.#follow(open.batch, said, waiting)) drop(waiting)
    else if (said.operation === 'end') this.#end(open.batch, said, waiting)
    else this.#store(open, said, message, asked, waiting)
  }

  /** Forgets all; what is on its way to the disk is stored and acknowledged to nobody. */
  clear(): void {
    for (const [id, open] of [...this.batches]) this.#close(id, open)
  }

  #open({ id, seq, isGapOk, flow, operation }: FastReply): Open {
    if (seq !== 1 || operation === 'ping') throw new JetStreamError(10208)
    const { perStreamMax, perServerMax, idleMs } = this.parts.limits.server.batches
    const isFull =
      this.batches.size >= (perStreamMax || FAST_PER_STREAM_MAX) ||
      this.server.fast >= (perServerMax || FAST_PER_SERVER_MAX)
    if (isFull) throw new JetStreamError(10211)
    const batch = new FastBatch(isGapOk, flow, this.batches.size === 0)
    const timer = new IdleTimer(this.parts.clock, idleMs || BATCH_IDLE_MS, () =>
      this.#close(id, open),
    )
    const open = { batch, timer }
    this.batches.set(id, open)
    this.server.fast++
    return open
  }

  #close(id: string, open: Open): void {
    if (this.batches.get(id) !== open) return
    open.timer.stop()
    this.batches.delete(id)
    this.server.fast--
  }

  /** Tells again how far it has come, and of a gap when more was sent than came. */
  #ping(batch: FastBatch, { id, seq }: FastReply, { reply, committed }: Waiting): void {
    queueMicrotask(() => committed?.(undefined))
    if (seq > batch.lastSeq) {
      this.#tell(reply, gapText(batch.lastSeq + 1, seq + 1))
      if (batch.isGapOk) {
        batch.lastSeq = seq
        batch.settleSkipped()
        if (this.#advance(batch, reply)) return
      } else if (this.#commit(batch, id, reply)) return
    }
    this.#tell(reply, batch.acknowledgement)
  }

  /** Whether the message is the next one, or one behind a gap that is allowed. Else the batch ends. */
  #follow(batch: FastBatch, { id, seq }: FastReply, { reply }: Waiting): boolean {
    const expected = batch.lastSeq + 1
    if (seq !== expected) this.#tell(reply, gapText(expected, seq))
    if (seq === expected || (seq > expected && batch.isGapOk)) {
      batch.lastSeq = seq
      return true
    }
    this.#commit(batch, id, reply)
    return false
  }

  /** The end that is no message. */
  #end(batch: FastBatch, { id }: FastReply, { reply, committed }: Waiting): void {
    batch.lastSeq--
    batch.settleSkipped()
    this.#commit(batch, id, reply)
    queueMicrotask(() => committed?.(undefined))
  }

  #store(
    open: Open,
    said: FastReply,
    message: Message,
    asked: PublishHeaders,
    waiting: Waiting,
  ): void {
    const { batch } = open
    const { id, seq, operation } = said
    if (operation === 'commit') this.#commit(batch, id, waiting.reply)
    else if (seq === 1 && this.stream.config.no_ack !== true) {
      this.#tell(waiting.reply, batch.acknowledgement)
    }
    try {
      const plain = withoutLevel(message)
      const draft = this.target.check(plain, asked)
      if (typeof draft === 'number') this.#repeated(open, said, draft, waiting)
      else this.#append(open, said, draft, asked, waiting)
    } catch (error) {
      this.#refused(open, said, this.parts.acks.refusalOf(error), waiting)
    }
  }

  #append(
    open: Open,
    { id, seq }: FastReply,
    draft: Draft,
    asked: PublishHeaders,
    waiting: Waiting,
  ): void {
    const { batch } = open
    this.target.appendChecked(draft, asked, (error, streamSeq) => {
      if (error !== undefined) {
        this.#lost(open, id, error, waiting)
        return
      }
      waiting.committed?.(undefined)
      if (this.batches.get(id) !== open) return
      batch.stored(seq, streamSeq)
      this.#goOn(batch, id, waiting.reply)
    })
    batch.pending++
  }

  /** A message that is stored already is left out; it counts once that one is on disk, where it may not get. */
  #repeated(open: Open, said: FastReply, storedAs: number, waiting: Waiting): void {
    const { batch } = open
    const { id, seq, operation } = said
    const isAlone = operation === 'commit' && !said.isGapOk && batch.lastSeq === 1
    batch.pending++
    this.parts.root.barrier((error) => {
      if (error !== undefined) {
        this.#lost(open, id, error, waiting)
        return
      }
      waiting.committed?.(undefined)
      if (this.batches.get(id) !== open) return
      batch.stored(seq, batch.streamSeq)
      if (isAlone) {
        this.#close(id, open)
        const tail = `,"duplicate":true,${countText(id, seq)}`
        this.#acknowledge(waiting.reply, storedAs, tail)
      } else this.#goOn(batch, id, waiting.reply)
    })
  }

  /** What the disk did not take ends the batch; its publisher hears that once. */
  #lost(open: Open, id: string, error: PetioleError, waiting: Waiting): void {
    const isOpen = this.batches.get(id) === open
    if (isOpen) this.#close(id, open)
    this.parts.acks.refuse(error, isOpen ? waiting : { ...waiting, reply: '' })
  }

  /** One more is on disk. */
  #goOn(batch: FastBatch, id: string, reply: string): void {
    if (batch.isCommitted && batch.isSettled) this.#commit(batch, id, reply)
    else this.#advance(batch, reply)
  }

  #refused(open: Open, said: FastReply, error: JetStreamError, waiting: Waiting): void {
    const { batch } = open
    const { id, seq } = said
    if (!said.isGapOk && batch.lastSeq === 1) {
      this.#close(id, open)
      this.target.whenTold(error, (failed) => this.parts.acks.refuse(failed ?? error, waiting))
      return
    }
    queueMicrotask(() => waiting.committed?.(error))
    const isOver = !said.isGapOk || said.operation === 'commit'
    if (isOver) {
      // Takes nothing more from now on; its end is told behind the refusal.
      batch.lastSeq--
      batch.commit(waiting.reply)
      open.timer.stop()
    }
    batch.pending++
    this.target.whenTold(error, (failed) => {
      batch.pending--
      if (failed !== undefined) {
        this.#lost(open, id, failed, { ...waiting, committed: undefined })
        return
      }
      this.#tell(waiting.reply, JSON.stringify({ type: 'err', seq, error }))
      if (!isOver) return
      batch.settleSkipped()
      this.#commit(batch, id, waiting.reply)
    })
  }

  /** Takes nothing more, and ends the batch when all of it is stored. Returns whether it is over. */
  #commit(batch: FastBatch, id: string, reply: string): boolean {
    const open = this.batches.get(id)
    if (open === undefined || open.batch !== batch) return true
    const endReply = batch.commit(reply)
    open.timer.stop()
    if (!batch.isSettled) return false
    this.#close(id, open)
    this.#acknowledge(endReply, batch.streamSeq, `,${countText(id, batch.lastSeq)}`)
    return true
  }

  #advance(batch: FastBatch, reply: string): boolean {
    const isDue = batch.advance(Math.max(1, this.batches.size))
    if (isDue) this.#tell(reply, batch.acknowledgement)
    return isDue
  }

  /** All answers go this way, so that they keep their order. */
  #acknowledge(reply: string, seq: number, tail: string): void {
    queueMicrotask(() => this.parts.acks.accept(seq, tail, { reply, committed: undefined }))
  }

  /** Not at once: the caller may be the router in the middle of a delivery. */
  #tell(reply: string, text: string): void {
    queueMicrotask(() => this.parts.port.publish(reply, '', NO_BYTES, Buffer.from(text)))
  }
}

/** A message that the batch does not take. */
function drop({ committed }: Waiting): void {
  if (committed !== undefined) queueMicrotask(() => committed(new JetStreamError(10208)))
}

function withoutLevel(message: Message): Message {
  const headers = withoutHeaders(message.headers, (name) => name === API_LEVEL_HEADER)
  if (headers === message.headers) return message
  const { subject, subjectBytes, payload } = message
  return { subject, subjectBytes, headers, payload }
}

function gapText(expected: number, seq: number): string {
  return `{"type":"gap","last_seq":${expected},"seq":${seq}}`
}

function countText(id: string, count: number): string {
  return `"batch":${JSON.stringify(id)},"count":${count}`
}
