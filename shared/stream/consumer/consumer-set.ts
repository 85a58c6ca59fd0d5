/**
 * The consumers of one stream, and their configurations in the stream's state table:
 * `consumer/<name>` holds {config, created}, `acks/<name>` the state that ConsumerJournal writes.
 *
 * The disk comes first: a consumer is found, changed or gone here only once that is on disk. When a
 * commit fails, all is as it was, and the next request of that name is judged by that.
 */
import type { Log } from '../../log/index.ts'
import { type Clock, messageOf } from '../../runtime/index.ts'
import type { Committed, Store } from '../../store/index.ts'
import type { SubjectFilter } from '../../subject/index.ts'
import type { Advisories } from '../advisories.ts'
import {
  type ConsumerConfig,
  type ConsumerRequest,
  checkConsumerUpdate,
  consumerConfig,
  filtersOf,
} from '../config/consumer-config.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { StreamPort } from '../port.ts'
import type { Stream } from '../stream.ts'
import { Turns } from '../turns.ts'
import type { AckSubjects } from './ack-subject.ts'
import { Consumer, type ConsumerParts, stateKey } from './consumer.ts'
import { lastPerSubject, startPoint } from './consumer-start.ts'

export interface ConsumerSetParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly log: Log
  readonly root: Store
  readonly acks: AckSubjects
  readonly advisories: Advisories
  readonly consumersMax: number
  readonly stream: Stream
}

/** CONSUMER.CREATE's `action`. */
export type CreateAction = '' | 'create' | 'update'

const CONFIG_PREFIX = 'consumer/'

export class ConsumerSet {
  readonly #parts: ConsumerSetParts
  readonly #consumers = new Map<string, Consumer>()
  readonly #turns = new Turns()
  /** Names that are being created; they count against the limit. */
  readonly #starting = new Set<string>()
  /** On their way to the disk: nobody finds them yet, but they follow what leaves the stream. */
  readonly #unborn = new Set<Consumer>()
  #closed: { readonly status: string; readonly isKept: boolean } | undefined

  constructor(parts: ConsumerSetParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#consumers.size
  }

  get(name: string): Consumer | undefined {
    return this.#consumers.get(name)
  }

  /** In the order of their names. */
  list(): readonly Consumer[] {
    return [...this.#consumers.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  recover(): void {
    const { stream, log } = this.#parts
    const stored = [...stream.store.states.entries()]
    for (const [key, bytes] of stored) {
      if (!key.startsWith(CONFIG_PREFIX)) continue
      try {
        const { config, createdMs } = JSON.parse(Buffer.from(bytes).toString()) as {
          config: ConsumerConfig
          createdMs: number
        }
        const consumer = new Consumer(this.#consumerParts(), config, createdMs)
        const state = stream.store.states.get(stateKey(config.name))
        if (state === undefined) consumer.begin({ seq: stream.store.state.firstSeq || 1 })
        else {
          consumer.recover(state, (from, through) =>
            lastPerSubject(filtersOf(config), stream.store, from, through),
          )
        }
        this.#consumers.set(config.name, consumer)
      } catch (error) {
        log.error({ consumer: key, err: messageOf(error) }, 'consumer not recovered')
      }
    }
  }

  /** Creates or updates; resolves when it is on disk. Throws the row of the error table. */
  create(request: ConsumerRequest, name: string, action: CreateAction): Promise<Consumer> {
    return this.#turns.take(name, async () => {
      const existing = this.#consumers.get(name)
      const config = consumerConfig(request, name, this.#parts.stream.config)
      if (existing !== undefined) return this.#createAgain(existing, config, action)
      if (action === 'update') throw new JetStreamError(10149)
      this.#checkRoom()
      this.#starting.add(name)
      try {
        return await this.#begin(config)
      } finally {
        this.#starting.delete(name)
      }
    })
  }

  /** Resolves when it is gone from disk; false when there is no such consumer. */
  remove(name: string): Promise<boolean> {
    return this.#turns.take(name, async () => {
      const consumer = this.#consumers.get(name)
      if (consumer === undefined) return false
      if (!consumer.config.mem_storage) await this.#erase(name)
      this.#consumers.delete(name)
      consumer.close('409 Consumer Deleted', false)
      return true
    })
  }

  wake(): void {
    for (const consumer of this.#consumers.values()) consumer.wake()
  }

  removed(first: number, last: number, filter?: SubjectFilter): void {
    for (const consumer of this.#all()) consumer.removed(first, last, filter)
  }

  purged(): void {
    for (const consumer of this.#all()) consumer.purged()
  }

  /** Limits took messages up to `last`, perhaps not all. */
  evicted(last: number): void {
    for (const consumer of this.#all()) consumer.evicted(last)
  }

  close(status: string, isKept: boolean): void {
    this.#closed = { status, isKept }
    for (const consumer of this.#consumers.values()) consumer.close(status, isKept)
    this.#consumers.clear()
  }

  *#all(): IterableIterator<Consumer> {
    yield* this.#consumers.values()
    yield* this.#unborn
  }

  async #begin(config: ConsumerConfig): Promise<Consumer> {
    const { stream, clock } = this.#parts
    const start = await startPoint(config, stream.store)
    const consumer = new Consumer(this.#consumerParts(), config, clock.wallMs())
    consumer.begin(start)
    this.#unborn.add(consumer)
    try {
      await this.#write(consumer, config)
    } catch (error) {
      consumer.close('409 Consumer Deleted', false)
      throw error
    } finally {
      this.#unborn.delete(consumer)
    }
    if (this.#closed === undefined) this.#consumers.set(config.name, consumer)
    else consumer.close(this.#closed.status, this.#closed.isKept)
    this.#advise('CREATED', 'consumer_action', consumer, { action: 'create' })
    return consumer
  }

  async #createAgain(
    existing: Consumer,
    config: ConsumerConfig,
    action: CreateAction,
  ): Promise<Consumer> {
    const isSame = JSON.stringify(existing.config) === JSON.stringify(config)
    if (isSame) return existing
    if (action === 'create') throw new JetStreamError(10148)
    checkConsumerUpdate(existing.config, config)
    await this.#write(existing, config)
    existing.update(config)
    return existing
  }

  #checkRoom(): void {
    const { max_consumers } = this.#parts.stream.config
    const max = max_consumers > 0 ? max_consumers : this.#parts.consumersMax
    if (this.#consumers.size + this.#starting.size >= max) throw new JetStreamError(10026)
  }

  #write(consumer: Consumer, config: ConsumerConfig): Promise<void> {
    const { createdMs, name } = consumer
    if (config.mem_storage) return Promise.resolve()
    const { states } = this.#parts.stream.store
    return new Promise((resolve, reject) => {
      const done: Committed = (error) => (error ? reject(error) : resolve())
      this.#parts.root.transaction(() => {
        states.set(stateKey(name), consumer.encodeState())
        const text = JSON.stringify({ config, createdMs })
        states.set(CONFIG_PREFIX + name, Buffer.from(text), done)
      })
    })
  }

  #erase(name: string): Promise<void> {
    const { states } = this.#parts.stream.store
    const key = stateKey(name)
    return new Promise((resolve, reject) => {
      const done: Committed = (error) => {
        if (error !== undefined) return reject(error)
        // The consumer worked until now, and may have written its state once more.
        if (states.get(key) !== undefined) states.remove(key)
        resolve()
      }
      this.#parts.root.transaction(() => {
        states.remove(key)
        states.remove(CONFIG_PREFIX + name, done)
      })
    })
  }

  #consumerParts(): ConsumerParts {
    const { clock, port, log, acks, stream } = this.#parts
    return {
      clock,
      port,
      log,
      acks,
      store: stream.store,
      streamName: stream.name,
      onInactive: ({ name }) => {
        this.remove(name).catch((error: unknown) => {
          log.warn({ consumer: name, err: messageOf(error) }, 'inactive consumer not removed')
        })
      },
      onExhausted: (consumer, { streamSeq, deliveries }) =>
        this.#advise('MAX_DELIVERIES', 'max_deliver', consumer, {
          stream_seq: streamSeq,
          deliveries,
        }),
      onTerminated: (consumer, address, reason) =>
        this.#advise('MSG_TERMINATED', 'terminated', consumer, {
          consumer_seq: address.consumerSeq,
          stream_seq: address.streamSeq,
          deliveries: address.deliveries,
          ...(reason === '' ? {} : { reason }),
        }),
    }
  }

  /** `$JS.EVENT.ADVISORY.CONSUMER.<event>.<stream>.<consumer>`, when somebody listens. */
  #advise(
    event: string,
    type: string,
    { name }: Consumer,
    facts: Readonly<Record<string, unknown>>,
  ): void {
    const { advisories, stream } = this.#parts
    advisories.publish(`CONSUMER.${event}.${stream.name}.${name}`, type, {
      stream: stream.name,
      consumer: name,
      ...facts,
    })
  }
}
