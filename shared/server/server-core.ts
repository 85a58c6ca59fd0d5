import { type Authenticator, UserAuthenticator } from '../account/index.ts'
import { type AccountSpace, BROKER_DEFAULTS, Broker } from '../broker/index.ts'
import { LocalClient } from '../client/index.ts'
import type { AuthorizationConfig, CoreConfig, RemoteConfig, Role } from '../config/index.ts'
import type { LinkAcceptor, ServerIdentity, Uplink, UplinkOptions } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import { createMonitor, type MonitorRoute } from '../monitor/index.ts'
import { PetioleError } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import { StreamEngine, UNLIMITED } from '../stream/index.ts'
import { BATCH_OVERHEAD_BYTES, SUBJECT_BYTES_MAX } from '../sync/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import type { Core, FrontDoor, Machine } from './core.ts'
import { openDurableParts } from './durable-parts.ts'
import { ADDED_HEADERS_BYTES_MAX } from './limits.ts'
import { Listeners, type ServerPorts } from './listeners.ts'
import { monitorSources } from './monitor-sources.ts'
import { type LinkRules, ServerLinks } from './server-links.ts'
import { SpaceStreamPort } from './space-stream-port.ts'

/** What a role adds to the core, and what it decides for it. */
export interface ServerCoreOptions extends LinkRules {
  readonly role: Role
  readonly config: CoreConfig
  readonly machine: Machine
  readonly log: Log
  /** Petiole's own version. */
  readonly version: string
  readonly frontDoors: readonly FrontDoor[]
  /** Size at which the journal begins a new segment. Default: what suits the role's disk. */
  readonly segmentBytes?: number
  readonly monitorRoutes?: ReadonlyMap<string, MonitorRoute>
  /** Called when the store is open and its streams are not yet recovered: what it found is told once. */
  readonly beforeStreams?: (core: ServerCore) => void
}

const BOOT_BYTES = 8
const STOPPING = 'this server stops'

/**
 * One server as hub and leaf share it: store, subject spaces, streams, links, listeners, monitoring.
 * `open` recovers what is on disk and listens nowhere yet, so that a role can put its own parts in
 * place; `listen` opens the ports. Whatever fails, nothing is left open.
 */
export class ServerCore implements Core {
  readonly machine: Machine
  readonly log: Log
  readonly config: CoreConfig
  readonly identity: ServerIdentity
  readonly serverName: string
  readonly store: Store | undefined
  readonly broker: Broker
  readonly links: ServerLinks
  readonly authenticator: Authenticator
  readonly payloadBytesMax: number
  readonly boot: string
  readonly startedMs: number
  readonly #options: ServerCoreOptions
  readonly #engines = new Map<string, StreamEngine>()
  readonly #clients: LocalClient[] = []
  readonly #listeners = new Listeners()
  #ports: ServerPorts | undefined
  #ending: Promise<void> | undefined
  #peerIds = 0

  private constructor(
    options: ServerCoreOptions,
    durable: { identity: ServerIdentity; serverName: string; store: Store | undefined },
  ) {
    const { config, machine, log } = options
    this.#options = options
    this.machine = machine
    this.log = log
    this.config = config
    this.identity = durable.identity
    this.serverName = durable.serverName
    this.store = durable.store
    this.payloadBytesMax = config.max_payload
    this.startedMs = machine.clock.wallMs()
    this.boot = Buffer.from(machine.random.bytes(BOOT_BYTES)).toString('hex')
    this.authenticator = authenticatorOf(config.authorization)
    this.broker = this.#makeBroker()
    this.links = new ServerLinks(
      {
        config,
        machine,
        log,
        identity: durable.identity,
        serverName: durable.serverName,
        version: options.version,
        boot: this.boot,
        hasStore: this.store !== undefined,
        payloadBytesMax: this.linkPayloadBytesMax,
        authenticator: this.authenticator,
        authenticatorOf,
        space: (account) => this.space(account),
        nextPeerId: () => this.nextPeerId(),
      },
      options,
    )
  }

  /** Rejects when the store cannot be opened, see `openStore`. */
  static async open(options: ServerCoreOptions): Promise<ServerCore> {
    const { config, role, machine, log, segmentBytes } = options
    const durable = await openDurableParts(config, role, machine, log, segmentBytes)
    const core = new ServerCore(options, durable)
    try {
      options.beforeStreams?.(core)
      await core.#startEngines()
      return core
    } catch (error) {
      await core.destroy()
      throw error
    }
  }

  /**
   * The largest message that crosses a leaf link: a sync batch with one message of `max_payload` fits,
   * whatever its subject, and whatever header a front door has added.
   */
  get linkPayloadBytesMax(): number {
    return this.payloadBytesMax + SUBJECT_BYTES_MAX + ADDED_HEADERS_BYTES_MAX + BATCH_OVERHEAD_BYTES
  }

  /** Petiole's own version. */
  get version(): string {
    return this.#options.version
  }

  get ports(): ServerPorts | undefined {
    return this.#ports
  }

  get uplinks(): readonly Uplink[] {
    return this.links.uplinks
  }

  get acceptor(): LinkAcceptor {
    return this.links.acceptor
  }

  get engines(): ReadonlyMap<string, StreamEngine> {
    return this.#engines
  }

  /** Throws PETIOLE_NO_STORE when JetStream is off: for parts that cannot do without. */
  engine(account: string): StreamEngine {
    const engine = this.#engines.get(account)
    if (engine !== undefined) return engine
    throw new PetioleError(
      'PETIOLE_NO_STORE',
      this.store === undefined
        ? 'this needs a store: add `jetstream { store_dir: "…" }` to the configuration'
        : `there is no account ${account} in the configuration`,
    )
  }

  space(account: string): AccountSpace {
    return this.broker.space(account)
  }

  nextPeerId(): number {
    return ++this.#peerIds
  }

  /** An in-process client of an account; the core closes it. */
  client(account: string): LocalClient {
    const { clock, random } = this.machine
    const client = new LocalClient(this.space(account), this.nextPeerId(), clock, random)
    this.#clients.push(client)
    return client
  }

  /** An uplink to a configured remote; `start` it when the role is ready for what comes over it. */
  uplink(remote: RemoteConfig, rules: Pick<UplinkOptions, 'withhold' | 'acceptsInbound'>): Uplink {
    return this.links.uplink(remote, rules)
  }

  /** Opens all ports and front doors. When one fails the core is destroyed. */
  async listen(): Promise<ServerPorts> {
    try {
      const { config, machine, log, broker, acceptor } = this
      const monitor = createMonitor({
        clock: machine.clock,
        sources: monitorSources(this),
        address: () => this.#ports?.http ?? config.http ?? { host: '', port: 0 },
        basePath: config.http_base_path,
        routes: this.#options.monitorRoutes ?? new Map(),
      })
      const ports = await this.#listeners.open({ config, machine, log, broker, acceptor, monitor })
      for (const door of this.#options.frontDoors) await door.start(this)
      const doors = this.#options.frontDoors.map(({ name, port }) => [name, port] as const)
      this.#ports = { ...ports, frontDoors: Object.fromEntries(doors) }
      return this.#ports
    } catch (error) {
      await this.destroy()
      throw error
    }
  }

  /** Why this server does not do its work, for people; undefined when it does. */
  trouble(): string | undefined {
    const condition = this.store?.condition
    if (condition?.name === 'failed') return `the store has failed: ${condition.error.message}`
    if (condition?.name === 'full') return `the store is full: ${condition.reason}`
    return undefined
  }

  /** Takes nothing more, finishes what is in hand, closes. Idempotent. */
  drain(): Promise<void> {
    this.#ending ??= this.#drain()
    return this.#ending
  }

  /** Closes at once; what was not committed is not. Idempotent. */
  async destroy(): Promise<void> {
    await Promise.all(this.#options.frontDoors.map((door) => door.destroy()))
    await this.#listeners.close()
    await this.links.destroy(STOPPING)
    for (const client of this.#clients) client.destroy()
    this.broker.destroy()
    await Promise.all([...this.#engines.values()].map((engine) => engine.destroy()))
    await this.store?.destroy()
  }

  async #drain(): Promise<void> {
    await this.#listeners.close()
    // Devices first: their last messages still reach buffers, streams and links.
    await Promise.all(this.#options.frontDoors.map((door) => door.drain()))
    await Promise.all(this.#clients.map((client) => client.drain()))
    await this.links.drain(STOPPING)
    // Streams before clients: those who wait for messages are told that the server stops.
    await Promise.all([...this.#engines.values()].map((engine) => engine.drain()))
    await this.broker.drain()
    await this.store?.drain()
  }

  async #startEngines(): Promise<void> {
    const { store, config, machine } = this
    if (store === undefined) return
    for (const { name: account, jetstream } of config.accounts) {
      if (!jetstream) continue
      const engine = new StreamEngine({
        account,
        store,
        port: new SpaceStreamPort(this.space(account), this.nextPeerId()),
        clock: machine.clock,
        random: machine.random,
        log: this.log.child({ part: 'streams', account }),
        domain: config.jetstream.domain,
        serverName: this.serverName,
        serverVersion: SERVER_VERSION,
        limits: { ...UNLIMITED, storageBytesMax: config.jetstream.max_file },
      })
      this.#engines.set(account, engine)
      await engine.start()
    }
  }

  #makeBroker(): Broker {
    const { config, machine, log } = this
    const dependencies = {
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'broker' }),
      authenticator: this.authenticator,
      nextPeerId: () => this.nextPeerId(),
    }
    return new Broker(dependencies, {
      ...BROKER_DEFAULTS,
      serverId: this.identity.id,
      serverName: this.serverName,
      host: config.host,
      port: config.port,
      jetstream: this.store !== undefined,
      domain: this.store === undefined ? '' : config.jetstream.domain,
      connectionsMax: config.max_connections,
      subscriptionsMax: config.max_subscriptions,
      payloadBytesMax: config.max_payload,
      controlLineBytesMax: config.max_control_line,
      pendingBytesMax: config.max_pending,
      pingIntervalMs: config.ping_interval,
      pingsOutMax: config.ping_max,
      authTimeoutMs: config.authorization.timeout,
    })
  }
}

function authenticatorOf(authorization: AuthorizationConfig): Authenticator {
  const { users, token, no_auth_user: noAuthUser } = authorization
  return new UserAuthenticator({
    users,
    ...(token === '' ? {} : { token }),
    ...(noAuthUser === '' ? {} : { noAuthUser }),
  })
}
