import assert from 'node:assert/strict'
import type { ConnectionFacts } from '../../../shared/monitor/index.ts'
import { accountFacts } from '../../support/monitor-facts.ts'
import { SystemWorld, turn } from '../../support/system-world.ts'

describe('system services: events', () => {
  let world: SystemWorld
  beforeEach(() => {
    world = new SystemWorld()
    world.services.start()
  })
  afterEach(() => world.services.destroy())

  it('tells of connections', async () => {
    const heard = world.hear(world.client('$SYS'), '$SYS.ACCOUNT.>')
    world.services.connected(connection())
    world.services.disconnected({ ...connection(), stoppedMs: 5_000, reason: 'Client Closed' })
    await turn()
    const [connect, disconnect] = heard
    assert.equal(connect?.subject, '$SYS.ACCOUNT.B.CONNECT')
    assert.equal(connect?.body.type, 'io.nats.server.advisory.v1.client_connect')
    assert.match(connect?.body.id, /^[0-9A-Za-z]{22}$/)
    assert.deepEqual(connect?.body.client, {
      start: '1970-01-01T00:00:01.000Z',
      host: '10.0.0.7',
      id: 7,
      acc: 'B',
      user: 'bo',
      lang: 'go',
      ver: '1.2',
      kind: 'Client',
      client_type: 'nats',
    })
    assert.equal(disconnect?.subject, '$SYS.ACCOUNT.B.DISCONNECT')
    assert.equal(disconnect?.body.reason, 'Client Closed')
    assert.deepEqual(disconnect?.body.sent, { msgs: 3, bytes: 30 })
    assert.deepEqual(disconnect?.body.received, { msgs: 4, bytes: 40 })
    assert.equal(disconnect?.body.client.rtt, 250_000)
    assert.equal(disconnect?.body.client.stop, '1970-01-01T00:00:05.000Z')
  })

  it('tells who was not let in, the account of his name too', async () => {
    const system = world.hear(world.client('$SYS'), '$SYS.SERVER.NABC.CLIENT.AUTH.ERR')
    const account = world.hear(world.client('B'), '$SYS.ACCOUNT.CLIENT.AUTH.ERR')
    const before = world.space('B').subscriptionCount
    world.services.authenticationFailed({ ...connection(), reason: 'Authentication Failure' })
    world.services.authenticationFailed({ ...connection(), account: 'none', reason: 'x' })
    await turn()
    assert.deepEqual([system.length, account.length], [2, 1])
    assert.equal(account[0]?.body.reason, 'Authentication Failure')
    assert.equal(world.space('B').subscriptionCount, before)
  })

  it('tells changes of an account together, and again after 30 s', async () => {
    const heard = world.hear(world.client('$SYS'), '$SYS.ACCOUNT.*.SERVER.CONNS')
    const old = world.hear(world.client('$SYS'), '$SYS.SERVER.ACCOUNT.*.CONNS')
    for (let i = 0; i < 5; i++) world.services.accountConnections('B')
    world.services.accountConnections('$G')
    world.clock.advance(99)
    await turn()
    assert.equal(heard.length, 0)
    world.clock.advance(1)
    await turn()
    assert.deepEqual(
      heard.map(({ subject }) => subject),
      ['$SYS.ACCOUNT.B.SERVER.CONNS'],
    )
    assert.equal(old.length, 1)
    assert.equal(heard[0]?.body.type, 'io.nats.server.advisory.v1.account_connections')
    assert.equal(heard[0]?.body.acc, 'B')
  })

  it('says again after 30 s who has connections', async () => {
    await world.services.destroy()
    const used = accountFacts('B', 2)
    world = new SystemWorld({ accounts: () => [used] })
    world.services.start()
    const heard = world.hear(world.client('$SYS'), '$SYS.ACCOUNT.*.SERVER.CONNS')
    world.clock.advance(29_000)
    await turn()
    assert.equal(heard.length, 0)
    world.clock.advance(1_200)
    await turn()
    assert.deepEqual([heard.length, heard[0]?.body.conns], [1, 2])
  })

  it('sends STATSZ at once, then ever more seldom, to who listens', async () => {
    const times: number[] = []
    world.client('$SYS').subscribe('$SYS.SERVER.*.STATSZ', () => {
      times.push(world.clock.monotonicMs())
    })
    for (let i = 0; i < 300; i++) {
      world.clock.advance(100)
      await turn()
    }
    // 250 ms, then doubling; no two within a second.
    assert.deepEqual(times, [300, 1_800, 3_800, 7_800, 15_800, 25_800])
  })

  it('sends STATSZ to all when it is asked for without a reply', async () => {
    world.clock.advance(20_000)
    const client = world.client('$SYS')
    const heard = world.hear(client, '$SYS.SERVER.*.STATSZ')
    client.publish('$SYS.REQ.SERVER.PING', Buffer.from(''))
    client.publish('$SYS.REQ.SERVER.PING.STATSZ', Buffer.from(''))
    await turn()
    await turn()
    assert.equal(heard.length, 1)
    assert.equal(heard[0]?.body.statsz.connections, 3)
    assert.deepEqual(heard[0]?.body.statsz.sent_to_clients, { msgs: 180, bytes: 1_800 })
  })

  it('says good-bye', async () => {
    const heard = world.hear(world.client('$SYS'), '$SYS.SERVER.NABC.*')
    world.services.lameDuck()
    await world.services.drain()
    world.services.connected(connection())
    await turn()
    assert.deepEqual(
      heard.map(({ subject, body }) => [subject, body.id]),
      [
        ['$SYS.SERVER.NABC.LAMEDUCK', 'NABC'],
        ['$SYS.SERVER.NABC.SHUTDOWN', 'NABC'],
      ],
    )
    world.clock.advance(60_000)
    assert.equal(world.clock.timers, 0)
  })

  it('makes nothing that nobody listens to', async () => {
    let made = 0
    await world.services.destroy()
    world = new SystemWorld({
      accounts: () => {
        made++
        return []
      },
    })
    world.services.start()
    world.services.connected(connection())
    world.clock.advance(20_000)
    assert.equal(made, 0)
  })
})

function connection(): ConnectionFacts {
  return {
    id: 7,
    kind: 'Client',
    type: 'nats',
    ip: '10.0.0.7',
    port: 4,
    startedMs: 1_000,
    lastActivityMs: 2_000,
    roundTripMs: 0.25,
    pendingBytes: 0,
    stalls: 0,
    subscriptions: 0,
    name: '',
    lang: 'go',
    version: '1.2',
    user: 'bo',
    account: 'B',
    inMessages: 3,
    inBytes: 30,
    outMessages: 4,
    outBytes: 40,
  }
}
