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
import { RATE_BURST_BYTES } from '../limits.ts'
import type { StreamPort } from '../port.ts'
import { formatTime } from '../timestamp.ts'
import { AckLedger, type Exhausted } from './ack-ledger.ts'
import type { AckAddress, AckRequest, AckSubjects } from './ack-subject.ts'
import { ConsumerJournal } from './consumer-journal.ts'
import { ackPendingMaxOf, isStored, rulesOf, thresholdMsOf } from './consumer-rules.ts'
import { lastPerSubject, type StartPoint } from './consumer-start.ts'
import { decodeConsumerState, encodeConsumerState } from './consumer-state.ts'
import { Delivery } from './delivery.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import { Inactivity } from './inactivity.ts'
import { MessageReader } from './message-reader.ts'
import { PullTarget } from './pull/pull-target.ts'
import { PushTarget } from './push/push-target.ts'
import { ReplayPace } from './replay-pace.ts'

export interface ConsumerParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly log: Log
  readonly store: StreamStore
  readonly acks: AckSubjects
  readonly streamName: string
  /** `max_msg_size` of the stream; -1: none. */
  readonly messageBytesMax: () => number
  /** Characters that nobody guesses. */
  readonly newToken: () => string
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
  readonly #inactivity: Inactivity
  /** Monotonic, as #lastAckedMs. */
  #lastDeliveredMs: number | undefined
  #lastAckedMs: number | undefined
  #cancelDeadline: Cancel | undefined
  #deadlineMs = Number.POSITIVE_INFINITY
  #isClosed = false

  constructor(parts: ConsumerParts, config: ConsumerConfig, createdMs: number) {
    this.name = config.name
    this.createdMs = createdMs
    this.#config = config
    this.#parts = parts
    this.#clock = parts.clock
    this.#port = parts.port
    const filters = filtersOf(config).map((filter) => new SubjectFilter(filter))
    const { store, clock, port, log } = parts
    this.#ledger = new AckLedger(rulesOf(config), 1)
    this.#reader = new MessageReader(store, clock, filters)
    this.#target = config.deliver_subject === undefined ? this.#pulled() : this.#pushed()
    this.#inactivity = new Inactivity(
      clock,
      () => thresholdMsOf(this.#config, this.#ledger.pending.size > 0),
      () => this.#target.isInUse,
      () => parts.onInactive(this),
    )
    const key = stateKey(this.name)
    this.#journal = new ConsumerJournal(store.states, key, clock, log, () => this.encodeState())
    this.#delivery = new Delivery(
      {
        clock,
        outlet: port.outlet(this.#target.flow),
        log,
        store,
        ledger: this.#ledger,
        reader: this.#reader,
        target: this.#target,
        onDelivered: (nowMs) => this.#delivered(nowMs),
      },
      {
        ackPrefix: parts.acks.prefixOf(parts.streamName, this.name),
        isHeadersOnly: config.headers_only ?? false,
        ackPendingMax: ackPendingMaxOf(config),
        pace: undefined,
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
    this.#begun()
  }

  /** Goes on from what was written before a restart. */
  recover(bytes: Uint8Array): void {
    const state = decodeConsumerState(bytes, this.#clock.monotonicMs())
    this.#ledger.restore(state.delivered, state.pending)
    this.#throughSeq = state.throughSeq
    this.#seek(state.delivered.streamSeq + 1)
    if (this.#config.sourcing) this.#restartAt(this.#ledger.ackFloor.streamSeq + 1)
    this.#armDeadline()
    this.#begun()
  }

  /**
   * Delivers from `seq` on again, as if nothing of that had ever been delivered; from behind the ack
   * floor when it is 0. Resolves with the sequence once that is on disk.
   */
  reset(seq: number): Promise<number> {
    const from = seq === 0 ? this.#ledger.ackFloor.streamSeq + 1 : seq
    this.#restartAt(from)
    return new Promise((resolve) => {
      if (this.#isStored) this.#journal.touchAndTell(() => resolve(from))
      else resolve(from)
    })
  }

  encodeState(): Uint8Array {
    const { delivered, pending } = this.#ledger
    const throughSeq = this.#throughSeq > delivered.streamSeq ? this.#throughSeq : 0
    return encodeConsumerState({ delivered, throughSeq, pending }, this.#clock.monotonicMs())
  }

  update(config: ConsumerConfig): void {
    const isRefiltered =
      JSON.stringify(filtersOf(config)) !== JSON.stringify(filtersOf(this.#config))
    const isMoved = config.deliver_subject !== this.#config.deliver_subject
    this.#config = config
    this.#ledger.rules = rulesOf(config)
    this.#delivery.options.isHeadersOnly = config.headers_only ?? false
    this.#delivery.options.ackPendingMax = ackPendingMaxOf(config)
    if (isRefiltered) {
      const filters = filtersOf(config).map((filter) => new SubjectFilter(filter))
      this.#reader.seek(this.#ledger.delivered.streamSeq + 1, filters)
    }
    this.#target.update()
    // Who listens there has got nothing of what is pending.
    if (isMoved) this.#expire(Number.POSITIVE_INFINITY)
    if (config.sourcing) this.#restartAt(this.#ledger.ackFloor.streamSeq + 1)
    this.#inactivity.watch()
    this.#delivery.wake()
  }

  /** CONSUMER.MSG.NEXT: whatever is wrong with it is told to `reply` as a status. */
  pull(reply: string, payload: Uint8Array): void {
    if (reply === '' || this.#isClosed) return
    this.#inactivity.active()
    const takeable = (): number => this.#reader.remaining + this.#ledger.dueCount
    if (this.#target.pull(reply, payload, takeable)) this.#delivery.wake()
  }

  /** An acknowledgement. `reply` asks to be told once it is on disk; for `next` it is the inbox. */
  acknowledge(address: AckAddress, request: AckRequest, reply: string): void {
    if (this.#isClosed) return
    const nowMs = this.#clock.monotonicMs()
    this.#inactivity.active(nowMs)
    const { streamSeq } = address
    switch (request.type) {
      case 'ack':
      case 'next':
        if (this.#ledger.ack(streamSeq)) this.#lastAckedMs = nowMs
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
    if (reply === '' || request.type === 'next') this.#changed()
    else this.#changedAndTell(reply)
    if (request.type === 'next') this.pull(reply, request.pull)
    this.#armDeadline()
    this.#delivery.wake()
  }

  /** It is on disk, and may deliver from now on. */
  start(): void {
    this.#delivery.start()
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
        ...this.#lastActive(this.#lastDeliveredMs),
      },
      ack_floor: {
        consumer_seq: ackFloor.consumerSeq,
        stream_seq: ackFloor.streamSeq,
        ...this.#lastActive(this.#lastAckedMs),
      },
      num_ack_pending: pending.size,
      num_redelivered: redelivered,
      num_waiting: this.#target.waiting,
      num_pending: this.#reader.remaining,
      ...(this.#target.isBound ? { push_bound: true } : {}),
      ts: formatTime(this.#clock.wallMs()),
    }
  }

  /** Ends all that waits with `status`; writes the state a last time when it is to be kept. */
  close(status: string, isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#delivery.close()
    this.#cancelDeadline?.()
    this.#inactivity.close()
    if (isKept && this.#isStored) this.#journal.close()
    else this.#journal.destroy()
    this.#target.close(status)
  }

  get #isStored(): boolean {
    return isStored(this.#config)
  }

  #pulled(): DeliveryTarget {
    const { clock, port } = this.#parts
    return new PullTarget(
      clock,
      port,
      () => this.#config,
      () => this.#inactivity.active(),
    )
  }

  #pushed(): DeliveryTarget {
    const { clock, port, streamName, messageBytesMax, newToken } = this.#parts
    return new PushTarget({
      clock,
      port,
      config: () => this.#config,
      flowPrefix: `$JS.FC.${streamName}.${this.name}.`,
      newToken,
      burstBytes: messageBytesMax() > 0 ? messageBytesMax() : RATE_BURST_BYTES,
      delivered: () => this.#ledger.delivered,
      pendingAcks: () => this.#ledger.pending.size,
      onReady: () => this.#delivery.wake(),
      onInterest: () => {
        this.#inactivity.active()
        this.#inactivity.watch()
      },
      onAcknowledged: (streamSeq) => {
        if (this.#ledger.ack(streamSeq)) this.#lastAckedMs = this.#clock.monotonicMs()
        this.#changed()
      },
    })
  }

  #begun(): void {
    if (this.#config.replay_policy === 'original') {
      this.#delivery.options.pace = new ReplayPace(this.#parts.store.state.lastSeq)
    }
    this.#inactivity.watch()
  }

  #restartAt(seq: number): void {
    this.#ledger.restore({ consumerSeq: 0, streamSeq: seq - 1 }, [])
    this.#lastDeliveredMs = undefined
    this.#lastAckedMs = undefined
    this.#seek(seq)
    this.#changed()
    this.#delivery.wake()
  }

  /** Reads on at `seq`; as long as a `last_per_subject` start is not over, what that lists first. */
  #seek(seq: number): void {
    if (this.#throughSeq < seq) {
      this.#reader.seek(seq)
      return
    }
    const { store } = this.#parts
    const listed = lastPerSubject(filtersOf(this.#config), store, seq, this.#throughSeq)
    this.#reader.seekListed(listed, this.#throughSeq + 1)
  }

  #forgetRemoved(): void {
    if (!this.#ledger.forgetBelow(this.#parts.store.state.firstSeq)) return
    this.#changed()
    this.#delivery.wake()
  }

  #delivered(nowMs: number): void {
    this.#inactivity.active(nowMs)
    this.#lastDeliveredMs = nowMs
    this.#changed()
    this.#armDeadline()
  }

  #changed(): void {
    if (this.#isStored) this.#journal.touch()
  }

  /** The state changed; `reply` is told when that is on disk. */
  #changedAndTell(reply: string): void {
    const tell = (): void => this.#port.publish(reply, '', NO_BYTES, NO_BYTES)
    if (this.#isStored) this.#journal.touchAndTell(tell)
    else tell()
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
      this.#expire(this.#clock.monotonicMs())
      this.#armDeadline()
      this.#delivery.wake()
    })
  }

  #expire(nowMs: number): void {
    const exhausted = this.#ledger.expire(nowMs)
    for (const message of exhausted) this.#parts.onExhausted(this, message)
    if (exhausted.length > 0) this.#changed()
  }

  #lastActive(ms: number | undefined): { last_active?: string } {
    if (ms === undefined) return {}
    const ago = this.#clock.monotonicMs() - ms
    return { last_active: formatTime(this.#clock.wallMs() - ago) }
  }
}

/** Where a consumer's state lies in its stream's state table. */
export function stateKey(name: string): string {
  return `acks/${name}`
}
