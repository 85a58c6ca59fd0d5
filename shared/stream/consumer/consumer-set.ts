/**
 * The consumers of one stream. Their configurations are in the stream's state table
 * (consumer-records.ts), and so are their states, which ConsumerJournal writes (state-copies.ts).
 *
 * The disk comes first: a consumer is found, changed or gone here only once that is on disk. When a
 * commit fails, all is as it was, and the next request of that name is judged by that.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../../log/index.ts'
import { type Clock, messageOf, type Random } from '../../runtime/index.ts'
import type { Committed, Store } from '../../store/index.ts'
import { type AccountLimits, type TierLimits, tierOf } from '../account-limits.ts'
import type { Advisories } from '../advisories.ts'
import { consumerConfig, withThreshold } from '../config/consumer-checks.ts'
import {
  type ConsumerConfig,
  type ConsumerRequest,
  type CreateAction,
  emptyListsOf,
  filtersOf,
} from '../config/consumer-config.ts'
import { checkConsumerUpdate } from '../config/consumer-update.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { StreamPort } from '../port.ts'
import type { Stream } from '../stream.ts'
import { Turns } from '../turns.ts'
import type { AckSubjects } from './ack-subject.ts'
import { Consumer, type ConsumerParts } from './consumer.ts'
import { ConsumerEvents } from './consumer-events.ts'
import {
  eraseConsumer,
  recoverConsumer,
  storeConsumer,
  storedConsumers,
} from './consumer-records.ts'
import { checkCount, checkPartition, checkWorkQueue } from './consumer-room.ts'
import { isStored } from './consumer-rules.ts'
import { comingSeq, startPoint } from './consumer-start.ts'
import { Removals } from './removals.ts'
import { eraseState, storedState, storeState } from './state-copies.ts'
import { StreamInterest } from './stream-interest.ts'

export interface ConsumerSetParts {
  readonly clock: Clock
  readonly random: Random
  readonly port: StreamPort
  readonly log: Log
  readonly root: Store
  readonly acks: AckSubjects
  readonly advisories: Advisories
  readonly limits: AccountLimits
  readonly newToken: () => string
  readonly stream: Stream
}

/** CONSUMER.CREATE's request. */
export interface ConsumerCreation {
  readonly config: ConsumerRequest
  readonly action: CreateAction
  readonly isPedantic: boolean
}

export class ConsumerSet {
  readonly interest: StreamInterest
  /** What they hold against what they have read ahead. */
  readonly removals = new Removals()
  readonly #parts: ConsumerSetParts
  readonly #consumers = new Map<string, Consumer>()
  readonly #turns = new Turns()
  /** Names that are being created; they count against the limit. */
  readonly #starting = new Set<string>()
  /** On their way to the disk: nobody finds them yet, but they follow what leaves the stream. */
  readonly #unborn = new Set<Consumer>()
  /** Of those that were asked for with some since the start: nothing of it is stored, as in nats-server. */
  readonly #emptyLists = new WeakMap<Consumer, string>()
  #closed: { readonly status: string; readonly isKept: boolean } | undefined

  constructor(parts: ConsumerSetParts) {
    this.#parts = parts
    const { clock, log, stream } = parts
    this.interest = new StreamInterest({
      clock,
      log,
      store: stream.store,
      retention: () => stream.config.retention,
      consumers: () => this.#all(),
    })
  }

  get size(): number {
    return this.#consumers.size
  }

  /** Those that are told of: whoever copies the stream is not among them. */
  get listedSize(): number {
    let size = 0
    for (const { config } of this.#consumers.values()) if (!config.direct) size++
    return size
  }

  get(name: string): Consumer | undefined {
    return this.#consumers.get(name)
  }

  /** In the order of their names. */
  list(): readonly Consumer[] {
    return [...this.#consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  recover(): void {
    const { root, stream, log } = this.#parts
    const { states } = stream.store
    let areAllThere = true
    for (const name of storedConsumers(states)) {
      try {
        const found = recoverConsumer(root, states, name, log)
        if (found === undefined) continue
        const { config, createdMs } = found
        const consumer = new Consumer(this.#consumerParts(), config, createdMs)
        const state = storedState(states, name)
        if (state !== undefined) consumer.recover(state)
        else {
          log.error({ stream: stream.name, consumer: name }, 'consumer state lost, it begins anew')
          consumer.begin({ seq: stream.store.state.firstSeq || 1 })
        }
        this.#consumers.set(name, consumer)
      } catch (error) {
        log.error({ consumer: name, err: messageOf(error) }, 'consumer not recovered')
        areAllThere = false
      }
    }
    this.interest.changed()
    // Whoever is missing may need what nobody else does.
    if (areAllThere) this.interest.recover()
    for (const consumer of this.#consumers.values()) consumer.start()
  }

  /** The stream's retention is another now. What nobody at all wants is gone when this resolves. */
  async retentionChanged(): Promise<void> {
    for (const consumer of this.#all()) consumer.isAwaited = this.#isAwaited
    if (!this.#isAwaited) return
    const isAny = this.#consumers.size + this.#unborn.size > 0
    if (isAny || this.#parts.stream.config.retention !== 'interest') {
      this.interest.sweep('acknowledged')
      return
    }
    this.interest.owe()
    await this.interest.swept('unwanted')
  }

  /** Begins again at `seq`, see Consumer.reset: what it is past by that may be wanted by nobody. */
  async reset(consumer: Consumer, seq: number): Promise<number> {
    const from = await consumer.reset(comingSeq(seq, this.#parts.stream.store))
    if (from > this.#parts.stream.store.state.lastSeq + 1) return from
    this.interest.owe()
    this.#interestLost()
    return from
  }

  /** Creates or updates; resolves when it is on disk. Throws the row of the error table. */
  create(asked: ConsumerCreation, name: string): Promise<Consumer> {
    const { action } = asked
    const emptyLists = emptyListsOf(asked.config)
    return this.#turns.take(name, async () => {
      const existing = this.#consumers.get(name)
      const { config, tier } = this.#judge(asked, name, existing)
      if (existing !== undefined) {
        const isSameInGo = emptyLists === (this.#emptyLists.get(existing) ?? '')
        await this.#createAgain(existing, config, action, isSameInGo)
        this.#emptyLists.set(existing, emptyLists)
        return existing
      }
      if (action === 'update') throw new JetStreamError(10149)
      this.#checkRoom(config, tier)
      this.#starting.add(name)
      try {
        const consumer = await this.#begin(withThreshold(config))
        this.#emptyLists.set(consumer, emptyLists)
        return consumer
      } finally {
        this.#starting.delete(name)
      }
    })
  }

  /** CONSUMER.PAUSE: until that time, RFC 3339, or not at all. Resolves when it is on disk. Throws 10014. */
  pause(name: string, until: string | undefined): Promise<void> {
    return this.#turns.take(name, async () => {
      const consumer = this.#consumers.get(name)
      if (consumer === undefined) throw new JetStreamError(10014)
      const { pause_until: _, ...config } = consumer.config
      await this.#change(consumer, until === undefined ? config : { ...config, pause_until: until })
    })
  }

  /** Resolves when it is gone from disk; false when there is no such consumer. */
  remove(name: string): Promise<boolean> {
    return this.#turns.take(name, async () => {
      const consumer = this.#consumers.get(name)
      if (consumer === undefined) return false
      if (isStored(consumer.config)) await this.#erase(name)
      this.#consumers.delete(name)
      consumer.close('409 Consumer Deleted', false)
      this.#interestLost()
      consumer.events.deleted()
      return true
    })
  }

  /** The stream goes, and all of them with it. */
  tellOfRemoval(): void {
    for (const consumer of this.list()) consumer.events.deleted()
  }

  wake(): void {
    for (const consumer of this.#consumers.values()) consumer.wake()
  }

  /** Messages from `first` to `last` left the stream, perhaps not all of them. */
  removed(first: number, last: number, isTold = true): void {
    this.removals.noteAnywhere()
    for (const consumer of this.#all()) consumer.removed(first, last, isTold)
  }

  /** Limits took messages up to `last`, perhaps not all. */
  evicted(last: number): void {
    for (const consumer of this.#all()) consumer.removed(1, last, true)
  }

  close(status: string, isKept: boolean): void {
    this.#closed = { status, isKept }
    this.interest.close()
    for (const consumer of this.#consumers.values()) consumer.close(status, isKept)
    this.#consumers.clear()
  }

  *#all(): IterableIterator<Consumer> {
    yield* this.#consumers.values()
    yield* this.#unborn
  }

  async #begin(config: ConsumerConfig): Promise<Consumer> {
    const { stream, clock } = this.#parts
    const start = await startPoint(config, stream.store, stream.config.max_msgs_per_subject)
    const consumer = new Consumer(this.#consumerParts(), config, clock.wallMs())
    consumer.begin(start)
    this.#unborn.add(consumer)
    this.interest.changed()
    if (!consumer.isStored) this.interest.owe()
    try {
      await this.#write(consumer, config)
    } catch (error) {
      consumer.close('409 Consumer Deleted', false)
      throw error
    } finally {
      this.#unborn.delete(consumer)
      this.interest.changed()
    }
    if (this.#closed === undefined) {
      this.#consumers.set(config.name, consumer)
      consumer.start()
    } else consumer.close(this.#closed.status, this.#closed.isKept)
    this.interest.changed()
    consumer.events.created()
    if (consumer.pause.isPaused) consumer.events.paused(true, consumer.pause.untilMs)
    return consumer
  }

  async #createAgain(
    existing: Consumer,
    asked: ConsumerConfig,
    action: CreateAction,
    isSameInGo: boolean,
  ): Promise<void> {
    const { stream, port } = this.#parts
    // As in nats-server, what was asked for is held against what came of it: a default is a difference.
    const isAsAsked = isSameInGo && isDeepStrictEqual(existing.config, asked)
    if (action === 'create' && !isAsAsked) throw new JetStreamError(10148)
    const config = withThreshold(asked, existing.config)
    if (stream.config.retention === 'workqueue') checkPartition(config, this.#limitable())
    if (isDeepStrictEqual(existing.config, config)) {
      // What sources begins anew behind what it has, and asks for its consumer at each beginning.
      if (config.sourcing) await existing.reset(0)
      return
    }
    checkConsumerUpdate(existing.config, config, (subject) => port.hasInterest(subject))
    await this.#change(existing, config)
  }

  async #change(consumer: Consumer, config: ConsumerConfig): Promise<void> {
    const isRefiltered = !isDeepStrictEqual(filtersOf(consumer.config), filtersOf(config))
    await this.#write(consumer, config, isRefiltered)
    consumer.update(config)
    if (isRefiltered) this.#interestLost()
  }

  /** Some messages may be without anybody who wants them. */
  #interestLost(): void {
    this.interest.changed()
    if (this.#parts.stream.config.retention === 'interest') this.interest.sweep('unwanted')
  }

  get #isAwaited(): boolean {
    return this.#parts.stream.config.retention !== 'limits'
  }

  /** The configuration that a request leads to, and the account's limits for such consumers. */
  #judge(asked: ConsumerCreation, name: string, existing: Consumer | undefined) {
    const { stream, limits } = this.#parts
    const [, tier] = tierOf(limits, stream.config.num_replicas)
    const rules = {
      ackPendingMax: limits.server.ackPendingMax,
      accountAckPendingMax: tier.max_ack_pending,
      requestBatchMax: limits.server.requestBatchMax,
    }
    const config = consumerConfig(asked.config, name, stream.config, rules, asked.isPedantic)
    // Only CONSUMER.PAUSE changes that of a consumer that is there.
    const { pause_until: _, ...rest } = config
    const kept = existing?.config.pause_until
    if (existing === undefined) return { config, tier }
    return { config: kept === undefined ? rest : { ...rest, pause_until: kept }, tier }
  }

  #checkRoom(config: ConsumerConfig, tier: TierLimits): void {
    const { stream, limits } = this.#parts
    const existing = this.#limitable()
    const count = existing.length + this.#starting.size
    checkCount(count, stream.config.max_consumers, tier, limits)
    if (stream.config.retention === 'workqueue') checkWorkQueue(config, existing)
  }

  /** Those that clients made: what sources from the stream does not count. */
  #limitable(): readonly Consumer[] {
    const found: Consumer[] = []
    for (const consumer of this.#consumers.values()) {
      const { direct, sourcing } = consumer.config
      if (!direct && !sourcing) found.push(consumer)
    }
    return found
  }

  /** @param isRefiltered what the consumer matched before may be unwanted then */
  #write(consumer: Consumer, config: ConsumerConfig, isRefiltered = false): Promise<void> {
    const { createdMs, name } = consumer
    if (!isStored(config)) return Promise.resolve()
    const { states } = this.#parts.stream.store
    return new Promise((resolve, reject) => {
      const done: Committed = (error) => (error ? reject(error) : resolve())
      this.#parts.root.transaction(() => {
        if (isRefiltered) this.interest.owe()
        storeState(states, name, consumer.encodeState(isRefiltered), 'both')
        storeConsumer(states, config, createdMs, done)
      })
    })
  }

  #erase(name: string): Promise<void> {
    const { states } = this.#parts.stream.store
    return new Promise((resolve, reject) => {
      const done: Committed = (error) => {
        if (error !== undefined) return reject(error)
        // The consumer worked until now, and may have written its state once more.
        eraseState(states, name)
        resolve()
      }
      this.#parts.root.transaction(() => {
        this.interest.owe()
        eraseState(states, name)
        eraseConsumer(states, name, done)
      })
    })
  }

  #consumerParts(): ConsumerParts {
    const { clock, random, port, log, acks, advisories, newToken, stream } = this.#parts
    return {
      clock,
      port,
      log,
      acks,
      store: stream.store,
      removals: this.removals,
      newToken,
      streamName: stream.name,
      messageBytesMax: () => stream.config.max_msg_size,
      onInactive: ({ name }) => {
        this.remove(name).catch((error: unknown) => {
          log.warn({ consumer: name, err: messageOf(error) }, 'inactive consumer not removed')
        })
      },
      onDone: (streamSeq) => this.interest.done(streamSeq),
      isAwaited: this.#isAwaited,
      events: (consumer) => new ConsumerEvents(advisories, random, stream.name, consumer),
    }
  }
}
