/**
 * One consumer: joins what is delivered and acknowledged (AckLedger), who gets it (DeliveryTarget),
 * where reading stands (MessageReader) and what of it is on disk (ConsumerJournal).
 */
import type { Log } from '../../log/index.ts'
import { type Clock, Deadline } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { SubjectFilter } from '../../subject/index.ts'
import { type ConsumerConfig, filtersOf } from '../config/consumer-config.ts'
import { NO_BYTES, statusHeaders } from '../headers.ts'
import { RATE_BURST_BYTES } from '../limits.ts'
import type { StreamPort } from '../port.ts'
import { AckLedger } from './ack-ledger.ts'
import type { AckAddress, AckRequest, AckSubjects } from './ack-subject.ts'
import { Acknowledging } from './acknowledging.ts'
import type { ConsumerEvents } from './consumer-events.ts'
import { infoOf } from './consumer-info.ts'
import { ConsumerJournal } from './consumer-journal.ts'
import { ackPendingMaxOf, isStored, rulesOf, thresholdMsOf } from './consumer-rules.ts'
import type { StartPoint } from './consumer-start.ts'
import { decodeConsumerState, encodeConsumerState } from './consumer-state.ts'
import { targetOf } from './consumer-target.ts'
import { Delivery } from './delivery.ts'
import type { DeliveryTarget } from './delivery-target.ts'
import { Inactivity } from './inactivity.ts'
import { ACK_ANSWERS_WAITING_MAX } from './limits.ts'
import type { MessageReader } from './message-reader.ts'
import { Pause } from './pause.ts'
import { ReadPosition } from './read-position.ts'
import type { Removals } from './removals.ts'
import { ReplayPace } from './replay-pace.ts'

const EVERYTHING = new SubjectFilter('>')

export interface ConsumerParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly log: Log
  readonly store: StreamStore
  readonly removals: Removals
  readonly acks: AckSubjects
  readonly streamName: string
  /** `max_msg_size` of the stream; -1: none. */
  readonly messageBytesMax: () => number
  readonly newToken: () => string
  /** Nobody has used an ephemeral consumer for its `inactive_threshold`. */
  readonly onInactive: (consumer: Consumer) => void
  /** It is done with a message; called while the stream keeps its messages for its consumers. */
  readonly onDone: (streamSeq: number) => void
  readonly isAwaited: boolean
  readonly events: (consumer: string) => ConsumerEvents
}

export class Consumer {
  readonly name: string
  readonly createdMs: number
  readonly events: ConsumerEvents
  #config: ConsumerConfig
  readonly #clock: Clock
  readonly #port: StreamPort
  readonly #parts: ConsumerParts
  readonly #ledger: AckLedger
  readonly #position: ReadPosition
  readonly #reader: MessageReader
  readonly #target: DeliveryTarget
  readonly #journal: ConsumerJournal
  readonly #delivery: Delivery
  readonly #acks: Acknowledging
  readonly #pause: Pause
  readonly #deadline: Deadline
  readonly #inactivity: Inactivity
  #lastDeliveredMs: number | undefined
  #isClosed = false

  constructor(parts: ConsumerParts, config: ConsumerConfig, createdMs: number) {
    this.name = config.name
    this.createdMs = createdMs
    this.#config = config
    this.#parts = parts
    this.#clock = parts.clock
    this.#port = parts.port
    const { store, clock, port, log } = parts
    this.events = parts.events(config.name)
    this.#ledger = new AckLedger(rulesOf(config), 1)
    this.isAwaited = parts.isAwaited
    this.#acks = new Acknowledging(this.#ledger, this.events, () => this.#config)
    this.#pause = new Pause(clock, () => this.#resumed())
    this.#deadline = new Deadline(
      clock,
      () => this.#ledger.nextDeadlineMs,
      (nowMs) => this.#fallDue(nowMs),
    )
    this.#position = new ReadPosition(store, clock, config, parts.removals)
    this.#reader = this.#position.reader
    this.#target = this.#newTarget()
    this.#inactivity = new Inactivity(
      clock,
      () => thresholdMsOf(this.#config, this.#ledger.pending.size > 0),
      () => this.#target.isInUse,
      () => parts.onInactive(this),
    )
    const { flow } = this.#target
    const { states } = store
    this.#journal = new ConsumerJournal({
      states,
      stream: parts.streamName,
      name: this.name,
      clock,
      log,
      encode: () => this.encodeState(),
    })
    this.#delivery = new Delivery(
      {
        clock,
        outlet: port.outlet(flow === undefined ? {} : { flow, isCaptured: true }),
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
        isPaused: false,
      },
    )
    this.#pause.set(config.pause_until)
    this.#delivery.options.isPaused = this.#pause.isPaused
  }

  get config(): ConsumerConfig {
    return this.#config
  }

  get filters(): readonly SubjectFilter[] {
    return this.#position.filters
  }

  get passedSeq(): number {
    return this.#ledger.passedSeq
  }

  get isStored(): boolean {
    return isStored(this.#config)
  }

  get sinceSeq(): number {
    return this.#position.sinceSeq
  }

  needs(seq: number): boolean {
    return this.#ledger.needs(seq)
  }

  /** Whether the stream keeps messages for its consumers, and wants to know what they are done with. */
  set isAwaited(isAwaited: boolean) {
    this.#ledger.onDone = isAwaited ? this.#parts.onDone : undefined
  }

  get pause(): Pause {
    return this.#pause
  }

  /** CONSUMER.UNPIN. Returns false when there is no such priority group. */
  unpin(group: string): boolean {
    return this.#target.unpin?.(group) ?? false
  }

  /** Begins at a start point: the consumer is new. */
  begin(start: StartPoint): void {
    const first = this.#position.begin(start)
    this.#ledger.restore({ consumerSeq: 0, streamSeq: first - 1 }, [])
    this.#begun()
  }

  /** Goes on from what was written before a restart. */
  recover(bytes: Uint8Array): void {
    const state = decodeConsumerState(bytes, this.#clock.monotonicMs())
    this.#ledger.restore(state.delivered, state.pending, state.exhausted)
    this.#forgetGone(1, Number.MAX_SAFE_INTEGER)
    // A message leaves such a stream no earlier than it is acknowledged, its consumer's state may be older.
    if (this.#ledger.onDone !== undefined) {
      this.#ledger.skipTo(this.#parts.store.state.firstSeq - 1)
    }
    this.#position.recover(state.sinceSeq, this.#ledger.passedSeq + 1)
    if (this.#config.sourcing) this.#restartAt(this.#ledger.ackFloor.streamSeq + 1)
    this.#deadline.arm()
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
      if (this.isStored) this.#journal.touchAndTell(() => resolve(from))
      else resolve(from)
    })
  }

  /** @param isRefiltered what it has been past so far is not its own any more */
  encodeState(isRefiltered = false): Uint8Array {
    const { passed, pending, exhausted } = this.#ledger
    const sinceSeq = isRefiltered ? passed.streamSeq + 1 : this.#position.sinceSeq
    const state = { delivered: passed, pending, sinceSeq, exhausted: exhausted.runs }
    return encodeConsumerState(state, this.#clock.monotonicMs())
  }

  update(config: ConsumerConfig): void {
    const isRefiltered =
      JSON.stringify(filtersOf(config)) !== JSON.stringify(filtersOf(this.#config))
    const isMoved = config.deliver_subject !== this.#config.deliver_subject
    this.#config = config
    this.#ledger.rules = rulesOf(config)
    this.#delivery.options.isHeadersOnly = config.headers_only ?? false
    this.#delivery.options.ackPendingMax = ackPendingMaxOf(config)
    if (isRefiltered) this.#position.refilter(config, this.#ledger.passedSeq + 1)
    if (this.#pause.set(config.pause_until)) {
      this.#delivery.options.isPaused = this.#pause.isPaused
      this.events.paused(this.#pause.isPaused, this.#pause.untilMs)
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
    if (!this.#target.pull(reply, payload)) return
    if (this.#pause.isPaused) this.#target.endOfStream()
    if (this.#config.priority_policy !== 'prioritized') this.#delivery.wake()
    else this.#delivery.wakeSoon() // Who asks at the same moment may come first.
  }

  /** An acknowledgement. `reply` asks to be told once it is on disk; for `next` it is the inbox. */
  acknowledge(address: AckAddress, request: AckRequest, reply: string): void {
    if (this.#isClosed) return
    if (this.#config.ack_policy === 'none') {
      // Where nothing is acknowledged a real server has no subscription for it.
      if (reply !== '') this.#port.publish(reply, '', statusHeaders('503'), NO_BYTES)
      return
    }
    const nowMs = this.#clock.monotonicMs()
    this.#inactivity.active(nowMs)
    if (this.#acks.take(address, request, nowMs) && reply !== '') this.#changedAndTell(reply)
    else if (request.type !== 'other') this.#changed()
    if (request.type === 'next') this.pull(reply, request.pull)
    this.#deadline.arm()
    this.#delivery.wakeSoon()
  }

  /** It is on disk, and may deliver from now on. */
  start(): void {
    this.#delivery.start()
  }

  /** A commit brought new messages. */
  wake(): void {
    this.#delivery.wake()
  }

  /** Messages from `first` to `last` left the stream, perhaps not all of them. */
  removed(first: number, last: number, isTold: boolean): void {
    this.#reader.removed(last)
    this.#forgetGone(first, last, isTold ? this.events.gone : undefined)
  }

  info(): Record<string, unknown> {
    return infoOf({
      clock: this.#clock,
      streamName: this.#parts.streamName,
      config: this.#config,
      createdMs: this.createdMs,
      ledger: this.#ledger,
      target: this.#target,
      pause: this.#pause,
      remaining: this.#reader.remainingNow,
      lastDeliveredMs: this.#lastDeliveredMs,
      lastAckedMs: this.#acks.lastAckedMs,
    })
  }

  /** Ends all that waits with `status`; writes the state a last time when it is to be kept. */
  close(status: string, isKept: boolean): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#delivery.close()
    this.#deadline.close()
    this.#pause.close()
    this.#inactivity.close()
    if (isKept && this.isStored) this.#journal.close()
    else this.#journal.destroy()
    this.#target.close(status)
  }

  #newTarget(): DeliveryTarget {
    const { acks, clock, port, streamName, messageBytesMax, newToken } = this.#parts
    return targetOf(this.#config, {
      clock,
      port,
      config: () => this.#config,
      events: this.events,
      flowPrefix: acks.flowPrefixOf(streamName, this.name),
      newToken,
      burstBytes: messageBytesMax() > 0 ? messageBytesMax() : RATE_BURST_BYTES,
      passed: () => this.#ledger.passed,
      takeable: () => this.#reader.remaining + this.#ledger.dueCount,
      pendingAcks: () => this.#ledger.pending.size,
      isDelivering: () => this.#delivery.isRunning,
      onReady: () => this.#delivery.wake(),
      onIdle: () => this.#inactivity.active(),
      onInterest: () => {
        this.#inactivity.active()
        this.#inactivity.watch()
      },
      onAcknowledged: (streamSeq) => {
        this.#acks.ackThrough(streamSeq, this.#clock.monotonicMs())
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
    this.#position.passed(this.#ledger.passedSeq)
    this.#ledger.restore({ consumerSeq: 0, streamSeq: seq - 1 }, [])
    this.#lastDeliveredMs = undefined
    this.#acks.lastAckedMs = undefined
    this.#position.seek(seq)
    this.#changed()
    this.#delivery.wake()
  }

  /** What is not in the stream any more is not waited for. */
  #forgetGone(from: number, through: number, tell?: ConsumerEvents['gone']): void {
    const { store } = this.#parts
    const gone = { belowSeq: store.state.firstSeq, from, through }
    const nextThere = (seq: number): number => store.firstSeqMatching(EVERYTHING, seq)
    if (!this.#ledger.forgetGone(gone, (seq) => store.has(seq), nextThere, tell)) return
    this.#changed()
    this.#delivery.wake()
  }

  #delivered(nowMs: number): void {
    this.#inactivity.active(nowMs)
    this.#position.passed(this.#ledger.passedSeq)
    this.#lastDeliveredMs = nowMs
    this.#changed()
    this.#deadline.arm()
  }

  #changed(): void {
    if (this.isStored) this.#journal.touch()
  }

  /** The state changed; `reply` is told when that is on disk. */
  #changedAndTell(reply: string): void {
    const tell = (): void => this.#port.publish(reply, '', NO_BYTES, NO_BYTES)
    if (!this.isStored) tell()
    else if (this.#journal.waiting < ACK_ANSWERS_WAITING_MAX) this.#journal.touchAndTell(tell)
    else this.#changed()
  }

  #fallDue(nowMs: number): void {
    this.#expire(nowMs)
    this.#delivery.wake()
  }

  #expire(nowMs: number): void {
    const exhausted = this.#ledger.expire(nowMs)
    for (const message of exhausted) this.events.exhausted(message)
    if (exhausted.length > 0) this.#changed()
  }

  #resumed(): void {
    this.#delivery.options.isPaused = false
    this.events.paused(false, this.#pause.untilMs)
    this.#delivery.wake()
  }
}
