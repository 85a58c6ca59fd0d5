import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import type { NatsConnection } from '@nats-io/transport-node'
import { startRole } from '../../index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { ConfigFiles } from './config-files.ts'
import { NatsServerPeer } from './nats-server-peer.ts'
import { connect } from './patience.ts'

/** Users of one server, by name; the password is the name. */
export interface AccountServer {
  readonly name: string
  client(user: string, options?: { readonly noEcho?: boolean }): Promise<NatsConnection>
  stop(): Promise<void>
}

export async function natsServer(config: string): Promise<AccountServer> {
  const peer = await NatsServerPeer.start(config)
  return {
    name: 'nats-server',
    client: (user, options) => open(peer.port, user, options),
    stop: () => peer.stop(),
  }
}

/** The whole hub, from the same file. */
export async function petioleHub(config: string): Promise<AccountServer> {
  const files = await ConfigFiles.create()
  const directory = mkdtempSync(path.join(tmpdir(), 'petiole-accounts-'))
  const text = config.replaceAll('%DIR%', directory)
  const file = await files.write('accounts.conf', `listen: "127.0.0.1:-1"\n${text}`)
  const { config: loaded } = await loadConfig(new SystemDisk(), file, 'hub')
  await files.remove()
  const running = await startRole(loaded)
  const clients: NatsConnection[] = []
  return {
    name: 'petiole',
    client: async (user, options) => {
      const client = await open(running.ports.client?.port ?? 0, user, options)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) await client.close()
      await running.drain()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

function open(
  port: number,
  user: string,
  options: { readonly noEcho?: boolean } = {},
): Promise<NatsConnection> {
  return connect({
    servers: `127.0.0.1:${port}`,
    user,
    pass: user,
    name: `client-${user}`,
    reconnect: false,
    ...options,
  })
}
