import assert from 'node:assert/strict'
import { encodeGeneric } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import { jwtAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { Hub } from '../../hub/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { type Cancel, SystemClock } from '../../shared/runtime/index.ts'
import { systemMachine } from '../../shared/server/index.ts'
import { GONE_ACCOUNTS_LOOK_MS } from '../../shared/server/limits.ts'
import { freePort } from '../support/free-ports.ts'
import { OperatorHub } from '../support/operator-hub.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'
import { createAccount, inSeconds, UNLIMITED } from '../unit/account/jwt-world.ts'

const ACCOUNTS = 25

/** Looks for what is left of accounts all the time. */
class ImpatientClock extends SystemClock {
  override after(delayMs: number, fn: () => void): Cancel {
    return super.after(delayMs === GONE_ACCOUNTS_LOOK_MS ? 20 : delayMs, fn)
  }
}

/** An operator may make and delete accounts without end: a server is not to grow by that. */
describe('accounts that come and go', () => {
  const files = new OperatorHub()
  const { world } = files
  const hubs: Hub[] = []
  const clients: NatsConnection[] = []

  async function start(region: string, gateways: string): Promise<Hub> {
    const config = await files.config({
      operator: await world.operatorJwt(),
      resolver: 'full',
      more: `leafnodes { listen: "127.0.0.1:-1" }
jetstream { store_dir: "${files.directory}/${region}" }
gateway { name: ${region}, ${gateways} }`,
    })
    const { operator } = config
    assert.ok(operator?.resolver.type === 'full')
    const resolver = { ...operator.resolver, dir: `${files.directory}/jwt-${region}` }
    const machine = { ...systemMachine(silentLog), clock: new ImpatientClock() }
    const options = { machine, log: silentLog, version: '0', frontDoors: [] }
    const hub = await Hub.start({
      ...options,
      config: { ...config, server_name: region, operator: { ...operator, resolver } },
    })
    hubs.push(hub)
    return hub
  }

  before(async () => {
    const port = await freePort()
    await start('eu', `listen: "127.0.0.1:${port}"`)
    const gateways = `gateways: [ { name: eu, url: "nats://127.0.0.1:${port}" } ]`
    await start('us', `listen: "127.0.0.1:-1", ${gateways}`)
  })

  after(async () => {
    for (const client of clients) await client.close()
    for (const hub of hubs) await hub.destroy()
    await files.stop()
  })

  async function client(hub: Hub, account: KeyPair): Promise<NatsConnection> {
    const jwt = await world.userJwt({}, { issuer: account })
    const connected = await connect({
      servers: `127.0.0.1:${hub.ports?.client.port}`,
      authenticator: jwtAuthenticator(jwt, world.user.getSeed()),
      reconnect: false,
    })
    clients.push(connected)
    return connected
  }

  async function push(account: KeyPair): Promise<void> {
    const limits = { ...UNLIMITED, mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 }
    const jwt = await world.accountJwt({ limits }, { account })
    for (const hub of hubs) await hub.core.accounts.claims?.update(jwt)
  }

  async function remove(account: KeyPair): Promise<void> {
    const accounts = { accounts: [account.getPublicKey()] }
    const times = { exp: inSeconds(60) }
    const request = await encodeGeneric('delete', world.operator, 'generic', accounts, times)
    for (const { core } of hubs) {
      const answer = await core.accounts.claims?.delete(request)
      assert.ok(answer !== undefined && 'data' in answer, JSON.stringify(answer))
    }
  }

  /** A client here hears one there, in an account that is deleted under both of them. */
  async function live(account: KeyPair): Promise<void> {
    const [eu, us] = hubs as [Hub, Hub]
    await push(account)
    const [listener, asker] = [await client(eu, account), await client(us, account)]
    listener.subscribe('question', { callback: (_error, message) => void message.respond('yes') })
    await listener.flush()
    await reached(asker)
    await remove(account)
    await Promise.all([listener.closed(), asker.closed()])
  }

  async function reached(asker: NatsConnection): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS
    for (;;) {
      try {
        assert.equal((await asker.request('question', '', { timeout: 2_000 })).string(), 'yes')
        return
      } catch (error) {
        if (performance.now() > endMs) throw error
      }
    }
  }

  /** What is kept by account, and how much of it. */
  async function kept(hub: Hub, ids: readonly string[]): Promise<string[]> {
    const { core } = hub
    const answer = await fetch(`http://127.0.0.1:${hub.ports?.http?.port}/gatewayz?accs=1`)
    const report = await answer.text()
    return ids.filter(
      (id) =>
        core.broker.spaces.has(id) ||
        core.engines.has(id) ||
        core.broker.accountTotals(id).connectionsEver > 0 ||
        report.includes(id),
    )
  }

  async function until(what: string, fact: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + DEADLINE_MS
    while (!(await fact())) assert.ok(performance.now() < endMs, what)
  }

  it('leave nothing behind, at any hub, and are new when they return', async () => {
    const accounts = Array.from({ length: ACCOUNTS }, () => createAccount())
    const ids = accounts.map((account) => account.getPublicKey())
    for (const account of accounts) await live(account)
    for (const hub of hubs) {
      await until('accounts are left', async () => (await kept(hub, ids)).length === 0)
    }
    const [first] = accounts
    if (first !== undefined) await live(first)
  })

  it('stay as long as somebody is in them, or asks for something', async () => {
    const [eu] = hubs as [Hub, Hub]
    const account = createAccount()
    const id = account.getPublicKey()
    const inside = eu.core.client(id)
    await push(account)
    await remove(account)
    const other = createAccount()
    await live(other)
    await until('the other', async () => (await kept(eu, [other.getPublicKey()])).length === 0)
    assert.equal(eu.core.broker.spaces.has(id), true)
    inside.destroy()
    await until('the account', async () => (await kept(eu, [id])).length === 0)
  })
})
