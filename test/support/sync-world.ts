import { Fleet, FleetDesk, Registry } from '../../hub/fleet/index.ts'
import { CommitRoom, Ingest } from '../../hub/ingest/index.ts'
import { Buffers } from '../../leaf/buffers/index.ts'
import { FleetReporter, type LeafIdentity, Outbox } from '../../leaf/outbox/index.ts'
import { AccountSpace } from '../../shared/broker/index.ts'
import { LocalClient } from '../../shared/client/index.ts'
import type { BufferConfig } from '../../shared/config/index.ts'
import { type Log, silentLog } from '../../shared/log/index.ts'
import type { Clock, Disk, Random } from '../../shared/runtime/index.ts'
import { SpaceStreamPort } from '../../shared/server/space-stream-port.ts'
import { openStore, type Store, type StoreOptions } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'

/** The machine of one node of a sync test. */
export interface SyncMachine {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly directory: string
  readonly log?: Log
  readonly store?: Partial<StoreOptions>
}

export const PAYLOAD_BYTES_MAX = 1024 * 1024

/** A router, a store and streams: what leaf and hub share. */
export class SyncCore {
  readonly space: AccountSpace
  readonly client: LocalClient
  readonly store: Store
  readonly engine: StreamEngine
  readonly machine: SyncMachine

  constructor(machine: SyncMachine, store: Store, name: string) {
    const { clock, random } = machine
    this.machine = machine
    this.store = store
    this.space = new AccountSpace(random, '$G')
    this.client = new LocalClient(this.space, 1, clock, random)
    this.engine = new StreamEngine({
      account: '$G',
      store,
      port: new SpaceStreamPort(this.space, 2),
      clock,
      random,
      log: machine.log ?? silentLog,
      domain: name,
      serverName: name,
      limits: UNLIMITED,
    })
  }

  static open(machine: SyncMachine): Promise<Store> {
    const { clock, random, disk, directory, log = silentLog, store } = machine
    return openStore({ clock, random, disk, directory, log, ...store })
  }
}

export interface SyncLeafOptions {
  readonly machine: SyncMachine
  readonly identity: LeafIdentity
  readonly buffers: readonly BufferConfig[]
  readonly payloadBytesMax?: number
}

export class SyncLeaf {
  readonly core: SyncCore
  readonly buffers: Buffers
  readonly outbox: Outbox
  readonly reporter: FleetReporter
  readonly hubTimes: number[] = []

  private constructor(options: SyncLeafOptions, store: Store) {
    const { machine, identity } = options
    const { clock, random, log = silentLog } = machine
    this.core = new SyncCore(machine, store, identity.name)
    const { client, engine, space } = this.core
    const { payloadBytesMax = PAYLOAD_BYTES_MAX } = options
    this.buffers = new Buffers(
      { configs: options.buffers, payloadBytesMax },
      { engine, store, space, peerId: 3, clock, random, log },
    )
    const { buffers } = this
    this.outbox = new Outbox(identity, {
      client,
      store,
      buffers,
      clock,
      random,
      log,
      onHubTime: (wallMs) => this.hubTimes.push(wallMs),
    })
    const { outbox } = this
    this.reporter = new FleetReporter(identity, { client, outbox, buffers, store, clock, log })
  }

  static async start(options: SyncLeafOptions): Promise<SyncLeaf> {
    const leaf = new SyncLeaf(options, await SyncCore.open(options.machine))
    await leaf.core.engine.start()
    await leaf.buffers.start()
    leaf.outbox.start()
    leaf.reporter.start()
    return leaf
  }

  async drain(): Promise<void> {
    await this.reporter.drain()
    await this.outbox.drain()
    await this.buffers.drain()
    this.core.client.destroy()
    await this.core.engine.drain()
    await this.core.store.drain()
  }

  async destroy(): Promise<void> {
    this.core.client.destroy()
    await Promise.all([this.reporter.destroy(), this.outbox.destroy(), this.buffers.destroy()])
    await this.core.engine.destroy()
    await this.core.store.destroy()
  }
}

export interface SyncHubOptions {
  readonly machine: SyncMachine
  readonly home: string
  readonly payloadBytesMax?: number
  /** By stream name. */
  readonly streams: Readonly<Record<string, readonly string[]>>
}

export class SyncHub {
  readonly core: SyncCore
  readonly registry: Registry
  readonly ingest: Ingest
  readonly fleet: Fleet
  readonly desk: FleetDesk

  private constructor(options: SyncHubOptions, store: Store) {
    const { clock, log = silentLog } = options.machine
    this.core = new SyncCore(options.machine, store, options.home)
    const { client, engine } = this.core
    this.registry = new Registry(store.marks, clock)
    const { home, payloadBytesMax = PAYLOAD_BYTES_MAX } = options
    this.ingest = new Ingest(
      { home, payloadBytesMax, streamsKey: 'fleet.streams' },
      {
        ...{ client, store, marks: store.marks, streams: engine, room: new CommitRoom() },
        ...{ admission: this.registry, clock, log },
      },
    )
    const { registry, ingest } = this
    this.fleet = new Fleet({ client, registry, ledger: ingest, clock, log })
    const answers = {
      status: () => this.fleet.freshStatus(),
      release: (name: string) => this.fleet.release(name),
    }
    this.desk = new FleetDesk({ client, log, answers, isForAll: false })
  }

  static async start(options: SyncHubOptions): Promise<SyncHub> {
    const hub = new SyncHub(options, await SyncCore.open(options.machine))
    await hub.core.engine.start()
    for (const [name, subjects] of Object.entries(options.streams)) {
      await hub.core.engine.ensure({ name, subjects: [...subjects] })
    }
    hub.ingest.start()
    hub.fleet.start()
    hub.desk.start()
    return hub
  }

  async destroy(): Promise<void> {
    this.core.client.destroy()
    this.fleet.close()
    await Promise.all([this.desk.destroy(), this.ingest.destroy()])
    await this.core.engine.destroy()
    await this.core.store.destroy()
  }

  async drain(): Promise<void> {
    this.fleet.close()
    await Promise.all([this.desk.drain(), this.ingest.drain()])
    this.core.client.destroy()
    await this.core.engine.drain()
    await this.core.store.drain()
  }
}

export function bufferConfig(name: string, subjects: readonly string[], more = {}): BufferConfig {
  return {
    name,
    subjects,
    max_bytes: 0,
    max_age: 0,
    max_msgs: 0,
    priority: 5,
    share: 0,
    discard: 'old',
    order: 'fifo',
    ...more,
  }
}

export function leafIdentity(name: string, boot = 'boot-1'): LeafIdentity {
  return { name, id: `id-of-${name}`, boot, version: '0.1.0', region: 'test' }
}
