import assert from 'node:assert/strict'
import { connectAsync } from 'mqtt'
import { parseConfig } from '../../shared/config/index.ts'
import { BridgingLeaf, fact } from '../support/bridging-leaf.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

/** A leaf as a client of a broker that answers what the test says: what messages carry, and which are dropped. */
describe('mqtt remotes: messages', () => {
  let broker: ScriptedBroker
  let leaf: BridgingLeaf | undefined

  beforeEach(async () => {
    broker = await ScriptedBroker.listen()
  })

  afterEach(async () => {
    await leaf?.remove()
    leaf = undefined
    await broker.close()
  })

  async function bridge(remote: object = {}, more: object = {}): Promise<BridgingLeaf> {
    const plant = { name: 'plant', url: `mqtt://127.0.0.1:${broker.port}`, ...remote }
    leaf = await BridgingLeaf.start([plant], more)
    return leaf
  }

  it('carries what a publish says beside its payload, both ways, and what is left of its time', async () => {
    const here = await bridge({ subscribe: ['plant/#'], publish: ['cmd/#'] })
    const got = here.collect('plant.>')
    const side = await broker.accept()
    side.publish('plant/a', 'x', 1, {
      contentType: 'text/plain',
      messageExpiryInterval: 60,
      correlationData: Buffer.from([0, 1]),
      responseTopic: 'answers/1',
      userProperties: { unit: 'C', 'Petiole-Via': 'far/away', 'Petiole-Qos': '2' },
    })
    await side.take('puback')
    await fact('the message', () => got.length === 1)
    assert.deepEqual(
      (got[0]?.headers ?? '')
        .split('\r\n')
        .filter((line) => !line.startsWith('NATS/'))
        .toSorted(),
      [
        '',
        '',
        'Mqtt-Content-Type: text/plain',
        'Mqtt-Correlation-Data: AAE=',
        'Mqtt-Message-Expiry: 60',
        'Mqtt-Response-Topic: answers/1',
        'Mqtt-User-Property: Petiole-Qos=2',
        `Petiole-Via: press-7/127.0.0.1:${broker.port}, far/away`,
        'Petiole-Qos: 1',
        'unit: C',
      ].toSorted(),
    )
    const headers =
      'NATS/1.0\r\nMqtt-Message-Expiry: 60\r\nMqtt-Content-Type: a/b\r\nPetiole-Via: other\r\nunit: K\r\n\r\n'
    await here.publish('cmd.a', 'y', Buffer.from(headers))
    const { properties } = await side.take('publish')
    assert.equal(properties?.contentType, 'a/b')
    assert.ok([59, 60].includes(properties?.messageExpiryInterval ?? 0))
    assert.deepEqual(
      { ...properties?.userProperties },
      {
        'Petiole-Via': `press-7/127.0.0.1:${broker.port}, other`,
        unit: 'K',
      },
    )
  })

  it('neither sends out nor lets in what has come through its broker already', async () => {
    const here = await bridge({ subscribe: ['plant/#'], publish: ['cmd/#'], via: 'plant-broker' })
    const got = here.collect('plant.>')
    const side = await broker.accept()
    side.publish('plant/a', 'back again', 1, {
      userProperties: { 'Petiole-Via': 'x, plant-broker' },
    })
    await side.take('puback')
    await here.publish(
      'cmd.a',
      'back again',
      Buffer.from('NATS/1.0\r\nPetiole-Via: plant-broker\r\n\r\n'),
    )
    await here.publish(
      'cmd.b',
      'new',
      Buffer.from('NATS/1.0\r\nPetiole-Via: plant-broker-2\r\n\r\n'),
    )
    assert.equal((await side.take('publish')).topic, 'cmd/b')
    assert.equal(await here.metric('loops_total'), 2)
    assert.deepEqual(got, [])
  })

  it('drops what no stream will ever take: it would hold up all behind it', async () => {
    const here = await bridge(
      { subscribe: ['plant/#'] },
      {
        buffers: { all: { subjects: ['plant.>'] } },
      },
    )
    const side = await broker.accept()
    const hopeless = { userProperties: { 'Nats-Expected-Last-Sequence': '99' } }
    side.publish('plant/a', 'never', 1, hopeless)
    side.publish('plant/a', 'behind it', 2)
    assert.equal((await side.take('puback')).messageId, 1)
    assert.equal((await side.take('puback')).messageId, 2)
    assert.equal(await here.metric('dropped_total', 'inbound'), 1)
    await here.logged('message of a broker cannot be stored: dropped')
  })

  it('drops what has expired, and what is larger than the broker takes', async () => {
    const here = await bridge({ publish: ['cmd/#'] })
    const expired = Buffer.from('NATS/1.0\r\nMqtt-Message-Expiry: 0\r\n\r\n')
    await here.publish('cmd.old', '1', expired)
    await here.publish('cmd.large', 'x'.repeat(1_000))
    await here.publish('cmd.a', '2')
    const side = await broker.accept({ filters: 0, properties: { maximumPacketSize: 500 } })
    assert.equal((await side.take('publish')).topic, 'cmd/a')
    assert.equal(await here.metric('dropped_total', 'expired'), 1)
    assert.equal(await here.metric('dropped_total', 'outbound'), 1)
    await here.untilMetric('queued_messages', (value) => value === 1)
  })

  it('drops what a broker refuses for good, and keeps what it has no room for', async () => {
    const here = await bridge({ publish: ['cmd/#'] })
    const side = await broker.accept({ filters: 0 })
    await here.publish('cmd.a', 'forbidden')
    const first = await side.take('publish')
    side.send({ cmd: 'puback', messageId: first.messageId, reasonCode: 0x87 })
    await here.logged('broker refused a message: dropped')
    await here.publish('cmd.a', 'no room')
    const second = await side.take('publish')
    side.send({ cmd: 'puback', messageId: second.messageId, reasonCode: 0x97 })
    await side.take('disconnect')
    const again = await broker.accept({ filters: 0, isSessionPresent: true })
    assert.equal(String((await again.take('publish')).payload), 'no room')
    assert.equal(await here.metric('queued_messages'), 1)
  })

  it('sends at QoS 0 what is to go at 0, and drops it while the broker is away', async () => {
    const here = await bridge({ publish: [{ filter: 'cmd/#', qos: 0 }] })
    const side = await broker.accept({ filters: 0 })
    await here.untilMetric('connected', (value) => value === 1)
    await here.publish('cmd.a', 'now')
    const publish = await side.take('publish')
    assert.deepEqual([publish.qos, String(publish.payload)], [0, 'now'])
    await broker.close()
    await here.untilMetric('connected', (value) => value === 0)
    await here.publish('cmd.a', 'never')
    assert.equal(await here.metric('dropped_total', 'outbound'), 1)
    assert.equal(await here.metric('queued_messages'), 0)
    broker = await ScriptedBroker.listen()
  })

  it('crosses over WebSocket, with another Petiole as the broker', async () => {
    const far = await BridgingLeaf.start([], {
      server_name: 'far',
      websocket: { host: '127.0.0.1', port: -1, no_tls: true },
      mqtt: { host: '127.0.0.1', port: -1 },
    })
    try {
      const { webSocket } = far.running.ports
      const url = `ws://127.0.0.1:${webSocket?.port}`
      const here = await bridge({ url, subscribe: ['t/#'], publish: ['t/#'] })
      await here.untilMetric('connected', (value) => value === 1)
      const [near, there] = [here.collect('t.>'), far.collect('t.>')]
      await here.publish('t.here', '1')
      await fact('it there', () => there.length === 1)
      await far.publish('t.there', '2')
      await fact('it here', () => near.length === 2)
      await here.untilMetric('queued_messages', (value) => value === 0)
      assert.deepEqual(
        [near, there].map((list) => list.map(({ subject }) => subject)),
        [
          ['t.here', 't.there'],
          ['t.here', 't.there'],
        ],
      )
    } finally {
      await far.remove()
    }
  })

  for (const qos of [1, 2] as const) {
    it(`tells a device at QoS ${qos} that the queue is full, and keeps nothing of that publish`, () =>
      refusedByQueue(qos))
  }

  async function refusedByQueue(qos: 1 | 2): Promise<void> {
    const url = `mqtt://127.0.0.1:${broker.port}`
    const remotes = [{ name: 'plant', url, publish: ['cmd/#'], max_msgs: 1, discard: 'new' }]
    leaf = await BridgingLeaf.start(remotes, {
      mqtt: { host: '127.0.0.1', port: -1, remotes },
      buffers: { cmd: { subjects: ['cmd.>'] } },
    })
    const port = leaf.running.ports.frontDoors['mqtt']
    const device = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      protocolVersion: 5,
      clientId: 'device',
      clean: false,
      properties: { sessionExpiryInterval: 600 },
    })
    try {
      await device.publishAsync('cmd/a', 'has room', { qos })
      await assert.rejects(device.publishAsync('cmd/a', 'has none', { qos }))
      assert.equal(await leaf.metric('queued_messages'), 1)
      const answer = await leaf.running
        .client()
        .request('$JS.API.STREAM.INFO.cmd', Buffer.alloc(0), { deadlineMs: 30_000 })
      assert.equal(JSON.parse(Buffer.from(answer.payload).toString()).state.messages, 1)
    } finally {
      await device.endAsync(true)
    }
  }

  it('a purge of its account leaves nothing in the queue', async () => {
    const config = { name: 'plant', url: `mqtt://127.0.0.1:${broker.port}`, publish: ['cmd/#'] }
    leaf = await BridgingLeaf.start([config, { ...config, name: 'other', account: 'A' }], {
      accounts: { A: { users: [{ user: 'a', password: 'a' }] } },
    })
    await leaf.publish('cmd.a', 'of the default account')
    await leaf.untilMetric('queued_messages', (value) => value === 1, '"plant"')
    const published = new Promise<void>((resolve) => {
      leaf?.running
        .client('A')
        .publish('cmd.a', Buffer.from('of A'), { committed: () => resolve() })
    })
    await published
    await leaf.untilMetric('queued_messages', (value) => value === 1, '"other"')
    await leaf.running
      .client('$SYS')
      .request('$JS.API.ACCOUNT.PURGE.A', Buffer.alloc(0), { deadlineMs: 30_000 })
    await leaf.untilMetric('queued_messages', (value) => value === 0, '"other"')
    assert.equal(await leaf.metric('queued_messages', '"plant"'), 1)
  })

  it('a reload changes its topics and keeps its queue; others are left alone', async () => {
    const other = await ScriptedBroker.listen()
    try {
      const remote = (rest: object) => ({
        name: 'plant',
        url: `mqtt://127.0.0.1:${broker.port}`,
        ...rest,
      })
      const second = { name: 'other', url: `mqtt://127.0.0.1:${other.port}`, publish: ['x'] }
      leaf = await BridgingLeaf.start([remote({ publish: ['cmd/#'] }), second])
      const side = await broker.accept({ filters: 0 })
      const stays = await other.accept({ filters: 0 })
      await leaf.publish('cmd.a', 'before')
      await side.take('publish')
      const config = leaf.config([remote({ publish: ['cmd/#', 'more/#'] }), second])
      await leaf.running.reload(parseConfig(config, 'leaf'))
      await leaf.publish('more.a', 'after')
      await side.closed()
      const again = await broker.accept({ filters: 0 })
      assert.equal((await again.take('publish')).topic, 'cmd/a')
      assert.equal((await again.take('publish')).topic, 'more/a')
      assert.equal(stays.isClosed, false)
      await leaf.running.reload(parseConfig(leaf.config([second]), 'leaf'))
      await again.closed()
      await leaf.logged('queue of a removed remote still holds messages')
      await leaf.publish('cmd.a', 'nobody wants it')
    } finally {
      await other.close()
    }
  })
})
