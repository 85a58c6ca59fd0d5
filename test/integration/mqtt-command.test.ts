import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import * as path from 'node:path'
import type { Running } from '../../index.ts'
import { AccountFleetWorld } from '../support/account-fleet-world.ts'
import { until } from '../support/fleet-harness.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import { connectPacket, publishPacket, subscribePacket } from '../support/mqtt-packets.ts'
import { DEADLINE_MS } from '../support/patience.ts'

/** `petiole mqtt …` as operators use it: against a hub with accounts, and a leaf that is linked to it. */

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

describe('petiole mqtt', function () {
  this.timeout(60_000)
  let world: AccountFleetWorld

  before(async () => {
    world = await AccountFleetWorld.create()
    const deaf = { user: 'deaf', password: 'deaf' }
    const accountOf = (user: string) => ({ users: [{ user, password: user }] })
    await world.startHub({
      mqtt: { host: '127.0.0.1', port: -1 },
      http: '127.0.0.1:-1',
      accounts: {
        ...{ A: accountOf('a'), B: accountOf('b'), SYS: accountOf('sys') },
        C: { users: [{ ...deaf, permissions: { publish: { deny: ['$MQTT.>'] } } }] },
      },
      system_account: 'SYS',
    })
  })
  after(() => world.end())

  function petiole(user: string, ...args: string[]): Promise<Outcome> {
    const server = `nats://${user}:${user}@127.0.0.1:${world.port}`
    const env = { ...process.env, PETIOLE_SERVER: server }
    return new Promise((resolve) => {
      execFile(process.execPath, [CLI, 'mqtt', ...args], { env }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err })
      })
    })
  }

  function device(at: Running, user: string, clientId: string): Promise<MqttLine> {
    const login = user === '' ? {} : { username: user, password: Buffer.from(user) }
    return MqttLine.client(at.ports.frontDoors['mqtt'] ?? 0, connectPacket(clientId, login))
  }

  it('lists clients of the account, and of all to the system account', async () => {
    await device(world.hub, 'a', 'press-1')
    await device(world.hub, 'b', 'press-2')
    const own = await petiole('a', 'clients')
    assert.equal(own.code, 0, own.err)
    assert.match(own.out, /^1 client at hub\n\nCLIENT +MQTT +USER +ADDRESS/)
    assert.match(own.out, /\npress-1 +3\.1\.1 +a +127\.0\.0\.1:\d+/)
    const all = await petiole('sys', 'clients', '--json')
    const listing = JSON.parse(all.out)
    assert.deepEqual([listing.server.name, listing.total], ['hub', 2])
    assert.deepEqual(
      listing.clients.map((each: Record<string, unknown>) => [each['account'], each['client_id']]),
      [
        ['A', 'press-1'],
        ['B', 'press-2'],
      ],
    )
    assert.match((await petiole('sys', 'clients', '--account', 'B')).out, /^1 client at hub/)
    assert.match((await petiole('sys', 'clients', 'press-1')).out, /^1 client at hub/)
    assert.match(
      (await petiole('sys', 'clients', '--limit', '1')).out,
      /^2 clients at hub, 1 shown/,
    )
    assert.match((await petiole('a', 'sessions')).out, /^0 sessions at hub/)
    assert.match((await petiole('a', 'retained', 'a/#')).out, /^0 retained messages at hub/)
  })

  it('the monitoring port shows the same', async () => {
    const read = async (page: string) => {
      const answer = await fetch(`http://127.0.0.1:${world.hub.ports.http?.port}/${page}`)
      return answer.text()
    }
    await device(world.hub, 'b', 'press-9')
    await until(
      'the device to be counted',
      async () => JSON.parse(await read('varz')).petiole.mqtt,
      (it) => it.clients > 0 && it.sessions === 0 && it.retained_msgs === 0,
      DEADLINE_MS,
    )
    const metrics = await read('metrics')
    assert.match(metrics, /^petiole_mqtt_clients [1-9]/m)
    assert.match(metrics, /^petiole_mqtt_sessions_offline 0$/m)
    const { connections } = JSON.parse(await read('connz?mqtt_client=press-9'))
    assert.deepEqual([connections.length, connections[0]?.mqtt_client], [1, 'press-9'])
  })

  it('the monitoring port lists what is shared by a session that lasts, though the account has it', async () => {
    const { mqtt } = world.hub.ports.frontDoors
    const lasting = { username: 'a', password: Buffer.from('a'), clean: false }
    const line = await MqttLine.client(mqtt ?? 0, connectPacket('press-8', lasting))
    line.send(subscribePacket(1, ['d/e', 1], ['$share/g/d/f', 1]))
    assert.equal(await line.take(6), '900400010101')
    const read = async (query: string) => {
      const url = `http://127.0.0.1:${world.hub.ports.http?.port}/connz?${query}`
      const { connections } = JSON.parse(await (await fetch(url)).text())
      return connections
    }
    const [listed] = await read('mqtt_client=press-8&subs=1')
    assert.deepEqual(listed.subscriptions_list, ['d.e', 'd.f'])
    const [detailed] = await read('mqtt_client=press-8&subs=detail')
    const [, shared] = detailed.subscriptions_list_detail
    assert.deepEqual([shared.subject, shared.qgroup, shared.cid], ['d.f', 'g', detailed.cid])
    const found = await read('acc=A&filter_subject=d.f')
    assert.deepEqual(
      found.map((each: Record<string, unknown>) => each['mqtt_client']),
      ['press-8'],
    )
    assert.equal((await petiole('a', 'kick', 'press-8', '--session')).code, 0)
    await line.rest()
  })

  it('kicks a client', async () => {
    const line = await device(world.hub, 'a', 'press-3')
    const { code, out } = await petiole('a', 'kick', 'press-3')
    assert.deepEqual([code, out], [0, 'kicked press-3 (account A)\n'])
    await line.rest()
  })

  const wrong: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [
      ['kick', 'nobody'],
      /^petiole: no client nobody is connected in account A at hub: `petiole mqtt clients` lists/,
    ],
    [['kick', 'press-2', '--account', 'B'], /^petiole: the system account alone may name another/],
    [['end', 'nobody'], /^petiole: there is no session nobody in account A at hub: `petiole mqtt/],
    [['forget', 'a/b'], /^petiole: nothing is retained on a\/b in account A at hub: `petiole mqtt/],
    [['forget', 'd/#'], /^petiole: d\/# is no topic: a filter: name one of those that/],
    [['forget', 'd#'], /^petiole: d# is no topic: topic name holds a wildcard\n$/],
    [['retained', 'd/#/e'], /^petiole: d\/#\/e is no topic filter: \+ is a level by itself/],
    [
      ['clients', '--limit', '0'],
      /^petiole: --limit 0 is no number of entries: give one from 1\n$/,
    ],
    [['clients', '--at', 'nowhere'], /^petiole: no server nowhere answers; those that do: hub\n$/],
    [['clients', '--at', ''], /^petiole: --at is empty: name a server/],
    [
      ['clients', '--server', 'nats://127.0.0.1:1'],
      /^petiole: no answer from a server at .*Is it running\?/,
    ],
    [['clients', '--server', ''], /^petiole: --server +is no address: write nats:/],
    [['clients', '--server', 'a b'], /^petiole: --server a b is no address: write nats:/],
    [['clients', '--server', 'http://hub'], /^petiole: --server http:\/\/hub is no address: write/],
    [
      ['clients', '--server', 'nats://a:%zz@hub'],
      /^petiole: --server nats:.* is no address: write/,
    ],
  ]
  for (const [args, message] of wrong) {
    it(`says what is wrong with ${args.join(' ')}`, async () => {
      const { code, err } = await petiole('a', ...args)
      assert.equal(code, 1)
      assert.match(err, message)
    })
  }

  it('says nothing to a server without TLS that was to have it', async () => {
    const plain = `tls://a:a@127.0.0.1:${world.port}`
    const { code, out, err } = await petiole('a', 'clients', '--server', plain)
    assert.deepEqual([code, out], [1, ''])
    assert.match(
      err,
      /^petiole: no answer from a server at .* It speaks no TLS: write --server nats:/,
    )
  })

  it('says that a user may not ask', async () => {
    for (const at of [[], ['--at', 'hub']]) {
      const { code, err } = await petiole('deaf', 'clients', ...at)
      assert.equal(code, 1)
      assert.match(err, /^petiole: 127\.0\.0\.1:\d+ does not let this user ask for \$MQTT\.REQ\./)
    }
  })

  it('removes what is retained, for the system account where one account alone has it', async () => {
    for (const user of ['a', 'b']) {
      const line = await device(world.hub, user, `writer-${user}`)
      for (const topic of ['both', `only/${user}`]) {
        line.send(publishPacket(topic, 'x', { packetId: 1, retain: true }))
        await line.take(4)
      }
    }
    const { out } = await petiole('sys', 'forget', 'only/b')
    assert.equal(out, 'removed what was retained on only/b (account B)\n')
    const unclear = await petiole('sys', 'forget', 'both')
    assert.equal(unclear.err, 'petiole: both is in several accounts, name one (--account): A, B\n')
    assert.equal((await petiole('sys', 'forget', 'both', '--account', 'A')).code, 0)
    const filter = await petiole('sys', 'forget', 'd/#')
    assert.match(filter.err, /^petiole: d\/# is no topic: a filter/)
  })

  it('reaches a leaf over its link, and a leaf changes nothing at the hub', async () => {
    const leaf = await world.startLeaf('leaf', 'a:a', { mqtt: { host: '127.0.0.1', port: -1 } })
    const line = await device(leaf, '', 'sensor')
    const { out } = await until(
      'the leaf to answer',
      () => petiole('a', 'clients', '--at', 'press-7'),
      ({ code }) => code === 0,
      DEADLINE_MS,
    )
    assert.match(out, /^1 client at press-7\n(?:.*\n)*sensor /)
    assert.match((await petiole('a', 'kick', 'sensor', '--at', 'press-7')).out, /^kicked sensor/)
    await line.rest()

    await device(world.hub, 'a', 'press-4')
    const fromLeaf = ['--server', `nats://127.0.0.1:${leaf.ports.client.port}`, '--at', 'hub']
    const refused = await petiole('a', 'kick', 'press-4', ...fromLeaf)
    assert.match(refused.err, /a leaf changes nothing here/)
  })
})
