/** A real nats-server and a hub of ours with one configuration, asked the same questions. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { ConfigFiles } from './config-files.ts'
import { NatsServerPeer } from './nats-server-peer.ts'

export class ConfigTwins {
  readonly #peer: NatsServerPeer
  readonly #hub: Hub
  readonly #directory: string
  readonly #clients: NatsConnection[] = []

  private constructor(peer: NatsServerPeer, hub: Hub, directory: string) {
    this.#peer = peer
    this.#hub = hub
    this.#directory = directory
  }

  /** @param config `%DIR%` stands for a folder of each server's own */
  static async start(config: string): Promise<ConfigTwins> {
    const directory = mkdtempSync(path.join(tmpdir(), 'petiole-twins-'))
    const peer = await NatsServerPeer.start(config)
    const files = await ConfigFiles.create()
    const text = config.replaceAll('%DIR%', directory)
    const file = await files.write('hub.conf', `listen: "127.0.0.1:-1"\n${text}`)
    const { config: loaded } = await loadConfig(new SystemDisk(), file, 'hub')
    await files.remove()
    if (loaded.role !== 'hub') throw new Error('not a hub')
    const options = { machine: systemMachine(silentLog), log: silentLog, version: '0.0.0' }
    const hub = await Hub.start({ ...options, frontDoors: [], config: loaded })
    return new ConfigTwins(peer, hub, directory)
  }

  /** One client of each; the password is the user's name. */
  async clients(user: string): Promise<readonly [theirs: NatsConnection, ours: NatsConnection]> {
    const ports = [this.#peer.port, this.#hub.core.ports?.client?.port ?? 0]
    const [theirs, ours] = await Promise.all(
      ports.map((port) =>
        connect({ servers: `127.0.0.1:${port}`, user, pass: user, reconnect: false }),
      ),
    )
    if (theirs === undefined || ours === undefined) throw new Error('two clients')
    this.#clients.push(theirs, ours)
    return [theirs, ours]
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close()
    await this.#hub.drain()
    await this.#peer.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}
