import type { Accounts, Authenticator } from '../account/index.ts'
import { type AccountSpace, Broker, type BrokerOptions, type Seats } from '../broker/index.ts'
import { LocalClient } from '../client/index.ts'
import type { CoreConfig, RemoteConfig } from '../config/index.ts'
import { describeClients, Imports, type ServerPlace } from '../imports/index.ts'
import type { LinkAcceptor, ServerIdentity, Uplink } from '../link/index.ts'
import type { Log } from '../log/index.ts'
import type { Store } from '../store/index.ts'
import type { StreamEngine } from '../stream/index.ts'
import { BATCH_OVERHEAD_BYTES, SUBJECT_BYTES_MAX } from '../sync/index.ts'
import { AccountEngines } from './account-engines.ts'
import { brokerSettings, clusterNameOf } from './broker-settings.ts'
import { checkServerConfig } from './config-check.ts'
import type { Core, FrontDoor, Machine } from './core.ts'
import { type DurableParts, openDurableParts, troubleOf } from './durable-parts.ts'
import { FrontDoors } from './front-doors.ts'
import { GoneAccounts } from './gone-accounts.ts'
import { ADDED_HEADERS_BYTES_MAX } from './limits.ts'
import { Listeners, type ServerPorts } from './listeners.ts'
import { OwnClients } from './own-clients.ts'
import { type PreparedReload, prepareReload } from './prepared-reload.ts'
import { describeRequesters } from './requesters.ts'
import { activationOf, openServerAccounts } from './server-accounts.ts'
import type { ServerCoreOptions } from './server-core-options.ts'
import { ServerLinks, type UplinkRules } from './server-links.ts'
import { closeUnpinned, ServerTls } from './server-tls.ts'
import { brokerObserver, type SystemParts, systemParts, toldOfLeaves } from './system-parts.ts'
import { serverTracer } from './trace-parts.ts'

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
  readonly accounts: Accounts
  readonly tls: ServerTls
  readonly identity: ServerIdentity
  readonly serverName: string
  readonly store: Store | undefined
  readonly broker: Broker
  readonly links: ServerLinks
  readonly imports: Imports
  readonly payloadBytesMax: number
  readonly boot: string
  readonly startedMs: number
  readonly limitsOf: Core['limitsOf'] = (account) => this.broker.limitsOf(account)
  #config: CoreConfig
  readonly #options: ServerCoreOptions
  readonly engines: ReadonlyMap<string, StreamEngine>
  /** What streams refused for want of room, since the start. */
  readonly refused: { readonly messageIds: number }
  readonly #engines: AccountEngines
  readonly #clients: OwnClients
  readonly #gone: GoneAccounts
  readonly #listeners = new Listeners()
  readonly #doors: FrontDoors
  #ports: ServerPorts | undefined
  #system: SystemParts | undefined
  readonly #lameDuckListeners: (() => void)[] = []
  #ending: Promise<void> | undefined
  #configLoadedMs: number
  #peerIds = 0

  private constructor(options: ServerCoreOptions, opened: Opened) {
    const { durable, accounts, tls } = opened
    const { config, machine, log } = options
    this.#options = options
    this.#doors = new FrontDoors(options.frontDoors)
    this.machine = machine
    this.log = log
    this.#config = config
    this.#configLoadedMs = machine.clock.wallMs()
    this.accounts = accounts
    this.tls = tls
    this.identity = durable.identity
    this.serverName = durable.serverName
    this.store = durable.store
    this.payloadBytesMax = config.max_payload
    this.startedMs = machine.clock.wallMs()
    this.boot = Buffer.from(machine.random.bytes(BOOT_BYTES)).toString('hex')
    this.broker = this.#makeBroker()
    const { clock, random } = machine
    this.#clients = new OwnClients(
      (account) => new LocalClient(this.space(account), this.nextPeerId(), clock, random),
    )
    this.#engines = new AccountEngines({
      machine,
      log,
      serverName: durable.serverName,
      store: durable.store,
      book: accounts.book,
      space: (account) => this.space(account),
      nextPeerId: () => this.nextPeerId(),
      jetstream: () => this.#config.jetstream,
      purgeOthers: (account) => this.#doors.purge(account),
      describeRequester: describeRequesters(describeClients(this.broker), this.#place),
    })
    this.engines = this.#engines.all
    this.refused = this.#engines.refused
    this.imports = this.#makeImports()
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
        authenticator: accounts.at('leafnode'),
        tracer: this.broker.tracer,
        leavesMaxOf: (account) => accounts.book.get(account)?.config.limits.max_leafnodes ?? -1,
        space: (account) => this.space(account),
        nextPeerId: () => this.nextPeerId(),
      },
      toldOfLeaves(options, () => this.#system?.services),
    )
    accounts.book.onChange((after, before) => {
      this.#recheckOthers(after?.name ?? before?.name)
      if (after === undefined && before !== undefined) this.#clients.askNoMore(before.name)
    })
    const { broker, links } = this
    const [clients, engines] = [this.#clients, this.engines]
    this.#gone = new GoneAccounts({ clock, book: accounts.book, broker, links, clients, engines })
  }

  /** Rejects when the store cannot be opened, see `openStore`. */
  static async open(options: ServerCoreOptions): Promise<ServerCore> {
    const { config, role, machine, log } = options
    checkServerConfig(config)
    const tls = new ServerTls(config)
    const durable = await openDurableParts(config, role, machine, log, options)
    let core: ServerCore | undefined
    const { identity, serverName } = durable
    const parts = { config, machine, log, identity, serverName, core: () => core }
    const accounts = await openServerAccounts(parts).catch(async (error: unknown) => {
      await durable.store?.destroy()
      throw error
    })
    core = new ServerCore(options, { durable, accounts, tls })
    try {
      options.beforeStreams?.(core)
      await core.#engines.start(config)
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

  /** As it stands after the last reload. */
  get config(): CoreConfig {
    return this.#config
  }

  /** Wall time of the start, or of the last reload. */
  get configLoadedMs(): number {
    return this.#configLoadedMs
  }

  get authenticator(): Authenticator {
    return this.accounts.authenticator
  }

  get frontDoors(): readonly FrontDoor[] {
    return this.#doors.all
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

  /** Throws PETIOLE_NO_STORE when the account has no streams: for parts that cannot do without. */
  engine(account: string): StreamEngine {
    return this.#engines.of(account)
  }

  /** See `AccountEngines.settled`. */
  settledEngine(account: string): Promise<StreamEngine | undefined> {
    return this.#engines.settled(account)
  }

  space(account: string): AccountSpace {
    return this.broker.space(account)
  }

  get seats(): Seats {
    return this.broker
  }

  nextPeerId(): number {
    return ++this.#peerIds
  }

  /** An in-process client of an account; the core closes it. */
  client(account: string): LocalClient {
    return this.#clients.open(account)
  }

  /** A client for the server's own questions in an account: one for all of them. */
  asking(account: string): LocalClient {
    return this.#clients.asking(account)
  }

  /** An uplink to a configured remote; `start` it when the role is ready for what comes over it. */
  uplink(remote: RemoteConfig, rules: UplinkRules): Uplink {
    return this.links.uplink(remote, rules)
  }

  /** Opens all ports and front doors. When one fails the core is destroyed. */
  async listen(): Promise<ServerPorts> {
    try {
      const { config, machine, log, broker, acceptor } = this
      const { monitor, services } = this.#makeSystem()
      const { tls, accounts, frontDoors } = this
      const parts = { config, machine, log, tls, accounts, broker, acceptor, frontDoors, monitor }
      this.#ports = await this.#doors.open(this, () => this.#listeners.open(parts))
      services.start()
      return this.#ports
    } catch (error) {
      await this.destroy()
      throw error
    }
  }

  /** Why this server does not do its work, for people; undefined when it does. */
  trouble(): string | undefined {
    return troubleOf(this.store)
  }

  /**
   * Tries all of another configuration, as far as `compareConfigs` takes one, that may fail: certificates,
   * operators, resolvers, streams. Rejects with what cannot be used, and everything is as it was.
   */
  prepareReload(config: CoreConfig): Promise<PreparedReload> {
    const { tls, links, accounts, frontDoors } = this
    const parts = { tls, links, accounts, frontDoors, engines: this.#engines }
    return prepareReload(config, { ...parts, goOn: () => this.#goOnWith(config) })
  }

  #goOnWith(config: CoreConfig): void {
    this.#config = config
    this.#configLoadedMs = this.machine.clock.wallMs()
    this.broker.reconfigure(this.#brokerSettings())
    this.broker.recheck()
    // Users come and go without their accounts changing.
    this.#recheckOthers()
    closeUnpinned(this)
    this.#doors.reload(config)
    this.store?.limit(config.jetstream.max_file)
  }

  /** Takes no new clients; those that are here stay. */
  async stopAccepting(): Promise<void> {
    this.#system?.services.lameDuck()
    for (const listener of this.#lameDuckListeners) listener()
    await this.#listeners.closeClients()
  }

  /** Tells of the lame duck mode before clients are told. */
  onLameDuck(listener: () => void): void {
    this.#lameDuckListeners.push(listener)
  }

  /** Takes nothing more, finishes what is in hand, closes. Idempotent. */
  drain(): Promise<void> {
    this.#ending ??= this.#drain()
    return this.#ending
  }

  /** Closes at once; what was not committed is not. Idempotent. */
  async destroy(): Promise<void> {
    this.#gone.stop()
    await this.#system?.services.destroy()
    this.imports.destroy()
    await this.#doors.destroy()
    await this.#listeners.close()
    await this.links.destroy(STOPPING)
    this.#clients.destroy()
    this.broker.destroy()
    await this.#engines.destroy()
    await this.store?.destroy()
    this.accounts.close()
  }

  async #drain(): Promise<void> {
    this.#gone.stop()
    await this.#system?.services.drain()
    await this.#listeners.close()
    // Devices first: their last messages still reach buffers, streams and links.
    await this.#doors.drain()
    await this.#clients.drain()
    await this.links.drain(STOPPING)
    // Streams before clients: those who wait for messages are told that the server stops.
    await this.#engines.drain()
    await this.broker.drain()
    this.imports.destroy()
    await this.store?.drain()
    this.accounts.close()
  }

  /** Of one account, or of all; the broker looks after its own clients. */
  #recheckOthers(account?: string): void {
    this.acceptor.recheck(account)
    this.#doors.recheck(account)
  }

  #makeSystem(): SystemParts {
    const { monitorRoutes = new Map(), metrics = [], peers, blocked, reload } = this.#options
    this.#system = systemParts(this, {
      routes: monitorRoutes,
      metrics,
      ...(peers === undefined ? {} : { peers }),
      ...(blocked === undefined ? {} : { blocked }),
      ...(reload === undefined ? {} : { reload }),
    })
    return this.#system
  }

  get #place(): ServerPlace {
    return { server: this.serverName, cluster: clusterNameOf(this.config) }
  }

  /** Between the accounts of this server; in place before the first subscription. */
  #makeImports(): Imports {
    const { machine, log, accounts, broker } = this
    return new Imports({
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'imports' }),
      book: accounts.book,
      space: (account) => this.space(account),
      nextPeerId: () => this.nextPeerId(),
      place: this.#place,
      describe: describeClients(broker),
      activatedUntil: activationOf(accounts, machine),
    })
  }

  #makeBroker(): Broker {
    const { machine, log, accounts } = this
    const dependencies = {
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'broker' }),
      authenticator: accounts.at('client'),
      accounts: accounts.book,
      observer: brokerObserver(this, () => this.#system?.services),
      tracer: serverTracer(this),
      nextPeerId: () => this.nextPeerId(),
    }
    return new Broker(dependencies, this.#brokerSettings())
  }

  #brokerSettings(): BrokerOptions {
    return brokerSettings(this.config, {
      serverId: this.identity.id,
      serverName: this.serverName,
      hasStore: this.store !== undefined,
      xkey: this.accounts.xkey,
    })
  }
}

/** What is read and checked before a server exists. */
interface Opened {
  readonly durable: DurableParts
  readonly accounts: Accounts
  readonly tls: ServerTls
}
