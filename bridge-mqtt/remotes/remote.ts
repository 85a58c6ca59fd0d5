import type { MqttRemoteConfig, RemoteUrl } from '../../shared/config/index.ts'
import { Backoff, FailureLog, UrlPool } from '../../shared/link/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Cancel, messageOf, Tasks, wait } from '../../shared/runtime/index.ts'
import type { Core } from '../../shared/server/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { type Channel, TlsSettings } from '../../shared/transport/index.ts'
import {
  type ConnackPacket,
  encodeConnect,
  LEVEL,
  type Level,
  NO_PROPERTIES,
} from '../codec/index.ts'
import { Notices } from '../notices.ts'
import { dialAdviceOf } from './answers.ts'
import { BridgedTopics } from './bridged-topics.ts'
import { BrokerConnection, type Ending } from './broker-connection.ts'
import { BACKOFF_MAX_MS, DRAIN_MS, INBOUND_UNACKED_MAX, STABLE_AFTER_MS } from './limits.ts'
import { QueueSender } from './queue-sender.ts'
import { RemoteCounters } from './remote-counters.ts'
import { RemoteFilters } from './remote-filters.ts'
import { RemotePeer } from './remote-peer.ts'
import { RemoteQueue } from './remote-queue.ts'
import { nextRemoteState, type RemoteEvent, type RemoteState } from './remote-state.ts'
import { VersionChoice } from './version-choice.ts'

/** For an MQTT 5 session that never ends. */
const FOR_EVER_S = 0xffff_ffff
const SECOND_MS = 1_000

/**
 * One broker that this server is a client of: dialled, kept, and dialled again. What is to go there is queued on
 * disk from the moment it is made, whether or not the broker is there.
 */
export class Remote {
  readonly config: MqttRemoteConfig
  readonly counters = new RemoteCounters()
  readonly queue: RemoteQueue
  readonly #core: Core
  readonly #log: Log
  readonly #clientId: string
  readonly #via: string
  readonly #peer: RemotePeer
  readonly #sender: QueueSender
  readonly #filters: RemoteFilters
  readonly #versions: VersionChoice
  readonly #pool: UrlPool
  readonly #backoff: Backoff
  readonly #failures: FailureLog
  readonly #tls: TlsSettings | undefined
  readonly #tasks: Tasks
  #state: RemoteState = { name: 'idle' }
  #connection: BrokerConnection | undefined
  #cancelWait: Cancel | undefined

  /** Throws PETIOLE_TLS_INVALID, and what keeps the store from making a stream. */
  constructor(config: MqttRemoteConfig, core: Core, store: Store) {
    const { clock, random } = core.machine
    const { counters } = this
    this.config = config
    this.#core = core
    this.#log = core.log.child({ remote: config.name })
    this.#tls = tlsOf(config)
    this.#clientId = config.client_id || `petiole-${core.serverName}-${config.name}`
    this.#via = config.via || viaOf(core.serverName, config.urls)
    this.#versions = new VersionChoice(config.version)
    this.#pool = new UrlPool(config.urls, random, false)
    this.#backoff = new Backoff(random, config.reconnect, BACKOFF_MAX_MS)
    this.#failures = new FailureLog(this.#log, clock, 'remote')
    this.#tasks = new Tasks((name, error) => this.#log.error({ err: error }, `${name} failed`))
    const log = this.#log
    const notices = new Notices(clock, log)
    const via = this.#via
    const published = config.publish.map((topics) => new BridgedTopics(topics))
    const subscribed = config.subscribe.map((topics) => new BridgedTopics(topics))
    this.queue = new RemoteQueue({ config, store, published, via, counters, notices, log })
    const space = core.space(config.account)
    this.#peer = new RemotePeer({
      id: core.nextPeerId(),
      clientId: this.#clientId,
      space,
      queue: this.queue,
      subscribed,
      via,
      payloadBytesMax: core.payloadBytesMax,
      counters,
      notices,
    })
    this.#sender = new QueueSender({
      queue: this.queue,
      inflightMax: config.max_inflight,
      clock,
      tasks: this.#tasks,
      counters,
      notices,
      log,
    })
    this.#filters = new RemoteFilters(subscribed, this.queue, log)
    this.queue.direct = this.#sender
    this.queue.start(space, this.#peer)
  }

  get state(): RemoteState {
    return this.#state
  }

  get inflight(): number {
    return this.#sender.inflight
  }

  get refusedFilters(): number {
    return this.#filters.refused
  }

  /** Nothing but the first call does anything. */
  start(): void {
    if (this.#state.name === 'idle') this.#dial()
  }

  /** The certificates may have been renewed in their files. */
  reloadTls(): void {
    if (this.config.tls !== undefined) this.#tls?.reload(this.config.tls)
  }

  /** Captures and sends no more: another takes over the queue. */
  release(): void {
    this.queue.stop(this.#core.space(this.config.account))
    this.#sender.stop()
  }

  /**
   * Acknowledges what is being stored, and leaves the broker; what is published here is queued to the end.
   * Idempotent, as `destroy`.
   */
  async drain(): Promise<void> {
    this.#stop()
    this.#sender.detach()
    const stopped = new AbortController()
    const timeout = wait(this.#core.machine.clock, DRAIN_MS, stopped.signal)
    await Promise.race([this.#connection?.drain(), timeout])
    stopped.abort()
    this.#connection?.close()
    await this.#tasks.destroy()
  }

  async destroy(): Promise<void> {
    this.#stop()
    this.release()
    this.#connection?.close()
    await this.#tasks.destroy()
  }

  #stop(): void {
    this.#cancelWait?.()
    this.#move({ type: 'stopped' })
  }

  #dial(): void {
    const url = this.#pool.current()
    if (url === undefined) return
    this.#move({ type: 'dial', url: url.text })
    this.#tasks.run('dial of a broker', (signal) => this.#connect(url, signal))
  }

  async #connect(url: RemoteUrl, signal: AbortSignal): Promise<void> {
    const { protocol, host, port, path } = url
    const tls = this.#tls === undefined ? undefined : { settings: this.#tls, serverName: host }
    const timeoutMs = this.config.dial_timeout
    const where = { protocol, host, port, path, timeoutMs, tls, subprotocol: 'mqtt' }
    let channel: Channel
    try {
      channel = await this.#core.machine.network.dial(where, signal)
    } catch (error) {
      this.#failed(messageOf(error), dialAdviceOf(error))
      return
    }
    if (signal.aborted || this.#state.name !== 'dialing') {
      channel.destroy()
      return
    }
    this.#move({ type: 'connected' })
    this.#shakeHands(channel)
  }

  #shakeHands(channel: Channel): void {
    const { clock } = this.#core.machine
    const { level } = this.#versions
    const connection: BrokerConnection = new BrokerConnection({
      channel,
      level,
      clock,
      peer: this.#peer,
      via: this.#via,
      connectPacket: this.#connectPacket(level),
      keepAliveMs: this.config.keep_alive,
      answerMs: this.config.dial_timeout,
      payloadBytesMax: this.#core.payloadBytesMax,
      onAccepted: (connack) => this.#accepted(connection, connack, level),
      onSuback: (packet) => {
        this.#filters.answered(packet)
        this.#up(connection)
      },
      onPuback: (packetId, reason) => this.#sender.acknowledged(packetId, reason),
      onDrain: () => this.#sender.pump(),
      onEnded: (ending) => this.#ended(connection, ending),
    })
    this.#connection = connection
    connection.start()
  }

  #connectPacket(level: Level): Uint8Array {
    const { config } = this
    const expiry = config.session_expiry
    const sessionExpirySeconds = expiry === 0 ? FOR_EVER_S : Math.ceil(expiry / SECOND_MS)
    return encodeConnect({
      level,
      clientId: this.#clientId,
      isClean: false,
      keepAliveSeconds: Math.round(config.keep_alive / SECOND_MS),
      user: config.user === '' ? undefined : config.user,
      password: config.password === '' ? undefined : Buffer.from(config.password),
      will: undefined,
      properties:
        level === LEVEL.v5
          ? { sessionExpirySeconds, receiveMaximum: INBOUND_UNACKED_MAX }
          : NO_PROPERTIES,
    })
  }

  #accepted(connection: BrokerConnection, connack: ConnackPacket, level: Level): void {
    this.#versions.accepted()
    this.counters.connects++
    if (this.#takesOnlyQos0(connack)) {
      connection.fail('the broker takes QoS 0 only', 'publish with qos: 0, or to another broker')
      return
    }
    const { clock } = this.#core.machine
    const isAsked = this.#filters.begin(connack, level, (packet) => connection.write(packet))
    if (!isAsked) this.#up(connection)
    else connection.awaitSuback(this.config.dial_timeout)
    const { isSessionPresent } = connack
    const fields = { version: this.#versions.text, resumed: isSessionPresent }
    const url = 'url' in this.#state ? this.#state.url : ''
    this.#move({ type: 'accepted', nowMs: clock.monotonicMs() })
    const summary = { ...fields, queued: this.queue.messages, ...this.#failures.recovered() }
    this.#log.info({ url, clientId: this.#clientId, ...summary }, 'remote up')
  }

  /** Publishes wait for the SUBACK, whose packet identifier would be theirs. */
  #up(connection: BrokerConnection): void {
    if (connection === this.#connection && this.#state.name !== 'stopped') {
      this.#sender.attach(connection)
    }
  }

  #takesOnlyQos0({ properties }: ConnackPacket): boolean {
    return properties.maximumQos === 0 && this.config.publish.some(({ qos }) => qos > 0)
  }

  #ended(connection: BrokerConnection, ending: Ending): void {
    if (connection !== this.#connection) return
    this.#connection = undefined
    this.#sender.detach()
    if (ending.versionFault === 'silence') this.#versions.unanswered()
    else if (ending.versionFault === 'refusal' && this.#versions.refused()) {
      this.#log.info({}, 'broker does not speak MQTT 5: going on with 3.1.1')
      this.#failed(ending.reason, ending.advice, 0)
      return
    }
    this.#failed(ending.reason, ending.advice)
  }

  #failed(reason: string, advice: string, inMs?: number): void {
    const state = this.#state
    if (state.name === 'stopped') return
    const { clock } = this.#core.machine
    const nowMs = clock.monotonicMs()
    if (state.name === 'up' && nowMs - state.sinceMs >= STABLE_AFTER_MS) this.#backoff.reset()
    const waitMs = inMs ?? this.#backoff.nextMs()
    if (inMs === undefined) {
      this.counters.failures++
      this.#pool.advance()
      const url = 'url' in state ? state.url : ''
      this.#failures.failed({ url, reason, advice, retryInMs: waitMs })
    }
    this.#cancelWait = clock.after(waitMs, () => this.#dial())
    this.#move({ type: 'failed', untilMs: nowMs + waitMs, reason })
  }

  #move(event: RemoteEvent): void {
    this.#state = nextRemoteState(this.#state, event)
  }
}

/** Who bridges the same broker from the same server has the same name, whatever the remotes are called. */
function viaOf(serverName: string, urls: readonly RemoteUrl[]): string {
  const [url] = urls
  return `${serverName}/${url?.host}:${url?.port}`.replaceAll(/[\s,]/g, '_')
}

/** Throws PETIOLE_TLS_INVALID. */
export function tlsOf({ name, tls }: MqttRemoteConfig): TlsSettings | undefined {
  return tls && new TlsSettings(tls, 'client', `mqtt: remote ${name}: tls`)
}
