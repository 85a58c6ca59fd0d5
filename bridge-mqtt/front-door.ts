import { current } from '../shared/account/index.ts'
import { closeOneByOne, type LameDuckOptions } from '../shared/broker/index.ts'
import type { CoreConfig, MqttConfig } from '../shared/config/index.ts'
import type { Log } from '../shared/log/index.ts'
import type { ConnectionFacts, Metric } from '../shared/monitor/index.ts'
import { wait } from '../shared/runtime/index.ts'
import type { Core, DoorTraffic, FrontDoor } from '../shared/server/index.ts'
import type { Channel, Listener } from '../shared/transport/index.ts'
import { Clients } from './clients.ts'
import { MqttCounters } from './counters.ts'
import { DoorOperations } from './door-operations.ts'
import { DurableLogs } from './durable/index.ts'
import { limitsOf, type MqttLimits, PACKET_OVERHEAD_BYTES, STRANGERS_MAX } from './limits.ts'
import { mqttMetrics } from './mqtt-metrics.ts'
import { Notices } from './notices.ts'
import { RetainedStores } from './retained/index.ts'
import {
  type ClientConnection,
  Connection,
  ENDING,
  KeptMessages,
  leavingEnding,
  type MqttContext,
  Scratch,
  sessionLimits,
  WillOwners,
} from './session/index.ts'
import { Tallies } from './tallies.ts'
import { Translator } from './translator.ts'

/**
 * The MQTT listener. Clients of MQTT 3.1, 3.1.1 and 5 publish into and subscribe from the subject space of
 * their account; a PUBACK or PUBREC means that whoever stores the subject has it on disk. Sessions that
 * outlive their connections, and retained messages, are in the server's store.
 */
export class MqttFrontDoor implements FrontDoor {
  readonly name = 'mqtt'
  readonly counters = new MqttCounters()
  #config: MqttConfig
  #limits: MqttLimits
  readonly #givenLimits: Partial<MqttLimits>
  readonly #connections = new Set<ClientConnection>()
  #listener: Listener | undefined
  #core: Core | undefined
  #context: MqttContext | undefined
  #clients: Clients | undefined
  #logs: DurableLogs | undefined
  #retained: RetainedStores | undefined
  #log: Log | undefined
  #operations: DoorOperations | undefined
  #isLeaving = false
  #ending: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(config: MqttConfig, limits: Partial<MqttLimits> = {}) {
    this.#config = config
    this.#givenLimits = limits
    this.#limits = { ...limitsOf(config), ...limits }
  }

  /** The clients that are connected, for monitoring. */
  *connections(): Generator<ConnectionFacts> {
    for (const { facts } of this.#connections) {
      if (facts !== undefined) yield facts
    }
  }

  get traffic(): DoorTraffic {
    const { clients, clientsTotal, ...sums } = this.counters
    return {
      connections: clients,
      connectionsEver: clientsTotal,
      inMessages: sums.receivedMessages,
      inBytes: sums.receivedBytes,
      outMessages: sums.sentMessages,
      outBytes: sums.sentBytes,
    }
  }

  readonly metrics = (): readonly Metric[] =>
    this.#operations === undefined ? [] : mqttMetrics(this.counters, this.#operations.totals())

  readonly report = (): object => this.#operations?.report() ?? {}

  /** The port that is listened on; 0 before `start`. */
  get port(): number {
    return this.#listener?.port ?? 0
  }

  /** Brings back the sessions that outlive their connections. Once; `start` does it where nobody has. */
  async open(core: Core): Promise<void> {
    this.#core = core
    const log = core.log.child({ door: this.name })
    this.#log = log
    const context = this.#makeContext(core, log)
    this.#context = context
    const { machine, store } = core
    const { sessionsMax, backlogBytesMax: logBytesMax } = this.#limits
    const { retainedMax: messagesMax, retainedBytesMax: bytesMax } = this.#limits
    this.#retained = await RetainedStores.open({
      store,
      clock: machine.clock,
      limits: { messagesMax, bytesMax },
    })
    this.#logs = await DurableLogs.open({
      store,
      clock: machine.clock,
      random: machine.random,
      log,
      limits: { sessionsMax, logBytesMax },
      space: (account) => core.space(account),
      nextPeerId: () => core.nextPeerId(),
      publishWill: (account, clientId, will) => {
        context.willOwners.publish(context, core.space(account), { clientId, will })
      },
    })
  }

  /** Rejects with PETIOLE_PORT_TAKEN or PETIOLE_LISTEN_FAILED. */
  async start(core: Core): Promise<void> {
    if (this.#core === undefined) await this.open(core)
    const { host, port } = this.#config.listen
    const settings = core.tls.of('mqtt')
    const tls = settings && { settings, allowPlain: false }
    const options = { protocol: 'tcp', host, port, tls } as const
    this.#listener = await core.machine.network.listen(options, (channel) => this.accept(channel))
    const at = `${this.#listener.host}:${this.#listener.port}`
    this.#operations?.start()
    this.#log?.info(
      {},
      `Listening for MQTT clients on ${tls === undefined ? 'mqtt' : 'tls'}://${at}`,
    )
  }

  /** A TCP connection, or a WebSocket on the path `/mqtt`. */
  accept(channel: Channel): void {
    const context = this.#context
    if (context === undefined || this.#log === undefined || this.#isLeaving) {
      channel.destroy()
      return
    }
    if (this.#connections.size >= this.#limits.clientsMax + STRANGERS_MAX) {
      context.notices.warn({ remote: channel.remoteAddress }, 'too many connections: closing')
      channel.destroy()
      return
    }
    const connection = new Connection(context, channel, this.#log)
    this.#connections.add(connection)
    this.counters.connections = this.#connections.size
    connection.start()
  }

  /** After accounts have changed: ends the connections of users who may stay no longer. */
  recheck(account?: string): void {
    for (const connection of this.#connections) connection.recheck(account)
  }

  /** Ends the account's connections, which hold what is removed, and then forgets all that was kept for it. */
  async purge(account: string): Promise<void> {
    for (const client of [...(this.#clients?.connected(account) ?? [])]) client.end(ENDING.purged)
    await this.#logs?.purge(account)
    await this.#retained?.purge(account)
  }

  /** Clients that come from now on get its limits; those whose certificate is pinned no longer go. */
  reload({ mqtt }: CoreConfig): void {
    if (mqtt !== undefined) {
      this.#config = mqtt
      this.#limits = { ...limitsOf(mqtt), ...this.#givenLimits }
      this.#operations?.reconfigure()
      if (this.#context !== undefined && this.#core !== undefined) {
        Object.assign(this.#context, contextLimits(this.#limits, this.#core))
      }
    }
    const { tls } = this.#core ?? {}
    for (const connection of this.#connections) {
      const { kind, tls: facts } = connection.channel
      const listener = tls?.of(kind === 'websocket' ? 'websocket' : 'mqtt')
      if (listener?.isUnpinned(facts) === true) connection.end(ENDING.unpinned)
    }
  }

  /** Clients are told where else to go, if the configuration says so [MQTT-4.11.0-1]. */
  async leave(options: LameDuckOptions): Promise<void> {
    if (this.#core === undefined || this.#ending !== undefined) return
    const ending = leavingEnding(this.#limits.serverReference)
    this.#isLeaving = true
    const closed = this.#listener?.close()
    const { clock, random } = this.#core.machine
    const clients = [...this.#connections].map((connection) => ({
      end: () => {
        connection
          .settle()
          .then(() => connection.end(ending))
          .catch((err: unknown) => this.#log?.error({ err }, 'client could not be sent away'))
      },
    }))
    await closeOneByOne(clients, options, clock, random)
    await closed
  }

  /** Acknowledges what is being stored, publishes wills, closes. Idempotent. */
  drain(): Promise<void> {
    this.#isLeaving = true
    this.#ending ??= this.#drain()
    return this.#ending
  }

  /** Closes at once: wills are not published, what is not acknowledged stays so. Idempotent. */
  async destroy(): Promise<void> {
    this.#operations?.stop()
    const closed = this.#listener?.close()
    // First: what happens to sessions from here on is found out after the next start.
    this.#logs?.destroy()
    this.#retained?.close()
    for (const connection of this.#connections) connection.destroy()
    await closed
  }

  async #drain(): Promise<void> {
    this.#operations?.stop()
    const closed = this.#listener?.close()
    if (this.#core !== undefined) {
      const deadline = new AbortController()
      const timeout = wait(this.#core.machine.clock, this.#limits.drainMs, deadline.signal)
      // Wills first, so that those who watch for them are still there.
      const settled = [...this.#connections].map((connection) => connection.settle())
      await Promise.race([Promise.all(settled), timeout])
      const emptied = this.#whenEmpty()
      for (const connection of this.#connections) connection.end(ENDING.shutDown)
      await Promise.race([emptied, timeout])
      deadline.abort()
    }
    for (const connection of this.#connections) connection.destroy()
    await this.#logs?.close()
    this.#retained?.close()
    await closed
  }

  #whenEmpty(): Promise<void> {
    return new Promise((resolve) => {
      this.#emptied = resolve
      if (this.#connections.size === 0) resolve()
    })
  }

  #closed(client: ClientConnection): void {
    this.#connections.delete(client)
    this.counters.connections = this.#connections.size
    if (this.#connections.size === 0) this.#emptied?.()
  }

  #makeContext(core: Core, log: Log): MqttContext {
    const notices = new Notices(core.machine.clock, log)
    const limits = (): MqttLimits => this.#limits
    const logs = (): DurableLogs | undefined => (core.store === undefined ? undefined : this.#logs)
    const tallies = new Tallies()
    const clients = new Clients(core, {
      get limits() {
        return limits()
      },
      counters: this.counters,
      notices,
      get logs() {
        return logs()
      },
      tallies,
    })
    this.#clients = clients
    const { clock } = core.machine
    const { counters } = this
    const translator = new Translator()
    const operations = new DoorOperations({
      ...{ core, log, clients, tallies, counters, translator, limits },
      kept: () => ({ logs: logs(), retained: this.#retained }),
    })
    this.#operations = operations
    const { packetBytesMax, ackPendingMax } = contextLimits(this.#limits, core)
    return {
      clock,
      limits: this.#limits,
      packetBytesMax,
      ackPendingMax,
      counters: this.counters,
      notices,
      translator,
      scratch: new Scratch(),
      kept: new KeptMessages({
        counters,
        bytesMax: () => limits().queuedTotalBytesMax,
        filled: (bytes) =>
          notices.warn({ bytes }, 'slow clients: what waits for them is dropped, newest first'),
      }),
      willOwners: new WillOwners(),
      store: core.store,
      retainedOf: (account) =>
        limits().retainedMax === 0 ? undefined : this.#retained?.of(account),
      replaySource: (account) => operations.replaySource(account),
      payloadBytesMax: core.payloadBytesMax,
      nextPeerId: () => core.nextPeerId(),
      authenticate: (packet, channel) => clients.authenticate(packet, channel),
      enhanced: (packet, channel) => clients.enhanced(packet, channel),
      current: (identity) => current(core.authenticator, identity),
      admit: (applicant, client) => clients.admit(applicant, client),
      recheck: (identity) =>
        core.authenticator.recheck(identity) ?? core.authenticator.renewed?.(identity),
      limitsOf: (identity) => {
        const filtersMax = this.#limits.filtersPerClientMax
        const server = { payloadBytesMax: core.payloadBytesMax, filtersMax }
        return sessionLimits(server, core.limitsOf(identity.account), identity)
      },
      left: (client, moved) => clients.left(client, moved),
      closed: (client) => this.#closed(client),
    }
  }
}

/** What of the context a reload changes. No getters: an object that has some is slow to read, and each packet reads it. */
function contextLimits(
  limits: MqttLimits,
  { payloadBytesMax }: Core,
): Pick<MqttContext, 'limits' | 'packetBytesMax' | 'ackPendingMax'> {
  const { ackPendingMax } = limits
  const packetBytesMax = limits.packetBytesMax || payloadBytesMax + PACKET_OVERHEAD_BYTES
  return { limits, packetBytesMax, ackPendingMax }
}
