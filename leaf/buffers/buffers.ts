import type { Message, Peer, SubjectSpace, Subscription } from '../../shared/broker/index.ts'
import type { BufferConfig } from '../../shared/config/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Clock, PetioleError, type Random } from '../../shared/runtime/index.ts'
import type { Store, StreamStore } from '../../shared/store/index.ts'
import type { CapturedMessage } from '../../shared/stream/index.ts'
import { isSame, overlaps, subsetOf } from '../../shared/subject/index.ts'
import { BATCH_OVERHEAD_BYTES, isHeaderBlock } from '../../shared/sync/index.ts'
import { BufferRules, beginsWithWildcard } from './buffer-rules.ts'
import { Capture } from './capture.ts'
import { DamageLog } from './damage-log.ts'
import { type BufferTraits, LeafBuffer } from './leaf-buffer.ts'
import { SOUND_HEADERS_BYTES_MAX } from './limits.ts'

/** What a buffer needs of its stream; `Stream` of the stream engine fits. */
export interface BufferStream {
  readonly name: string
  readonly store: StreamStore
  ingest(message: CapturedMessage): void
}

/** A stream's configuration in JetStream's keys; durations in nanoseconds, -1 for no limit. */
export interface BufferStreamConfig {
  readonly name: string
  readonly description: string
  readonly subjects: readonly string[]
  readonly max_bytes: number
  readonly max_msgs: number
  readonly max_age: number
  readonly max_msg_size: number
  readonly discard: 'old' | 'new'
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly no_ack: boolean
}

/** `StreamEngine` fits. */
export interface BufferEngine {
  ensure(
    config: BufferStreamConfig,
    mode: { readonly isCapturing: false; readonly mayOverlap: true },
  ): Promise<BufferStream>
  streams(): readonly BufferStream[]
  remove(name: string): Promise<boolean>
}

export interface BuffersOptions {
  readonly configs: readonly BufferConfig[]
  /** The largest message that crosses the link. */
  readonly payloadBytesMax: number
}

export interface BuffersDependencies {
  readonly engine: BufferEngine
  readonly store: Store
  readonly space: SubjectSpace
  readonly peerId: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const NS_PER_MS = 1_000_000
/** Which of two overlapping buffers takes a message is decided here, not by the streams. */
const MODE = { isCapturing: false, mayOverlap: true } as const
const PRIORITY_LAST = 10

/**
 * The leaf's buffers, and the peer that captures into them. A message goes to the first buffer whose
 * rule matches, however many subscriptions brought it here; one that came over the uplink goes to
 * none, so that nothing echoes.
 *
 * Must be made as soon as the store is open, before the streams are recovered: damage that the store
 * found is told once only. A buffer that is no longer configured captures nothing, and is drained until it is empty.
 */
export class Buffers implements Peer {
  readonly kind = 'local'
  readonly echo = true
  readonly id: number
  readonly #options: BuffersOptions
  readonly #engine: BufferEngine
  readonly #space: SubjectSpace
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #rules: BufferRules
  readonly #streams = new Map<string, BufferStream>()
  readonly #buffers = new Map<string, LeafBuffer>()
  readonly #damage = new Map<StreamStore, DamageLog>()
  /** The buffer and the place of each subscription's subject among the buffer's own. */
  readonly #captures = new Map<Subscription, Capture>()
  #hasRefused = false
  /** The last header block that was looked at and is one. */
  #soundHeaders = new Uint8Array(0)

  constructor(options: BuffersOptions, dependencies: BuffersDependencies) {
    this.#options = options
    this.#engine = dependencies.engine
    this.#space = dependencies.space
    this.id = dependencies.peerId
    this.#clock = dependencies.clock
    this.#random = dependencies.random
    this.#log = dependencies.log
    this.#rules = new BufferRules(options.configs)
    for (const store of dependencies.store.streams.values()) {
      if (LeafBuffer.isBuffer(store)) this.#damage.set(store, this.#damageLogOf(store))
    }
  }

  /** In draining order: by priority, then as configured; those that only drain come last. */
  get all(): readonly LeafBuffer[] {
    return [...this.#buffers.values()]
  }

  /** Makes sure of the streams and captures from then on. */
  async start(): Promise<void> {
    const byPriority = this.#options.configs.toSorted((a, b) => a.priority - b.priority)
    for (const config of byPriority) await this.#open(config)
    await this.#adoptUnconfigured()
    for (const config of this.#options.configs) this.#capture(config)
  }

  /** Whether a message on this literal subject crosses the link by sync, and so must not cross live. */
  isBuffered(subject: string): boolean {
    return this.#rules.bufferOf(subject) !== undefined
  }

  /** Whether a subscription is a buffer's: the hub need not be told of it. */
  owns(subscription: Subscription): boolean {
    return subscription.peer === this
  }

  deliver(subscription: Subscription, message: Message): void {
    if (message.origin.kind === 'uplink') return
    const capture = this.#captures.get(subscription)
    if (capture === undefined || this.#rules.bufferOf(message.subject) !== capture.buffer) return
    if (capture.isShadowed(message.subjectBytes)) return
    const fault = this.#faultOf(message)
    if (fault === undefined) capture.stream.ingest(message)
    else this.#refuse(message, capture, fault)
  }

  /** Stops capturing and writes down what is synced. */
  async drain(): Promise<void> {
    this.#stopCapturing()
    for (const buffer of this.#buffers.values()) buffer.close()
  }

  async destroy(): Promise<void> {
    this.#stopCapturing()
    for (const buffer of this.#buffers.values()) buffer.abandon()
  }

  /** What keeps a message out. Stored, it would stop the buffer: no hub takes it, nothing overtakes it. */
  #faultOf(message: Message): PetioleError | undefined {
    const { subject, subjectBytes, headers, payload } = message
    if (!this.#hasSoundHeaders(headers)) {
      const reason = `a message on ${subject} has headers that are no header block: end each line, and the block, with CR LF`
      return new PetioleError('PETIOLE_HEADERS_INVALID', reason)
    }
    const size = subjectBytes.length + headers.length + payload.length
    if (size <= this.#recordBytesMax) return undefined
    const reason = `a message on ${subject} is too large to sync: ${size} of at most ${this.#recordBytesMax} bytes with its subject and headers; raise max_payload, here and at the hub`
    return new PetioleError('PETIOLE_MESSAGE_TOO_LARGE', reason)
  }

  /** A front door puts the same block on all its messages: one look at it serves them. */
  #hasSoundHeaders(headers: Uint8Array): boolean {
    if (headers.length === 0) return true
    if (isSame(this.#soundHeaders, headers, 0, headers.length)) return true
    const bytes = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
    if (!isHeaderBlock(bytes)) return false
    if (bytes.length <= SOUND_HEADERS_BYTES_MAX) this.#soundHeaders = new Uint8Array(bytes)
    return true
  }

  #refuse(message: Message, { buffer }: Capture, fault: PetioleError): void {
    message.takeCommitted()?.(fault)
    if (!this.#hasRefused) this.#log.warn({ buffer, err: fault }, 'refused a message')
    this.#hasRefused = true
  }

  /** Subject, headers and payload of one message: what is left of a message of the link. */
  get #recordBytesMax(): number {
    return Math.max(1, this.#options.payloadBytesMax - BATCH_OVERHEAD_BYTES)
  }

  async #open(config: BufferConfig): Promise<void> {
    const stream = await this.#engine.ensure(this.#streamConfig(config), MODE)
    const { name, priority } = config
    this.#streams.set(name, stream)
    this.#buffers.set(name, this.#bufferOn(stream.store, { name, priority, isConfigured: true }))
  }

  #streamConfig(config: BufferConfig): BufferStreamConfig {
    return {
      name: config.name,
      description: 'buffer: kept until the hub has it',
      subjects: bindable(config.subjects),
      max_bytes: config.max_bytes || -1,
      max_msgs: config.max_msgs || -1,
      max_age: config.max_age * NS_PER_MS,
      max_msg_size: this.#recordBytesMax,
      discard: config.discard,
      // A hole in a buffer is then damage, and nothing but damage.
      deny_delete: true,
      deny_purge: true,
      // Else every request on the leaf would be answered by this buffer's acknowledgement.
      no_ack: config.subjects.includes('>'),
    }
  }

  /** Buffers that the configuration does not name any more. */
  async #adoptUnconfigured(): Promise<void> {
    for (const { name, store } of this.#engine.streams()) {
      if (this.#buffers.has(name) || !LeafBuffer.isBuffer(store)) continue
      const traits = { name, priority: PRIORITY_LAST, isConfigured: false }
      const buffer = this.#bufferOn(store, traits)
      if (buffer.syncedSeq < store.state.lastSeq) {
        this.#log.warn({ buffer: name }, 'a removed buffer still holds messages: it is drained')
        this.#buffers.set(name, buffer)
        continue
      }
      buffer.abandon()
      await this.#engine.remove(name)
      this.#log.info({ buffer: name }, 'a removed buffer was drained and is gone')
    }
  }

  #bufferOn(store: StreamStore, traits: BufferTraits): LeafBuffer {
    const damage = this.#damage.get(store) ?? this.#damageLogOf(store)
    return new LeafBuffer(traits, store, {
      damage,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
    })
  }

  #damageLogOf(store: StreamStore): DamageLog {
    return new DamageLog(store, this.#log.child({ buffer: store.name }))
  }

  #capture(config: BufferConfig): void {
    const stream = this.#streams.get(config.name)
    if (stream === undefined) return
    for (const [index, subject] of config.subjects.entries()) {
      const subscription = this.#space.subscribe(this, { subject, isCapture: true })
      const capture = new Capture(config.name, stream, subject, config.subjects.slice(0, index))
      this.#captures.set(subscription, capture)
    }
  }

  #stopCapturing(): void {
    for (const subscription of this.#captures.keys()) this.#space.unsubscribe(subscription)
    this.#captures.clear()
  }
}

/**
 * The subjects that a stream may bind: none overlaps another, none overlaps the machinery's own. What
 * is left out is captured all the same, by the rules here; the stream only does not show it.
 */
function bindable(subjects: readonly string[]): string[] {
  const kept: string[] = []
  const isWider = (subject: string, i: number): boolean =>
    !subjects.some((other, j) => i !== j && other !== subject && subsetOf(subject, other))
  for (const subject of subjects.filter(isWider)) {
    const isOverlapping = kept.some((other) => overlaps(other, subject))
    if (!isOverlapping && (subject === '>' || !beginsWithWildcard(subject))) kept.push(subject)
  }
  return kept
}
