import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../../bridge-mqtt/index.ts'
import { StaticAccountBook } from '../../../shared/account/index.ts'
import { type AccountConfig, parseConfig } from '../../../shared/config/index.ts'
import { PetioleError } from '../../../shared/runtime/index.ts'
import { RawClient } from '../../support/broker-harness.ts'
import { eventually } from '../../support/link-node.ts'
import { MemoryStore } from '../../support/memory-store.ts'
import { MQTT_CONFIG, MqttCore } from '../../support/mqtt-core.ts'
import { MqttLine } from '../../support/mqtt-line.ts'
import {
  connectPacket,
  DISCONNECT,
  publishPacket,
  subscribePacket,
} from '../../support/mqtt-packets.ts'
import { accountConfig } from '../account/setup.ts'

const ACCEPTED = '20020000'
const NO_ROOM = '20020003'
const CONNECT = 'CONNECT {"verbose":false,"pedantic":false}\r\n'

describe('room for MQTT clients', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  const raw: RawClient[] = []

  async function start(options: ConstructorParameters<typeof MqttCore>[0]): Promise<void> {
    core = new MqttCore(options)
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
  }

  afterEach(async () => {
    for (const client of raw.splice(0)) client.close()
    await door.destroy()
    await core.close()
  })

  async function mqtt(clientId: string): Promise<[MqttLine, string]> {
    const line = await MqttLine.open(door.port)
    line.send(connectPacket(clientId))
    return [line, await line.take(4)]
  }

  async function nats(port: number): Promise<RawClient> {
    const client = await RawClient.connect(port)
    raw.push(client)
    client.send(`${CONNECT}PING\r\n`)
    await client.until(() => client.isClosed || client.received.includes('PONG'), 'an answer')
    return client
  }

  function account(changes: Partial<AccountConfig['limits']>): AccountConfig {
    const { limits } = accountConfig('$G')
    return accountConfig('$G', { limits: { ...limits, ...changes } })
  }

  function limitedTo(max_connections: number): StaticAccountBook {
    return new StaticAccountBook([account({ max_connections })], '')
  }

  it('is given up by the youngest when the account has less of it, MQTT or NATS', async () => {
    const accounts = limitedTo(4)
    await start({ accounts })
    const port = await core.listenForNats()
    const [first] = await mqtt('a')
    const second = await nats(port)
    const [third] = await mqtt('b')
    const fourth = await nats(port)
    await mqtt('a')
    assert.equal(await first.rest(), '')
    accounts.update([account({ max_connections: 2 })], '', 0)
    assert.equal(await third.rest(), '')
    await fourth.until(() => fourth.isClosed, 'the end')
    assert.equal(core.broker.accountTotals('$G').connections, 2)
    assert.equal(second.isClosed, false)
    assert.equal(door.counters.clients, 1)
  })

  it('is not told to who starts anew before the elder session has ended on disk', async () => {
    const store = new MemoryStore(() => Date.UTC(2030, 0, 1))
    core = new MqttCore({ store })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.open(core)
    await door.start(core)
    const first = await MqttLine.client(door.port, connectPacket('a', { clean: false }))
    first.send(DISCONNECT)
    await first.rest()
    store.isAuto = false
    const again = await MqttLine.open(door.port)
    again.send(connectPacket('a'))
    // Who has nothing to end waits for nothing.
    assert.equal((await mqtt('b'))[1], ACCEPTED)
    assert.equal(again.unread, 0)
    store.commit()
    assert.equal(await again.take(4), ACCEPTED)
    again.send(DISCONNECT)
    await again.rest()
    const back = await MqttLine.client(door.port, connectPacket('a', { clean: false }))
    back.send(DISCONNECT)
    await back.rest()
    const refused = await MqttLine.open(door.port)
    refused.send(connectPacket('a'))
    await eventually(() => {
      store.failCommit()
      return refused.unread > 0
    }, 'CONNACK for a session that could not be ended')
    assert.equal(await refused.take(4), NO_ROOM)
    store.isAuto = true
    assertToldOnce(core, 'client is refused: session that was could not be ended')
  })

  it('tells once why a session could not be kept', async () => {
    core = new MqttCore({ store: new MemoryStore(() => Date.UTC(2030, 0, 1)) })
    door = new MqttFrontDoor(MQTT_CONFIG, { sessionsMax: 1 })
    await door.open(core)
    await door.start(core)
    await MqttLine.client(door.port, connectPacket('a', { clean: false }))
    const refused = await MqttLine.open(door.port)
    refused.send(connectPacket('b', { clean: false }))
    assert.equal(await refused.take(4), NO_ROOM)
    assertToldOnce(core, 'client is refused: session could not be kept')
  })

  it('is not kept for who is not let in after all', async () => {
    const store = new MemoryStore(() => Date.UTC(2030, 0, 1))
    core = new MqttCore({ store })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.open(core)
    await door.start(core)
    const properties = { sessionExpiryInterval: 0xffff_ffff }
    const small = await MqttLine.open(door.port)
    const asked = { protocolVersion: 5, clean: false } as const
    small.send(
      connectPacket('a', { ...asked, properties: { ...properties, maximumPacketSize: 4 } }),
    )
    assert.equal(await small.rest(), '')
    // Not there before, but from now on.
    await MqttLine.client(door.port, connectPacket('a', { clean: false }))
    store.isAuto = false
    const anew = await MqttLine.open(door.port)
    anew.send(connectPacket('a', { ...asked, clean: true, properties }))
    await eventually(() => {
      store.failCommit()
      return anew.unread > 0
    }, 'CONNACK for a session that could not be ended')
    await anew.rest()
    store.isAuto = true
    await MqttLine.client(door.port, connectPacket('a', { clean: false }))
  })

  it('is for who comes after a reload as the configuration has it', async () => {
    const given = (block: object) => parseConfig({ mqtt: { port: -1, ...block } }, 'hub')
    await start({})
    await mqtt('a')
    door.reload(given({ max_connections: 1 }))
    assert.equal((await mqtt('b'))[1], NO_ROOM)
    door.reload(given({ max_connections: 2, max_subscriptions: 2 }))
    const [second, welcome] = await mqtt('b')
    second.send(subscribePacket(1, ['a', 0], ['b', 0], ['c', 0]))
    assert.deepEqual([welcome, await second.take(7)], [ACCEPTED, '90050001000080'])
    const long = publishPacket('x', 'y'.repeat(1_100), { packetId: 1 })
    second.send(long)
    assert.equal(await second.take(4), '40020001')
    door.reload(given({ max_packet_size: 1_024 }))
    second.send(long)
    assert.equal(await second.take(4), '40020001', 'who was there has what he came to')
    const [third] = await mqtt('c')
    third.send(long)
    assert.equal(await third.rest(), '')
  })

  it('goes with other limits of the account: payload and filters, as they are now', async () => {
    const accounts = new StaticAccountBook([account({ max_payload: 3, max_subscriptions: 2 })], '')
    await start({ accounts })
    const [line] = await mqtt('a')
    line.send(subscribePacket(1, ['a', 0], ['b', 0], ['c', 0]))
    assert.equal(await line.take(7), '90050001000080')
    line.send(publishPacket('x', 'abc', { packetId: 1 }))
    assert.equal(await line.take(4), '40020001')
    const [other] = await mqtt('b')
    other.send(publishPacket('x', 'abcd', { packetId: 1 }))
    assert.equal(await other.rest(), '')
    accounts.update([account({ max_payload: 4, max_subscriptions: 2 })], '', 0)
    door.recheck()
    line.send(publishPacket('x', 'abcd', { packetId: 2 }))
    assert.equal(await line.take(4), '40020002')
    accounts.update([account({ max_subscriptions: 1 })], '', 0)
    door.recheck()
    assert.equal(await line.rest(), '')
  })

  it('is what NATS clients of the account leave, and the other way round', async () => {
    await start({ accounts: limitedTo(2) })
    const port = await core.listenForNats()
    const [first] = await mqtt('a')
    assert.equal((await nats(port)).isClosed, false)
    assert.equal((await mqtt('b'))[1], NO_ROOM)
    const refused = await nats(port)
    assert.match(refused.received, /maximum account active connections exceeded/)
    assert.equal(core.broker.accountTotals('$G').connections, 2)
    first.send(DISCONNECT)
    await eventually(() => core.broker.accountTotals('$G').connections === 1, 'a free place')
    assert.equal((await mqtt('b'))[1], ACCEPTED)
  })

  it('is there for who comes in his own place, at the limit too', async () => {
    await start({ accounts: limitedTo(1) })
    const [elder] = await mqtt('a')
    for (let i = 0; i < 3; i++) assert.equal((await mqtt('a'))[1], ACCEPTED)
    assert.equal(await elder.rest(), '')
    assert.equal(core.broker.accountTotals('$G').connections, 1)
    assert.equal((await mqtt('b'))[1], NO_ROOM)
  })

  it('counts against the server’s own limit', async () => {
    await start({ connectionsMax: 2 })
    const port = await core.listenForNats()
    const [first] = await mqtt('a')
    await mqtt('b')
    assert.equal((await mqtt('c'))[1], NO_ROOM)
    assert.match((await nats(port)).received, /maximum connections exceeded/)
    first.send(DISCONNECT)
    await eventually(() => door.counters.clients === 1, 'a free place')
    assert.equal((await nats(port)).isClosed, false)
  })
})

/** In the log, with the fault behind it. */
function assertToldOnce({ log }: MqttCore, message: string): void {
  const told = log.lines.filter(({ level }) => level === 'warn')
  assert.deepEqual(
    told.map((line) => [line.message, line.fields['err'] instanceof PetioleError]),
    [[message, true]],
  )
}
