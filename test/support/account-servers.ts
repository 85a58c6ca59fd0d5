import { connect, type NatsConnection } from '@nats-io/transport-node'
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
