import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { BridgingLeaf, fact } from '../support/bridging-leaf.ts'
import { ScriptedBroker } from '../support/scripted-broker.ts'

/** A leaf as a client of a broker that answers what the test says: the protocol, packet by packet. */
describe('mqtt remotes: the protocol', () => {
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

  it('connects with a session that lasts, in MQTT 5', async () => {
    await bridge({ subscribe: ['plant/#'], url: `mqtt://ann:secret@127.0.0.1:${broker.port}` })
    const side = await broker.next()
    const connect = await side.take('connect')
    assert.equal(connect.protocolVersion, 5)
    assert.equal(connect.clean, false)
    assert.equal(connect.clientId, 'petiole-press-7-plant')
    assert.equal(connect.keepalive, 30)
    assert.deepEqual([connect.username, String(connect.password)], ['ann', 'secret'])
    assert.equal(connect.properties?.sessionExpiryInterval, 0xffff_ffff)
    assert.equal(connect.properties?.receiveMaximum, 1_024)
  })

  it('subscribes at QoS 1 without its own messages, and publishes what comes', async () => {
    const here = await bridge({
      subscribe: ['plant/#', { filter: 'line/+', qos: 0, prefix: 'site/', remote_prefix: 'old/' }],
    })
    const got = [here.collect('plant.>'), here.collect('site.>')] as const
    const side = await broker.next()
    await side.take('connect')
    side.version = 5
    side.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
    const subscribe = await side.take('subscribe')
    const asked = subscribe.subscriptions.map(({ topic, qos, nl, rap, rh }) => ({
      topic,
      qos,
      nl,
      rap,
      rh,
    }))
    assert.deepEqual(asked, [
      { topic: 'plant/#', qos: 1, nl: true, rap: false, rh: 1 },
      { topic: 'old/line/+', qos: 0, nl: true, rap: false, rh: 1 },
    ])
    side.send({ cmd: 'suback', messageId: subscribe.messageId, granted: [1, 0] })
    side.publish('plant/a/temp', '21.5', 7)
    const ack = await side.take('puback')
    assert.equal(ack.messageId, 7)
    side.publish('old/line/3', 'on', 8)
    await side.take('puback')
    await fact('both', () => got.flat().length === 2)
    assert.deepEqual(
      got.flat().map(({ subject, payload }) => [subject, payload]),
      [
        ['plant.a.temp', '21.5'],
        ['site.line.3', 'on'],
      ],
    )
    assert.match(
      got[0][0]?.headers ?? '',
      /^NATS\/1\.0\r\nPetiole-Via: press-7\/127\.0\.0\.1:\d+\r\nPetiole-Qos: 1\r\n\r\n$/,
    )
  })

  it('sends what is published, and removes it when the broker has acknowledged it', async () => {
    const here = await bridge({ publish: [{ filter: 'cmd/#', remote_prefix: 'site/' }] })
    const side = await broker.accept({ filters: 0 })
    await here.publish('cmd.valve.1', 'open')
    const publish = await side.take('publish')
    assert.deepEqual(
      [publish.topic, String(publish.payload), publish.qos, publish.dup],
      ['site/cmd/valve/1', 'open', 1, false],
    )
    assert.deepEqual(
      { ...publish.properties?.userProperties },
      { 'Petiole-Via': `press-7/127.0.0.1:${broker.port}` },
    )
    await here.untilMetric('queued_messages', (value) => value === 1)
    side.send({ cmd: 'puback', messageId: publish.messageId, reasonCode: 0 })
    await here.untilMetric('queued_messages', (value) => value === 0)
    assert.equal(await here.metric('sent_messages_total'), 1)
  })

  it('sends again what was not acknowledged, as the same packet when the session is still there', async () => {
    const here = await bridge({ publish: ['cmd/#'] })
    const first = await broker.accept({ filters: 0 })
    await here.publish('cmd.a', '1')
    await here.publish('cmd.b', '2')
    const [one, two] = [await first.take('publish'), await first.take('publish')]
    first.send({ cmd: 'puback', messageId: two.messageId, reasonCode: 0 })
    await here.untilMetric('inflight_messages', (value) => value === 1)
    first.destroy()
    const second = await broker.accept({ filters: 0, isSessionPresent: true })
    const again = await second.take('publish')
    assert.deepEqual([again.topic, again.dup, again.messageId], ['cmd/a', true, one.messageId])
    await here.publish('cmd.c', '3')
    const next = await second.take('publish')
    assert.deepEqual([next.topic, next.dup], ['cmd/c', false])
    assert.notEqual(next.messageId, again.messageId)
    second.destroy()
    const third = await broker.accept({ filters: 0 })
    const anew = [await third.take('publish'), await third.take('publish')]
    assert.deepEqual(
      anew.map(({ topic, dup }) => [topic, dup]),
      [
        ['cmd/a', false],
        ['cmd/c', false],
      ],
    )
  })

  it('keeps to the Receive Maximum of the broker', async () => {
    const here = await bridge({ publish: ['cmd/#'] })
    const side = await broker.accept({ filters: 0, properties: { receiveMaximum: 2 } })
    for (let i = 0; i < 5; i++) await here.publish('cmd.a', `${i}`)
    const [one, two] = [await side.take('publish'), await side.take('publish')]
    assert.deepEqual(side.untaken, [])
    side.send({ cmd: 'puback', messageId: one.messageId, reasonCode: 0 })
    const three = await side.take('publish')
    assert.equal(String(three.payload), '2')
    assert.deepEqual(side.untaken, [])
    side.send({ cmd: 'puback', messageId: two.messageId, reasonCode: 0 })
    assert.equal(String((await side.take('publish')).payload), '3')
  })

  it('goes on with 3.1.1 where a broker says that it does not know 5', async () => {
    const here = await bridge({ subscribe: ['plant/#'], publish: ['cmd/#'] })
    const first = await broker.next()
    await first.take('connect')
    first.sendRaw(Buffer.from('20020001', 'hex'))
    await first.closed()
    const second = await broker.accept()
    assert.equal(second.version, 4)
    const got = here.collect('plant.>')
    second.publish('plant/a', 'x', 1)
    await second.take('puback')
    await fact('the message', () => got.length === 1)
    await here.publish('cmd.a', 'y')
    assert.equal((await second.take('publish')).topic, 'cmd/a')
    assert.deepEqual((await here.logged('remote up'))['version'], '3.1.1')
  })

  it('tries 3.1.1 where a broker goes without a word three times', async () => {
    await bridge({ subscribe: ['plant/#'] })
    for (let i = 0; i < 3; i++) {
      const side = await broker.next()
      assert.equal((await side.take('connect')).protocolVersion, 5)
      side.destroy()
    }
    const side = await broker.next()
    assert.equal((await side.take('connect')).protocolVersion, 4)
  })

  it('says why a broker refuses, and what to do', async () => {
    const here = await bridge({ subscribe: ['plant/#'] })
    for (let i = 0; i < 2; i++) {
      const side = await broker.next()
      await side.take('connect')
      side.version = 5
      side.send({
        cmd: 'connack',
        sessionPresent: false,
        reasonCode: 0x86,
        properties: { reasonString: 'no such user' },
      })
      await side.closed()
    }
    const line = await here.logged('remote down')
    assert.equal(line['reason'], 'user name or password refused (0x86): no such user')
    assert.match(String(line['advice']), /user and password/)
    await here.untilMetric('failures_total', (value) => value >= 2)
    assert.equal(await here.metric('connected'), 0)
    assert.equal(here.log.messages().filter((it) => it.startsWith('remote')).length, 1)
  })

  for (const [name, scheme, answer, advice] of [
    ['does not speak TLS', 'mqtts', 'HTTP/1.1 400 Bad Request\r\n\r\n', /ca_file.*TLS/],
    ['hangs up on its CONNECT', 'mqtt', '', /want TLS/],
    ['speaks something else', 'mqtt', 'HTTP/1.1 400 Bad Request\r\n\r\n', /an MQTT broker\?/],
  ] as const) {
    it(`says what to do about a port that ${name}`, async () => {
      const server = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(answer))
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      try {
        const { port } = server.address() as AddressInfo
        const here = await bridge({ subscribe: ['plant/#'], url: `${scheme}://127.0.0.1:${port}` })
        const line = await here.logged('remote down')
        assert.match(String(line['advice']), advice, String(line['reason']))
      } finally {
        server.close()
      }
    })
  }

  it('gives up a broker that never answers, and tries again', async () => {
    const here = await bridge({ subscribe: ['plant/#'], dial_timeout: '200ms' })
    const side = await broker.next()
    await side.closed()
    const line = await here.logged('remote down')
    assert.equal(line['reason'], 'the broker does not answer CONNECT')
    await broker.next()
  })

  it('gives up a broker that does not answer SUBSCRIBE', async () => {
    const here = await bridge({ subscribe: ['plant/#'], dial_timeout: '200ms' })
    const side = await broker.next()
    await side.take('connect')
    side.version = 5
    side.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
    await side.closed()
    assert.equal(
      (await here.logged('remote down'))['reason'],
      'the broker does not answer SUBSCRIBE',
    )
  })

  it('gives up a broker that does not answer PINGREQ', async () => {
    const here = await bridge({ publish: ['cmd/#'] })
    const side = await broker.accept({ filters: 0, properties: { serverKeepAlive: 1 } })
    await side.closed()
    assert.equal((await here.logged('remote down'))['reason'], 'no answer to PINGREQ')
  })

  it('says which filter is refused, and goes on with the others', async () => {
    const here = await bridge({ subscribe: ['plant/#', 'secret/#'] })
    const side = await broker.next()
    await side.take('connect')
    side.version = 5
    side.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0 })
    const { messageId } = await side.take('subscribe')
    side.send({ cmd: 'suback', messageId, granted: [1, 0x87] })
    const line = await here.logged('broker refused a topic filter')
    assert.deepEqual([line['filter'], line['reason']], ['secret/#', 'not authorized (0x87)'])
    assert.equal(await here.metric('refused_filters'), 1)
    const got = here.collect('plant.>')
    side.publish('plant/a', 'x', 1)
    await side.take('puback')
    await fact('the message', () => got.length === 1)
  })

  it('asks a session that is still there for what it lacks only, and gives back what is not wanted any more', async () => {
    const here = await bridge({ subscribe: ['plant/#'] })
    await (await broker.accept()).destroy()
    const second = await broker.accept({ isSessionPresent: true, filters: 0 })
    second.publish('plant/a', 'x', 1)
    await second.take('puback')
    await here.stop()
    await second.take('disconnect')
    await here.start([
      { name: 'plant', url: `mqtt://127.0.0.1:${broker.port}`, subscribe: ['line/#'] },
    ])
    const third = await broker.next()
    await third.take('connect')
    third.version = 5
    third.send({ cmd: 'connack', sessionPresent: true, reasonCode: 0 })
    assert.deepEqual((await third.take('unsubscribe')).unsubscriptions, ['plant/#'])
    assert.deepEqual(
      (await third.take('subscribe')).subscriptions.map(({ topic }) => topic),
      ['line/#'],
    )
  })

  it('says that a broker has lost the session', async () => {
    const here = await bridge({ subscribe: ['plant/#'] })
    await (await broker.accept()).destroy()
    const second = await broker.accept()
    second.publish('plant/a', 'x', 1)
    await second.take('puback')
    await here.logged('the broker has lost our session: what it had for us is gone')
  })

  it('ends a connection over which garbage comes, and dials again', async () => {
    const here = await bridge({ subscribe: ['plant/#'] })
    const garbage = [
      'ff',
      '00',
      '30ffffffffff',
      '3000',
      '20',
      'd001',
      '320500016100',
      '90020000',
      '34050001610001',
    ]
    for (const bytes of garbage) {
      const side = await broker.accept()
      side.sendRaw(Buffer.from(`${bytes}000000000000000000`, 'hex'))
      await side.closed()
    }
    const early = await broker.next()
    early.sendRaw(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await early.closed()
    const side = await broker.accept()
    side.publish('plant/a', 'x', 1)
    await side.take('puback')
    assert.match(String((await here.logged('remote down'))['reason']), /breaks the protocol/)
  })

  it('acknowledges and drops what is larger than max_payload, read or passed over', async () => {
    const here = await bridge({ subscribe: ['plant/#'] }, { max_payload: 1024 })
    const got = here.collect('plant.>')
    const side = await broker.accept()
    side.publish('plant/a', Buffer.alloc(1025), 1)
    assert.equal((await side.take('puback')).messageId, 1)
    side.publish('plant/b', Buffer.alloc(2 * 1024 * 1024), 2)
    assert.equal((await side.take('puback')).messageId, 2)
    side.publish('plant/c', Buffer.alloc(1024), 3)
    assert.equal((await side.take('puback')).messageId, 3)
    await fact('the last', () => got.length === 1)
    assert.equal(got[0]?.subject, 'plant.c')
    assert.equal(await here.metric('dropped_total', 'inbound'), 2)
    await here.logged('message of a broker is larger than max_payload: dropped')
  })

  it('acknowledges nothing that is not stored, and gets it again', async () => {
    const here = await bridge(
      { subscribe: ['plant/#'] },
      {
        buffers: { all: { subjects: ['plant.>'], max_msgs: 1, discard: 'new' } },
      },
    )
    const side = await broker.accept()
    side.publish('plant/a', 'stored', 1)
    assert.equal((await side.take('puback')).messageId, 1)
    side.publish('plant/a', 'no room', 2)
    side.publish('plant/a', 'behind it', 3)
    await assert.rejects(side.take('puback'), /disconnect|closed/)
    assert.match(String((await here.logged('remote down'))['reason']), /cannot be stored/)
    const second = await broker.accept({ isSessionPresent: true, filters: 0 })
    second.publish('plant/a', 'no room', 2)
    await assert.rejects(second.take('puback'), /disconnect|closed/)
  })

  it("lets nothing in that would be the server's own, or was not asked for", async () => {
    const here = await bridge({ subscribe: ['#'] })
    const got = here.collect('*.*')
    const side = await broker.accept()
    for (const [i, topic] of [
      '$SYS/broker/uptime',
      '$JS/API/INFO',
      '$FLEET/STATUS',
      '$MQTT/x',
    ].entries()) {
      side.publish(topic, 'x', i + 1)
      await side.take('puback')
    }
    side.publish('plant/a', 'x', 9)
    await side.take('puback')
    await fact('the last', () => got.length > 0)
    assert.deepEqual(
      got.map(({ subject }) => subject),
      ['plant.a'],
    )
    assert.equal(await here.metric('dropped_total', 'inbound'), 4)
  })
})
