/**
 * One consumer: joins what is delivered and acknowledged (AckLedger), who gets it (DeliveryTarget),
 * where reading stands (MessageReader) and what of it is on disk (ConsumerJournal).
 */
import type { Log } from '../../log/index.ts'
import type { Cancel, Clock } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { NO_BYTES } from '../headers.ts'
import { ACK_PENDING_MAX, NS_PER_MS } from '../limits.ts'
import type { StreamPort } from '../port.ts'
import { formatTime } from '../timestamp.ts'
import { AckLedger, type AckRules, type Exhausted } from './ack-ledger.ts'
import type { AckAddress, AckRequest, AckSubjects } from './ack-subject.ts'
import { ConsumerJournal } from './consumer-journal.ts'
import type { StartPoint } from './consumer-start.ts'
import { decodeConsumerState, encodeConsumerState } from './consumer-state.ts'
import { Delivery } from './delivery.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import { MessageReader } from './message-reader.ts'
import { PullTarget } from './pull/pull-target.ts'

export interface ConsumerParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly log: Log
  readonly store: StreamStore
  readonly acks: AckSubjects
  readonly streamName: string
  /** Nobody has used an ephemeral consumer for its `inactive_threshold`. */
  readonly onInactive: (consumer: Consumer) => void
  readonly onExhausted: (consumer: Consumer, exhausted: Exhausted) => void
  readonly onTerminated: (consumer: Consumer, address: AckAddress, reason: string) => void
}

export class Consumer {
  readonly name: string
  readonly createdMs: number
  #config: ConsumerConfig
  readonly #clock: Clock
  readonly #port: StreamPort
  readonly #parts: ConsumerParts
  readonly #ledger: AckLedger
  readonly #reader: MessageReader
  readonly #target: DeliveryTarget
  readonly #journal: ConsumerJournal
  readonly #delivery: Delivery
  /** The end of a `last_per_subject` start that is not over; 0 otherwise. */
  #throughSeq = 0
  #lastActiveMs: number
  #lastDeliveredMs: number | undefined
  #lastAckedMs: number | undefined
  #cancelDeadline: Cancel | undefined
  #deadlineMs = Number.POSITIVE_INFINITY
  #cancelInactive: Cancel | undefined
  #isClosed = false

  constructor(parts: ConsumerParts, config: ConsumerConfig, createdMs: number) {
    this.name = config.name
    this.createdMs = createdMs
    this.#config = config
    this.#parts = parts
    this.#clock = parts.clock
    this.#port = parts.port
    this.#lastActiveMs = this.#clock.monotonicMs()
    const filters = filtersOf(config).map((filter) => new SubjectFilter(filter))
    const { store, clock, port, log } = parts
    this.#ledger = new AckLedger(rulesOf(config), 1)
    this.#reader = new MessageReader(store, clock, filters)
    this.#target = new PullTarget(
      clock,
      port,
      () => this.#config,
      () => this.#active(),
    )
    const key = stateKey(this.name)
    this.#journal = new ConsumerJournal(store.states, key, clock, log, () => this.encodeState())
    this.#delivery = new Delivery(
      {
        clock,
        port,
        log,
        store,
        ledger: this.#ledger,
        reader: this.#reader,
        target: this.#target,
        onDelivered: () => this.#delivered(),
      },
      {
        ackPrefix: parts.acks.prefixOf(parts.streamName, this.name),
        isHeadersOnly: config.headers_only ?? false,
        ackPendingMax: ackPendingMaxOf(config),
      },
    )
  }

  get config(): ConsumerConfig {
    return this.#config
  }

  get isDurable(): boolean {
    return this.#config.durable_name !== undefined
  }

  /** Begins at a start point: the consumer is new. */
  begin(start: StartPoint): void {
    this.#throughSeq = start.listed === undefined ? 0 : start.seq - 1
    const first = start.listed?.[0] ?? start.seq
    this.#ledger.restore({ consumerSeq: 0, streamSeq: first - 1 }, [])
    if (start.listed === undefined) this.#reader.seek(start.seq)
    else this.#reader.seekListed(start.listed, start.seq)
    this.#watchInactivity()
  }

  /** Goes on from what was written before a restart. `listed` as `lastPerSubject` finds it now. */
  recover(bytes: Uint8Array, listedFrom: (seq: number, throughSeq: number) => number[]): void {
    const state = decodeConsumerState(bytes, this.#clock.monotonicMs())
    this.#ledger.restore(state.delivered, state.pending)
    const next = state.delivered.streamSeq + 1
    if (state.throughSeq >= next) {
      this.#throughSeq = state.throughSeq
      this.#reader.seekListed(listedFrom(next, state.throughSeq), state.throughSeq + 1)
    } else {
      this.#reader.seek(next)
    }
    this.#armDeadline()
    this.#watchInactivity()
  }

  encodeState(): Uint8Array {
    const { delivered, pending } = this.#ledger
    const throughSeq = this.#throughSeq > delivered.streamSeq ? this.#throughSeq : 0
    return encodeConsumerState({ delivered, throughSeq, pending }, this.#clock.monotonicMs())
  }

  update(config: ConsumerConfig): void {
    const isRefiltered =
      JSON.stringify(filtersOf(config)) !== JSON.stringify(filtersOf(this.#config))
    this.#config = config
    this.#ledger.rules = rulesOf(config)
    this.#delivery.options.isHeadersOnly = config.headers_only ?? false
    this.#delivery.options.ackPendingMax = ackPendingMaxOf(config)
    if (isRefiltered) {
      const filters = filtersOf(config).map((filter) => new SubjectFilter(filter))
      this.#reader.seek(this.#ledger.delivered.streamSeq + 1, filters)
    }
    this.#watchInactivity()
    this.#delivery.wake()
  }

  /** CONSUMER.MSG.NEXT: whatever is wrong with it is told to `reply` as a status. */
  pull(reply: string, payload: Uint8Array): void {
    if (reply === '' || this.#isClosed) return
    this.#lastActiveMs = this.#clock.monotonicMs()
    const takeable = (): number => this.#reader.remaining + this.#ledger.dueCount
    if (this.#target.pull(reply, payload, takeable)) this.#delivery.wake()
  }

  /** An acknowledgement. `reply` asks to be told once it is on disk; for `next` it is the inbox. */
  acknowledge(address: AckAddress, request: AckRequest, reply: string): void {
    if (this.#isClosed) return
    const nowMs = this.#clock.monotonicMs()
    this.#lastActiveMs = nowMs
    const { streamSeq } = address
    switch (request.type) {
      case 'ack':
      case 'next':
        if (this.#ledger.ack(streamSeq)) this.#lastAckedMs = this.#parts.clock.wallMs()
        break
      case 'term':
        if (this.#ledger.forget(streamSeq)) {
          this.#parts.onTerminated(this, address, request.reason)
        }
        break
      case 'progress':
        this.#ledger.progress(streamSeq, nowMs)
        break
      case 'nak': {
        const exhausted = this.#ledger.nak(streamSeq, request.delayMs, nowMs)
        if (exhausted !== undefined) this.#parts.onExhausted(this, exhausted)
        break
      }
    }
    this.#changed(request.type === 'next' ? '' : reply)
    if (request.type === 'next') this.pull(reply, request.pull)
    this.#armDeadline()
    this.#delivery.wake()
  }

  /** A commit brought new messages. */
  wake(): void {
    this.#delivery.wake()
  }

  /** Sequences [first, last], or those of them that match, left the stream. */
  removed(first: number, last: number, filter?: SubjectFilter): void {
    this.#reader.drop(first, last, filter)
    this.#forgetRemoved()
  }

  /** A purge took what only the stream knows. */
  purged(): void {
    this.#reader.reload()
    this.#forgetRemoved()
  }

  /** Limits took messages up to `last`: what is read ahead is delivered still. */
  evicted(last: number): void {
    if (last >= this.#reader.nextSeq) this.#reader.recount()
    this.#forgetRemoved()
  }

  info(): Record<string, unknown> {
    const { delivered, ackFloor, pending, redelivered } = this.#ledger
    return {
      stream_name: this.#parts.streamName,
      name: this.name,
      created: formatTime(this.createdMs),
      config: this.#config,
      delivered: {
        consumer_seq: delivered.consumerSeq,
        stream_seq: delivered.streamSeq,
        ...lastActive(this.#lastDeliveredMs),
      },
      ack_floor: {
        consumer_seq: ackFloor.consumerSeq,
        stream_seq: ackFloor.streamSeq,
        ...lastActive(this.#lastAckedMs),
      },
      num_ack_pending: pending.size,
      num_redelivered: redelivered,
      num_waiting: this.#target.waiting,
      num_pending: this.#reader.remaining,
      ts: formatTime(this.#clock.wallMs()),
    }
  }

  /** Ends all that waits with `status`; writes the state a last time when it is to be kept. */
  close(status: string, isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#delivery.close()
    this.#cancelDeadline?.()
    this.#cancelInactive?.()
    if (isKept && this.#isStored) this.#journal.close()
    else this.#journal.destroy()
    this.#target.close(status)
    this.#cancelInactive?.()
  }

  get #isStored(): boolean {
    return this.#config.mem_storage !== true
  }

  #forgetRemoved(): void {
    if (!this.#ledger.forgetBelow(this.#parts.store.state.firstSeq)) return
    this.#changed('')
    this.#delivery.wake()
  }

  #delivered(): void {
    this.#lastActiveMs = this.#clock.monotonicMs()
    this.#lastDeliveredMs = this.#parts.clock.wallMs()
    this.#changed('')
    this.#armDeadline()
  }

  /** The state changed; `reply` is told when that is on disk. */
  #changed(reply: string): void {
    const tell = (): void => this.#port.publish(reply, '', NO_BYTES, NO_BYTES)
    if (!this.#isStored) {
      if (reply !== '') tell()
    } else if (reply !== '') this.#journal.touchAndTell(tell)
    else this.#journal.touch()
  }

  /** One timer for all that is pending, set to the earliest time at which something may fall due. */
  #armDeadline(): void {
    const nextMs = this.#ledger.nextDeadlineMs
    if (nextMs >= this.#deadlineMs || this.#isClosed) return
    this.#cancelDeadline?.()
    this.#deadlineMs = nextMs
    const delayMs = Math.max(1, nextMs - this.#clock.monotonicMs())
    this.#cancelDeadline = this.#clock.after(delayMs, () => {
      this.#deadlineMs = Number.POSITIVE_INFINITY
      const exhausted = this.#ledger.expire(this.#clock.monotonicMs())
      for (const message of exhausted) this.#parts.onExhausted(this, message)
      if (exhausted.length > 0) this.#changed('')
      this.#armDeadline()
      this.#delivery.wake()
    })
  }

  #active(): void {
    this.#lastActiveMs = this.#clock.monotonicMs()
  }

  #watchInactivity(): void {
    this.#cancelInactive?.()
    const thresholdMs = (this.#config.inactive_threshold ?? 0) / NS_PER_MS
    if (thresholdMs === 0 || this.#isClosed) return
    // What is pending may be worked on: its time to be acknowledged counts as use.
    const busyMs = this.#ledger.pending.size > 0 ? (this.#config.ack_wait ?? 0) / NS_PER_MS : 0
    const idleMs = this.#target.isInUse ? 0 : this.#clock.monotonicMs() - this.#lastActiveMs
    const leftMs = thresholdMs + busyMs - idleMs
    this.#cancelInactive = this.#clock.after(Math.max(leftMs, 1), () => {
      const idle = this.#clock.monotonicMs() - this.#lastActiveMs
      const isIdle = !this.#target.isInUse && idle >= thresholdMs + busyMs
      if (isIdle) {
        this.#parts.onInactive(this)
        // Still there after another while: the disk did not take its removal.
        this.#active()
      }
      this.#watchInactivity()
    })
  }
}

/** Where a consumer's state lies in its stream's state table. */
export function stateKey(name: string): string {
  return `acks/${name}`
}

function rulesOf(config: ConsumerConfig): AckRules {
  return {
    policy: config.ack_policy,
    ackWaitMs: (config.ack_wait ?? 0) / NS_PER_MS,
    backoffMs: (config.backoff ?? []).map((ns) => ns / NS_PER_MS),
    maxDeliver: config.max_deliver,
  }
}

function ackPendingMaxOf(config: ConsumerConfig): number {
  const asked = config.max_ack_pending ?? 0
  return asked > 0 ? Math.min(asked, ACK_PENDING_MAX) : ACK_PENDING_MAX
}

function lastActive(ms: number | undefined): { last_active?: string } {
  return ms === undefined ? {} : { last_active: formatTime(ms) }
}
