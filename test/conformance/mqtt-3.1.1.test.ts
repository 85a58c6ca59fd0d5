import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import type { Authenticator } from '../../shared/account/index.ts'
import { PetioleError } from '../../shared/runtime/index.ts'
import { HeldCapture, MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import {
  connectPacket,
  DISCONNECT,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from '../support/mqtt-packets.ts'

const USERS: Authenticator = {
  isRequired: true,
  needsNonce: false,
  recheck: () => undefined,
  authenticate: ({ user, password, token }) => {
    if (token === 's3cret') return { user: '', account: '$G' }
    return user === 'ada' && password === 'lovelace' ? { user, account: 'PLANT' } : undefined
  },
}

const WILL = { topic: 'gone', payload: Buffer.from('bye'), qos: 0, retain: false } as const
const WILL_DELIVERED = publishPacket('gone', 'bye').toString('hex')

describe('MQTT 3.1.1', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  let watcher: MqttLine

  async function open(id: string, rest: Parameters<typeof connectPacket>[1] = {}) {
    return MqttLine.client(door.port, connectPacket(id, rest))
  }

  /** Subscribes and takes the SUBACK; returns its codes as hex. */
  async function subscribe(line: MqttLine, ...filters: (readonly [string, 0 | 1 | 2])[]) {
    line.send(subscribePacket(9, ...filters))
    const suback = await line.take(4 + filters.length)
    assert.equal(suback.slice(0, 8), `90${Buffer.of(2 + filters.length).toString('hex')}0009`)
    return suback.slice(8)
  }

  beforeEach(async () => {
    core = new MqttCore()
    door = new MqttFrontDoor(MQTT_CONFIG, { connectTimeoutMs: 1_000, refusedCloseMs: 1 })
    await door.start(core)
    watcher = await open('watcher')
    await subscribe(watcher, ['gone', 0])
  })

  afterEach(() => door.destroy())

  describe('3.1 CONNECT', () => {
    it('[MQTT-3.2.2-1] accepts with session present 0, MQTT 3.1 too', async () => {
      const line = await MqttLine.open(door.port)
      line.send(connectPacket('old', { protocolId: 'MQIsdp', protocolVersion: 3 }))
      assert.equal(await line.take(4), '20020000')
    })

    it('[MQTT-3.1.3-6] assigns ids to clients without one', async () => {
      const [one, two] = [await open(''), await open('')]
      assert.equal(await one.takeUntilPong(), '')
      assert.equal(await two.takeUntilPong(), '')
      assert.equal(door.counters.takeovers, 0)
    })

    it('[MQTT-3.1.4-2] closes the elder connection of the same client id', async () => {
      const elder = await open('twin', { will: WILL })
      const younger = await open('twin')
      assert.equal(await elder.rest(), '')
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
      assert.equal(await younger.takeUntilPong(), '')
      assert.equal(door.counters.clients, 2)
    })

    it('[MQTT-3.1.4-4, 3.2.0-1] takes packets that follow CONNECT without waiting for CONNACK', async () => {
      const line = await MqttLine.open(door.port)
      line.send(Buffer.concat([connectPacket('eager'), publishPacket('gone', 'hi')]))
      assert.equal(await line.takeUntilPong(), '20020000')
      assert.equal(await watcher.takeUntilPong(), publishPacket('gone', 'hi').toString('hex'))
    })

    it('keeps a session of clean session 0 while it is connected, and says so once', async () => {
      for (const id of ['keeper', 'keeper2']) {
        const line = await open(id, { clean: false })
        assert.equal(await subscribe(line, ['kept', 1]), '01')
      }
      const notices = core.log
        .messages()
        .filter((message) => message.startsWith('sessions are kept'))
      assert.equal(notices.length, 1)
    })

    it('closes a connection whose CONNECT does not come, or not whole', async () => {
      const [silent, slow] = [await MqttLine.open(door.port), await MqttLine.open(door.port)]
      slow.send(connectPacket('slow').subarray(0, 9))
      assert.equal(await silent.rest(), '')
      assert.equal(await slow.rest(), '')
    })

    it('refuses clients beyond the limit with return code 3', async () => {
      const small = new MqttFrontDoor(MQTT_CONFIG, { clientsMax: 1 })
      await small.start(core)
      await MqttLine.client(small.port, connectPacket('first'))
      const second = await MqttLine.open(small.port)
      second.send(connectPacket('second'))
      assert.equal(await second.rest(), '20020003')
      await MqttLine.client(small.port, connectPacket('first'))
      await small.destroy()
    })
  })

  describe('3.1.3 user name and password', () => {
    beforeEach(async () => {
      await door.destroy()
      core = new MqttCore({ authenticator: USERS })
      door = new MqttFrontDoor(MQTT_CONFIG)
      await door.start(core)
    })

    it('lets in a user, into the space of its account', async () => {
      const capture = new HeldCapture(core.space('PLANT'), 'x')
      const line = await open('a', { username: 'ada', password: Buffer.from('lovelace') })
      line.send(publishPacket('x', '1'))
      await line.takeUntilPong()
      assert.equal(capture.held.length, 1)
    })

    it('takes a token as the password', async () => {
      await open('a', { username: 'any', password: Buffer.from('s3cret') })
    })

    for (const [name, rest] of [
      ['wrong password', { username: 'ada', password: Buffer.from('x') }],
      ['no password', { username: 'ada' }],
      ['nothing', {}],
    ] as const) {
      it(`[MQTT-3.2.2-5] answers ${name} with return code 5 and closes`, async () => {
        const line = await MqttLine.open(door.port)
        line.send(connectPacket('a', rest))
        assert.equal(await line.rest(), '20020005')
      })
    }

    it('[MQTT-3.1.4-5] processes nothing behind a CONNECT that it refuses', async () => {
      const capture = new HeldCapture(core.space('PLANT'), '>')
      const line = await MqttLine.open(door.port)
      const refused = connectPacket('a', { username: 'ada', password: Buffer.from('x') })
      line.send(Buffer.concat([refused, publishPacket('x', '1'), connectPacket('b')]))
      assert.equal(await line.rest(), '20020005')
      assert.equal(capture.held.length, 0)
    })

    it('keeps equal client ids of different accounts apart', async () => {
      const one = await open('same', { username: 'ada', password: Buffer.from('lovelace') })
      await open('same', { username: 'any', password: Buffer.from('s3cret') })
      assert.equal(await one.takeUntilPong(), '')
    })
  })

  describe('3.1.2.5 will', () => {
    it('[MQTT-3.1.2-8] is published when the connection is lost', async () => {
      const line = await open('mortal', { will: WILL })
      line.destroy()
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
    })

    it('[MQTT-3.1.2-8] is published when the client breaks the protocol', async () => {
      const line = await open('mortal', { will: WILL })
      line.send('ffff')
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
    })

    it('[MQTT-3.1.2-10, 3.14.4-3] is discarded by DISCONNECT', async () => {
      const line = await open('polite', { will: WILL })
      line.send(DISCONNECT)
      assert.equal(await line.rest(), '')
      assert.equal(await watcher.takeUntilPong(), '')
    })

    it('is published when the server drains, and its commit awaited', async () => {
      const capture = new HeldCapture(core.space('$G'), 'gone')
      const line = await open('mortal', { will: WILL })
      const drained = door.drain()
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
      assert.equal(line.isClosed, false)
      capture.commit(1)
      await drained
      assert.equal(await line.rest(), '')
    })
  })

  describe('3.1.2.10 keep alive', () => {
    it('[MQTT-3.1.2-24] closes after one and a half intervals, and publishes the will', async () => {
      const startMs = performance.now()
      const line = await open('sleepy', { keepalive: 1, will: WILL })
      assert.equal(await line.rest(), '')
      const tookMs = performance.now() - startMs
      assert.ok(tookMs >= 1_490 && tookMs < 10_000, `${tookMs} ms`)
      assert.equal(door.counters.keepAliveExpired, 1)
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
    })
  })

  describe('3.3 PUBLISH', () => {
    it('[MQTT-2.3.1-6, 4.3.2-2] acknowledges when the message is committed, not before', async () => {
      const capture = new HeldCapture(core.space('$G'), 'held')
      const line = await open('sensor')
      line.send(publishPacket('held', 'a', { packetId: 7 }))
      assert.equal(await line.takeUntilPong(), '')
      capture.commit(1)
      assert.equal(await line.takeUntilPong(), '40020007')
    })

    it('[MQTT-4.6.0-2] acknowledges in order, though some are committed at once', async () => {
      const capture = new HeldCapture(core.space('$G'), 'held')
      const line = await open('sensor')
      line.send(publishPacket('held', 'a', { packetId: 7 }))
      line.send(publishPacket('free', 'b', { packetId: 8 }))
      assert.equal(await line.takeUntilPong(), '')
      capture.commit(1)
      assert.equal(await line.takeUntilPong(), '4002000740020008')
    })

    it('[MQTT-4.8.0-2] closes without PUBACK when the message cannot be stored, and goes on delivering others', async () => {
      const capture = new HeldCapture(core.space('$G'), 'held')
      const line = await open('sensor', { will: WILL })
      line.send(publishPacket('held', 'a', { packetId: 7 }))
      line.send(publishPacket('held', 'b', { packetId: 8 }))
      await line.takeUntilPong()
      capture.refuse(new PetioleError('PETIOLE_STORE_FULL', 'no room'))
      capture.commit(1)
      assert.equal(await line.rest(), '')
      assert.ok(core.log.messages().includes('publish not stored and not acknowledged: closing'))
      assert.equal(await watcher.take(WILL_DELIVERED.length / 2), WILL_DELIVERED)
    })

    it('[MQTT-3.3.1-9] delivers a retained publish live, with RETAIN 0', async () => {
      const line = await open('sensor')
      line.send(publishPacket('gone', 'now', { retain: true }))
      await line.takeUntilPong()
      assert.equal(await watcher.takeUntilPong(), publishPacket('gone', 'now').toString('hex'))
    })

    it('[MQTT-3.3.5-2] acknowledges and drops what goes to the topics of the server', async () => {
      const capture = new HeldCapture(core.space('$G'), '>')
      const line = await open('sensor')
      line.send(publishPacket('$SYS/fake', 'x', { packetId: 1 }))
      line.send(publishPacket('$FLEET/SYNC/x', 'x', { packetId: 2 }))
      assert.equal(await line.takeUntilPong(), '4002000140020002')
      assert.deepEqual(capture.held, [])
    })

    it('takes a payload of max_payload, in any number of pieces, and closes above it', async () => {
      const line = await open('sensor')
      await subscribe(line, ['big', 0])
      const packet = publishPacket('big', Buffer.alloc(core.payloadBytesMax, 'p'))
      for (let at = 0; at < packet.length; at += 99_991) line.send(packet.subarray(at, at + 99_991))
      assert.equal(await line.take(packet.length), packet.toString('hex'))
      line.send(publishPacket('big', Buffer.alloc(core.payloadBytesMax + 1, 'p')))
      assert.equal(await line.rest(), '')
    })

    it('acknowledges a payload of max_payload at QoS 1 too: the header it adds is not the client’s', async () => {
      const line = await open('sensor')
      line.send(publishPacket('big', Buffer.alloc(core.payloadBytesMax, 'p'), { packetId: 7 }))
      assert.equal(await line.take(4), '40020007')
    })

    it('[MQTT-3.12.4-1] answers CONNECT to DISCONNECT the same when cut at every byte', async () => {
      const script = Buffer.concat([
        connectPacket('cut'),
        subscribePacket(1, ['a/b', 1]),
        publishPacket('a/b', 'x', { packetId: 5 }),
        unsubscribePacket(2, 'a/b'),
        Buffer.from('c000', 'hex'),
        DISCONNECT,
      ])
      const answers = new Set<string>()
      for (let cut = 0; cut < script.length; cut++) {
        const line = await MqttLine.open(door.port)
        line.send(script.subarray(0, cut))
        await new Promise((resolve) => setImmediate(resolve))
        line.send(script.subarray(cut))
        answers.add(await line.rest())
      }
      const delivered = publishPacket('a/b', 'x', { packetId: 1 }).toString('hex')
      assert.deepEqual([...answers], [`200200009003000101${delivered}40020005b0020002d000`])
    })
  })

  describe('3.8 SUBSCRIBE and 3.10 UNSUBSCRIBE', () => {
    it('[MQTT-3.8.4-1, 3.8.4-2, 3.8.4-4, 3.8.4-5, 3.9.3-1] answers each filter, one that nothing can match with 0x80', async () => {
      const line = await open('subscriber')
      assert.equal(
        await subscribe(line, ['a', 0], ['b', 1], ['c', 2], ['$share/g/x', 0], ['$share/x', 0]),
        '0001020080',
      )
    })

    it('[MQTT-3.8.4-3] a repeated filter replaces the QoS and adds no delivery', async () => {
      const line = await open('subscriber')
      await subscribe(line, ['t', 1])
      await subscribe(line, ['t', 0])
      line.send(publishPacket('t', 'x', { packetId: 3 }))
      assert.equal(await line.takeUntilPong(), `${publishPacket('t', 'x').toString('hex')}40020003`)
    })

    it('[MQTT-3.8.4-6] delivers with the lower of both QoS', async () => {
      const line = await open('subscriber')
      await subscribe(line, ['zero', 0], ['one', 1])
      const publisher = await open('publisher')
      for (const topic of ['zero', 'one']) {
        publisher.send(publishPacket(topic, '0'))
        publisher.send(publishPacket(topic, '1', { packetId: 1 }))
      }
      await publisher.takeUntilPong()
      const expected = [
        publishPacket('zero', '0'),
        publishPacket('zero', '1'),
        publishPacket('one', '0'),
        publishPacket('one', '1', { packetId: 1 }),
      ]
      assert.equal(await line.takeUntilPong(), Buffer.concat(expected).toString('hex'))
    })

    it('[MQTT-3.3.5-1] overlapping filters: once, with the highest QoS that matches', async () => {
      const line = await open('subscriber')
      await subscribe(line, ['a/#', 0], ['a/b', 1], ['+/b', 0], ['#', 0])
      line.send(publishPacket('a/b', 'x', { packetId: 3 }))
      line.send(publishPacket('a/c', 'y', { packetId: 4 }))
      const expected = [
        publishPacket('a/b', 'x', { packetId: 1 }),
        Buffer.from('40020003', 'hex'),
        publishPacket('a/c', 'y'),
        Buffer.from('40020004', 'hex'),
      ]
      assert.equal(await line.takeUntilPong(), Buffer.concat(expected).toString('hex'))
    })

    it('[MQTT-4.7.1-2, 4.7.2-1] a/# matches a; # and + match no $ topic', async () => {
      const line = await open('subscriber')
      await subscribe(line, ['a/#', 0], ['+/up', 0], ['#', 0])
      const publisher = await open('publisher')
      publisher.send(publishPacket('a', '1'))
      publisher.send(publishPacket('$aws/up', '2'))
      await publisher.takeUntilPong()
      assert.equal(await line.takeUntilPong(), publishPacket('a', '1').toString('hex'))
    })

    it('[MQTT-2.3.1-7, 3.10.4-1, 3.10.4-2, 3.10.4-4, 3.10.4-5] UNSUBSCRIBE takes exactly that filter, and answers for unknown ones too', async () => {
      const line = await open('subscriber')
      await subscribe(line, ['a/+', 0], ['a/b', 0])
      line.send(unsubscribePacket(4, 'a/+', 'never'))
      assert.equal(await line.take(4), 'b0020004')
      line.send(publishPacket('a/b', 'x'))
      line.send(publishPacket('a/c', 'x'))
      assert.equal(await line.takeUntilPong(), publishPacket('a/b', 'x').toString('hex'))
    })

    it('grants no more filters than the limit', async () => {
      const small = new MqttFrontDoor(MQTT_CONFIG, { filtersPerClientMax: 2 })
      await small.start(core)
      const line = await MqttLine.client(small.port, connectPacket('greedy'))
      assert.equal(await subscribe(line, ['a', 0], ['b', 0], ['c', 0], ['a', 1]), '00008001')
      assert.equal(small.counters.filters, 2)
      await small.destroy()
    })
  })

  it('leaves no subscription and no client behind', async () => {
    const line = await open('brief')
    await subscribe(line, ['a/#', 0], ['b', 1])
    line.send(DISCONNECT)
    await line.rest()
    const left = [...core.space('$G').subscriptions()]
      .map(({ subject }) => subject)
      .filter((subject) => !subject.startsWith('$MQTT.'))
    assert.deepEqual(left, ['gone'])
    assert.equal(door.counters.filters, 1)
    assert.equal(door.counters.clients, 1)
  })
})
