/**
 * JetStream for one account: its streams, which of them binds a subject, and their API. Streams lie
 * in the store as `<account>/<stream>`, so that one journal serves all accounts.
 */
import type { Log } from '../log/index.ts'
import { type Clock, messageOf, type Random } from '../runtime/index.ts'
import { onDisk, type Store, type StreamStore } from '../store/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import type { AccountLimits } from './account-limits.ts'
import { Advisories } from './advisories.ts'
import { Api } from './api/api.ts'
import { ApiAudit, type DescribeRequester } from './api/api-audit.ts'
import { API_PREFIX, type ApiContext } from './api/api-context.ts'
import { apiLevelOf } from './api/api-level.ts'
import { SubjectPages } from './api/subject-page.ts'
import { newAssetName } from './asset-name.ts'
import { createStreamStore, decodeConfig, type StreamMode } from './config/stored-config.ts'
import { isLarge, type StreamConfig } from './config/stream-config.ts'
import type { StreamRequest } from './config/stream-request.ts'
import { updatedConfig } from './config/stream-update.ts'
import { type AckSubjects, ackForms, parseAck } from './consumer/ack-subject.ts'
import { captureForDomain } from './domain-captures.ts'
import { JetStreamError } from './jetstream-error.ts'
import type { HeardMessage, StreamPort } from './port.ts'
import { isHidden, RestoreHost } from './snapshot/restore-host.ts'
import { SnapshotDesk } from './snapshot/snapshot-desk.ts'
import { Stream } from './stream.ts'
import { StreamJudge } from './stream-judge.ts'
import { checkKind, checkOverlap, refuseManaged, StreamPlan } from './stream-plan.ts'
import { StreamTable } from './stream-table.ts'
import { Turns } from './turns.ts'

export interface StreamEngineOptions {
  readonly account: string
  readonly store: Store
  readonly port: StreamPort
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /**
   * '' for none; else the API answers under `$JS.<domain>.API` too, and acks name the domain. A server
   * with leaf links needs one: without it, acks of linked servers are not told apart.
   */
  readonly domain: string
  readonly serverName: string
  readonly limits: AccountLimits
  /** For the audit of the API; nobody is told of when absent. */
  readonly describeRequester?: DescribeRequester
  /** Whether acks name the account also where there is no domain: nats-server's `js_ack_fc_v2`. */
  readonly areAcksNamed?: boolean
  /** What INFO reports, and so what answers must carry; the wire's own version when absent. */
  readonly serverVersion?: string
}

const CAPTURING: StreamMode = { isCapturing: true, mayOverlap: false }

export class StreamEngine {
  readonly account: string
  /** Requests to the API since the start; `inflight` are those that wait for the disk. */
  readonly apiCounts = { total: 0, errors: 0, inflight: 0 }
  readonly #options: StreamEngineOptions
  readonly #store: Store
  readonly #port: StreamPort
  readonly #log: Log
  readonly #advisories: Advisories
  readonly #acks: ReturnType<typeof ackForms>
  readonly #api: Api
  readonly #streams = new StreamTable()
  readonly #judge: StreamJudge
  readonly #turns = new Turns()
  readonly #turn = (): Promise<void> => new Promise((resolve) => this.#options.clock.soon(resolve))
  readonly #restores: RestoreHost
  readonly #snapshots: SnapshotDesk
  #subscriptions: (() => void)[] = []
  /** Streams that are being made together: nobody else gets their subjects meanwhile. */
  #plan: StreamPlan | undefined
  #isStarted = false
  #isClosed = false

  constructor(options: StreamEngineOptions) {
    this.account = options.account
    this.#options = options
    this.#store = options.store
    this.#port = options.port
    this.#log = options.log
    const { clock, random, port, domain } = options
    this.#advisories = new Advisories(clock, random, port, domain, options.account)
    this.#judge = new StreamJudge(options.limits, this.#streams.byName, this.#streams.totals)
    this.#acks = ackForms(domain, options.account, options.areAcksNamed ?? false)
    this.#restores = new RestoreHost({
      root: options.store,
      judge: this.#judge,
      key: (name) => this.#key(name),
      streams: this.#streams,
      checkFree: (config) => checkOverlap(config, CAPTURING, this.#streams, this.#plan),
      open: (store, config) => this.#open(store, config, CAPTURING),
      made: (name) => this.#made(name),
    })
    this.#snapshots = new SnapshotDesk({
      ...options,
      advisories: this.#advisories,
      level: apiLevelOf(options.serverVersion ?? SERVER_VERSION),
      host: this.#restores,
      newToken: () => newAssetName(this.#options.random),
    })
    this.#api = new Api(this.#apiContext(), options.log)
  }

  /** Recovers streams and consumers from the store, then takes messages and requests. */
  async start(): Promise<void> {
    if (this.#isStarted) return
    this.#isStarted = true
    const prefix = this.#key('')
    for (const [key, store] of this.#store.streams) {
      if (key.startsWith(prefix)) await this.#recover(key, store)
    }
    for (const stream of this.#streams.byName.values()) await stream.openCaptures()
    this.#subscribe()
  }

  stream(name: string): Stream | undefined {
    return this.#streams.get(name)
  }

  /** In the order of their names. */
  streams(): readonly Stream[] {
    return this.#streams.inOrder
  }

  /** The sum of what its streams say they may grow to. */
  reservedBytes(storage: StreamConfig['storage']): number {
    return this.#streams.totals.reservedBytes(storage)
  }

  /**
   * The stream that binds a literal subject. Streams that do not capture by themselves count too;
   * where several of those overlap, the one whose name sorts first is returned.
   */
  streamFor(subject: string): Stream | undefined {
    return this.#streams.streamOf(subject)
  }

  /**
   * Makes sure that a stream with this configuration exists: creates it, or updates it when it
   * differs. Keys as on the wire, durations in nanoseconds. With `isCapturing: false` its owner
   * captures and calls `Stream.ingest`; such a stream has no duplicate window unless it asks for one.
   * Throws JetStreamError.
   */
  async ensure(request: StreamRequest, options: Partial<StreamMode> = {}): Promise<Stream> {
    const mode = { ...CAPTURING, ...options }
    const config = this.#configOf(request, mode)
    return this.#turns.take(config.name, async () => {
      const existing = this.#streams.get(config.name)
      if (existing === undefined) return this.#create(config, mode)
      checkKind(existing, mode.isCapturing)
      if (JSON.stringify(existing.config) === JSON.stringify(config)) return existing
      return this.#update(existing, config)
    })
  }

  /**
   * The same for several streams that capture: when one of them cannot be had, this throws, and none
   * is touched. Only a disk that fails in the middle can leave some of them made.
   */
  async ensureAll(requests: readonly StreamRequest[]): Promise<void> {
    const configs = requests.map((request) => this.#configOf(request, CAPTURING))
    // No stream is named '': one plan at a time.
    const names = ['', ...new Set(configs.map(({ name }) => name))]
    await this.#turns.takeAll(names, () => this.#carryOut(configs))
  }

  /** Throws what would keep `ensureAll` from having them as things are. */
  judgeAll(requests: readonly StreamRequest[]): void {
    const configs = requests.map((request) => this.#configOf(request, CAPTURING))
    void new StreamPlan(configs, this.#streams.byName, this.#judge.streamsMax)
  }

  /**
   * Resolves when it is gone from disk; false when there is no such stream. It serves until then,
   * and goes on when the disk does not take the removal.
   */
  remove(name: string): Promise<boolean> {
    return this.#turns.take(name, async () => {
      const stream = this.#streams.get(name)
      if (stream === undefined) return false
      await stream.letGoFor((done) => this.#store.removeStream(this.#key(name), done))
      this.#streams.drop(name)
      stream.removed()
      stream.close('409 Consumer Deleted', false)
      this.#advise('DELETED', 'delete', name)
      return true
    })
  }

  /** Stops taking messages, tells waiting pulls, writes consumers' states a last time. Idempotent. */
  async drain(): Promise<void> {
    if (this.#isClosed) return
    this.#close(true)
    await new Promise<void>((resolve) => this.#store.barrier(() => resolve()))
  }

  /** Stops at once. Idempotent. */
  async destroy(): Promise<void> {
    this.#close(false)
  }

  async #recover(key: string, store: StreamStore): Promise<void> {
    try {
      if (isHidden(store.config)) return this.#store.removeStream(key)
      const { config, isCapturing, mayOverlap } = decodeConfig(store.config)
      const stream = this.#open(store, config, { isCapturing, mayOverlap })
      await stream.recover()
      this.#streams.set(stream)
    } catch (error) {
      // One stream that can not be read must not keep the others from being served.
      this.#log.error({ stream: key, err: messageOf(error) }, 'stream not recovered')
    }
  }

  async #carryOut(configs: readonly StreamConfig[]): Promise<void> {
    const plan = new StreamPlan(configs, this.#streams.byName, this.#judge.streamsMax)
    this.#plan = plan
    try {
      for (const step of plan.steps) {
        const made = step.map((config) => {
          const existing = this.#streams.get(config.name)
          return existing ? this.#update(existing, config) : this.#create(config, CAPTURING)
        })
        // None may be under way any more when this ends: then the first failure is told.
        await Promise.allSettled(made)
        await Promise.all(made)
      }
    } finally {
      this.#plan = undefined
    }
  }

  async #create(config: StreamConfig, mode: StreamMode): Promise<Stream> {
    if (this.#isClosed) throw new JetStreamError(10008)
    if (this.#streams.byName.size >= this.#judge.streamsMax) throw new JetStreamError(10027)
    if (this.#restores.has(config.name)) throw new JetStreamError(10058)
    checkOverlap(config, mode, this.#streams, this.#plan)
    let stream: Stream | undefined
    let opened: Promise<void> | undefined
    await onDisk((done) => {
      const key = this.#key(config.name)
      const everyMs = mode.isCapturing ? this.#judge.syncEveryMs : 0
      const store = createStreamStore(this.#store, key, config, mode, done, everyMs)
      stream = this.#open(store, config, mode)
      this.#streams.set(stream)
      // What is published from here on is stored after the stream's own record in the journal.
      if (this.#isStarted) opened = stream.openCaptures()
    }).catch((error: unknown) => {
      stream?.close('409 Consumer Deleted', false)
      this.#streams.drop(config.name)
      throw error
    })
    await opened
    this.#made(config.name)
    const made = this.#streams.get(config.name)
    if (made === undefined) throw new JetStreamError(10059)
    return made
  }

  #made(name: string): void {
    this.#advise('CREATED', 'create', name)
    for (const other of this.#streams.fedBy(name)) other.feeds.originMade(name)
  }

  async #update(stream: Stream, config: StreamConfig): Promise<Stream> {
    if (this.#isClosed) throw new JetStreamError(10008)
    const updated = updatedConfig(stream.config, config)
    checkOverlap(updated, stream.mode, this.#streams, this.#plan)
    await stream.update(updated, () => this.#streams.changed(stream))
    this.#advise('UPDATED', 'modify', stream.name)
    return stream
  }

  #open(store: StreamStore, config: StreamConfig, mode: StreamMode): Stream {
    return new Stream(
      {
        ...this.#options,
        log: this.#log.child({ stream: config.name }),
        root: this.#store,
        acks: this.#acks[0],
        advisories: this.#advisories,
        room: this.#judge.room,
        apiLevel: apiLevelOf(this.#options.serverVersion ?? SERVER_VERSION).level,
        newToken: () => newAssetName(this.#options.random),
        turn: this.#turn,
      },
      store,
      config,
      mode,
    )
  }

  #configOf(request: StreamRequest, mode: StreamMode): StreamConfig {
    const config = this.#judge.configOf(request)
    const hasWindow = mode.isCapturing || (request.duplicate_window ?? 0) > 0
    return hasWindow ? config : { ...config, duplicate_window: 0 }
  }

  #subscribe(): void {
    const { domain } = this.#options
    const prefixes = domain === '' ? [API_PREFIX] : [API_PREFIX, `$JS.${domain}.API.`]
    for (const prefix of prefixes) {
      this.#subscriptions.push(
        this.#port.subscribe(`${prefix}>`, (message) =>
          this.#api.handle(message.subject.slice(prefix.length), message),
        ),
      )
    }
    for (const form of this.#acks) {
      const stop = this.#port.listen(form.filter, (heard) => this.#acknowledge(form, heard))
      this.#subscriptions.push(stop)
    }
    if (domain === '') return
    const prefix = `$JS.${domain}.API.`
    this.#subscriptions.push(...captureForDomain(this.#port, prefix, (it) => this.streamFor(it)))
  }

  #acknowledge(form: AckSubjects, message: HeardMessage): void {
    const address = form.parse(message.subjectBytes)
    if (address === undefined) return
    const consumer = this.#streams.get(address.stream)?.consumers.get(address.consumer)
    consumer?.acknowledge(address, parseAck(message.payload), message.reply)
  }

  #close(isKept: boolean): void {
    this.#isClosed = true
    this.#snapshots.close().catch(() => {})
    for (const stop of this.#subscriptions) stop()
    this.#subscriptions = []
    for (const stream of this.#streams.byName.values()) stream.close('409 Server Shutdown', isKept)
  }

  #key(name: string): string {
    return `${this.account}/${name}`
  }

  #advise(event: string, action: string, name: string): void {
    this.#advisories.publish(`STREAM.${event}.${name}`, 'stream_action', { stream: name, action })
  }

  #apiContext(): ApiContext {
    const { port, domain, limits, clock, serverVersion = SERVER_VERSION } = this.#options
    const { serverName, describeRequester: describe = () => undefined } = this.#options
    return {
      port,
      domain,
      serverName,
      level: apiLevelOf(serverVersion),
      limits,
      counts: this.apiCounts,
      nowMs: () => clock.wallMs(),
      snapshots: this.#snapshots,
      audit: new ApiAudit({ port, advisories: this.#advisories, serverName, describe }),
      stream: (name) => this.#streams.get(name),
      streams: () => this.streams(),
      fedBy: (origin) => this.#streams.fedBy(origin),
      create: (request) => this.#createByClient(request),
      update: (request, name) => this.#updateByClient(request, name),
      remove: (name) => this.remove(name),
      newName: () => newAssetName(this.#options.random),
      turn: this.#turn,
      pages: new SubjectPages(this.#turn),
      advise: (event, type, facts) => this.#advisories.publish(event, type, facts),
    }
  }

  async #createByClient(request: StreamRequest): Promise<Stream> {
    this.#judge.checkAsked(request)
    const config = this.#configOf(request, CAPTURING)
    if (isLarge(config)) await this.#turn()
    return this.#turns.take(config.name, async () => {
      const stream = this.#judge.isThere(config) ? this.#streams.get(config.name) : undefined
      if (stream !== undefined) return stream
      this.#judge.checkNew(config)
      return this.#create(config, CAPTURING)
    })
  }

  async #updateByClient(request: StreamRequest, name: string): Promise<Stream> {
    const config = this.#configOf(request, CAPTURING)
    if (config.name !== name) throw new JetStreamError(10056)
    if (isLarge(config)) await this.#turn()
    return this.#turns.take(name, async () => {
      const stream = this.#streams.get(name)
      if (stream === undefined) throw new JetStreamError(10059)
      refuseManaged(stream)
      return this.#update(stream, this.#judge.updated(stream, config))
    })
  }
}
