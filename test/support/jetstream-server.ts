import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { BROKER_DEFAULTS, Broker } from '../../shared/broker/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { SpaceStreamPort } from '../../shared/server/space-stream-port.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'
import { type Listener, SystemNetwork } from '../../shared/transport/index.ts'
import { NatsServerPeer } from './nats-server-peer.ts'
import { connect } from './patience.ts'
import { userDoor } from './user-door.ts'

/** A server with JetStream that official clients connect to, and that can be started again. */
export interface JetStreamServer {
  readonly port: number
  /** Ends it and starts it again on the same store. Clients must connect anew. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Ours, or with `JETSTREAM_PEER=nats-server` the real one, to see that the same assertions hold there. */
export function startJetStreamServer(): Promise<JetStreamServer> {
  return process.env['JETSTREAM_PEER'] === 'nats-server'
    ? RealServer.start()
    : PetioleServer.start()
}

export async function clientOf(server: JetStreamServer): Promise<NatsConnection> {
  return connect({ servers: `127.0.0.1:${server.port}`, reconnect: false })
}

class RealServer implements JetStreamServer {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'petiole-jetstream-'))
  #peer: NatsServerPeer | undefined

  static async start(): Promise<RealServer> {
    const server = new RealServer()
    await server.#start()
    return server
  }

  get port(): number {
    return this.#peer?.port ?? 0
  }

  async restart(): Promise<void> {
    await this.#peer?.stop()
    await this.#start()
  }

  async stop(): Promise<void> {
    await this.#peer?.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    this.#peer = await NatsServerPeer.start(`jetstream { store_dir: "${this.#directory}" }`)
  }
}

class PetioleServer implements JetStreamServer {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'petiole-jetstream-'))
  readonly #clock = new SystemClock()
  readonly #random = new SystemRandom()
  #broker: Broker | undefined
  #engine: StreamEngine | undefined
  #store: Store | undefined
  #listener: Listener | undefined

  static async start(): Promise<PetioleServer> {
    const server = new PetioleServer()
    await server.#start()
    return server
  }

  get port(): number {
    return this.#listener?.port ?? 0
  }

  async restart(): Promise<void> {
    await this.#end()
    await this.#start()
  }

  async stop(): Promise<void> {
    await this.#end()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #start(): Promise<void> {
    const parts = { clock: this.#clock, random: this.#random, log: silentLog }
    const authenticator = userDoor()
    const names = { serverId: 'NJETSTREAM', serverName: 'jetstream-test' }
    const broker = new Broker({ ...parts, authenticator }, { ...BROKER_DEFAULTS, ...names })
    this.#broker = broker
    this.#store = await openStore({ ...parts, disk: new SystemDisk(), directory: this.#directory })
    this.#engine = new StreamEngine({
      ...parts,
      account: '$G',
      store: this.#store,
      port: new SpaceStreamPort(broker.space('$G'), broker.nextPeerId()),
      domain: '',
      serverName: names.serverName,
      limits: UNLIMITED,
    })
    await this.#engine.start()
    const network = new SystemNetwork({ clock: this.#clock, onTrouble: () => {} })
    const where = { protocol: 'tcp', host: '127.0.0.1', port: 0 } as const
    this.#listener = await network.listen(where, (channel) => broker.accept(channel))
  }

  async #end(): Promise<void> {
    await this.#engine?.drain()
    await this.#store?.drain()
    this.#broker?.destroy()
    await this.#listener?.close()
  }
}
