import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { startRole } from '../../index.ts'
import { createAccounts } from '../../shared/account/index.ts'
import { loadConfig } from '../../shared/config/index.ts'
import { describeClients, Imports } from '../../shared/imports/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { BcryptThread, SystemClock, SystemDisk, SystemRandom } from '../../shared/runtime/index.ts'
import { Tracer } from '../../shared/tracing/index.ts'
import { BrokerHarness } from './broker-harness.ts'
import { ConfigFiles } from './config-files.ts'
import { NatsServerPeer } from './nats-server-peer.ts'

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

/** A broker with accounts and imports, from the same file: no more of a server than they need. */
export async function petioleBroker(config: string): Promise<AccountServer> {
  const files = await ConfigFiles.create()
  const file = await files.write('accounts.conf', config)
  const { config: loaded } = await loadConfig(new SystemDisk(), file, 'hub')
  await files.remove()
  const clock = new SystemClock()
  const accounts = await createAccounts(loaded, { clock, passwords: new BcryptThread(clock) })
  const random = new SystemRandom()
  const tracer = new Tracer({
    clock,
    random,
    log: silentLog,
    book: accounts.book,
    nextPeerId: () => 0,
    server: () => ({ name: 'test' }),
    nameOf: ({ id }) => harness.broker.connections.get(id)?.options.name ?? '',
    streamOf: () => '',
  })
  const harness: BrokerHarness = await BrokerHarness.start({
    authenticator: accounts.authenticator,
    dependencies: { accounts: accounts.book, tracer },
  })
  const { broker } = harness
  const imports = new Imports({
    clock,
    random,
    log: silentLog,
    book: accounts.book,
    space: (account) => broker.space(account),
    nextPeerId: broker.nextPeerId,
    place: { server: 'test', cluster: '' },
    describe: describeClients(broker),
  })
  const clients: NatsConnection[] = []
  return {
    name: 'petiole',
    client: async (user, options) => {
      const client = await open(harness.port, user, options)
      clients.push(client)
      return client
    },
    stop: async () => {
      for (const client of clients) await client.close()
      imports.destroy()
      accounts.close()
      await harness.stop()
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
