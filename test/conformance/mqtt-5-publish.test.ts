import assert from 'node:assert/strict'
import type { IPublishPacket } from 'mqtt-packet'
import type { MqttHub } from '../support/mqtt-hub.ts'
import { mqttSuite } from '../support/mqtt-suite.ts'
import { PacketClient } from '../support/packet-client.ts'

const KEPT = { clean: false, properties: { sessionExpiryInterval: 3_600 } } as const

describe('MQTT 5: PUBLISH', () => {
  let hub: MqttHub
  let publisher: PacketClient
  let subscriber: PacketClient

  const suite = mqttSuite((started) => {
    hub = started
  })

  beforeEach(async () => {
    publisher = await suite.client('publisher')
    subscriber = await suite.client('subscriber')
  })

  /** The properties that a subscriber gets of those that were published. */
  async function passedOn(sent: Required<IPublishPacket>['properties']) {
    await subscriber.subscribe(1, ['p/+'])
    publisher.publish('p/a', 'x', { properties: sent })
    return (await subscriber.next('publish')).properties
  }

  it('[MQTT-3.3.4-1, 2.2.1-5] the answer goes by QoS, and names the PUBLISH', async () => {
    await subscriber.subscribe(1, ['q'])
    publisher.publish('q', '0')
    publisher.publish('q', '1', { messageId: 65_535 })
    const puback = await publisher.next('puback')
    assert.deepEqual([puback.messageId, puback.reasonCode], [65_535, 0])
    publisher.publish('q', '2', { messageId: 7, qos: 2 })
    const pubrec = await publisher.next('pubrec')
    assert.deepEqual([pubrec.messageId, pubrec.reasonCode], [7, 0])
    publisher.ack('pubrel', 7)
    assert.equal((await publisher.next('pubcomp')).messageId, 7)
    assert.deepEqual(await publisher.beforePong(), [], 'none for QoS 0')
  })

  it('[MQTT-4.3.1-1, 4.3.2-2, 4.3.3-2] deliveries go without DUP', async () => {
    await subscriber.subscribe(1, ['d'])
    for (const qos of [0, 1, 2] as const) {
      if (qos === 2) await publisher.publish2('d', 'x')
      else publisher.publish('d', 'x', qos === 0 ? {} : { messageId: qos, qos })
      if (qos === 1) await publisher.next('puback')
      const { dup, qos: delivered } = await subscriber.next('publish')
      assert.deepEqual([dup, delivered], [false, qos])
    }
  })

  it('[MQTT-3.3.1-3] DUP is not passed on', async () => {
    await subscriber.subscribe(1, ['d'])
    publisher.publish('d', 'x', { messageId: 1, dup: true })
    assert.equal((await subscriber.next('publish')).dup, false)
  })

  it('[MQTT-3.3.2-3] the topic of a delivery is the one that was published', async () => {
    await subscriber.subscribe(1, ['t/#', 't/+/c'])
    publisher.publish('t/b/c', 'x')
    const { topic } = await subscriber.next('publish')
    assert.equal(topic, 't/b/c')
    publisher.publish('u/b/c', 'x')
    await publisher.beforePong()
    const rest = await subscriber.beforePong()
    assert.ok(rest.every((packet) => packet.cmd === 'publish' && packet.topic === 't/b/c'))
  })

  it('[MQTT-3.3.2-4, 3.3.2-20] payload format and content type are passed on', async () => {
    const sent = { payloadFormatIndicator: true, contentType: 'text/plain; charset=ü' }
    assert.deepEqual({ ...(await passedOn(sent)) }, sent)
  })

  it('[MQTT-3.3.2-15, 3.3.2-16] response topic and correlation data are passed on', async () => {
    const correlationData = Buffer.from([0, 1, 0xff, 0x0a, 0x0d])
    const sent = { responseTopic: 'answers/ä b//c', correlationData }
    assert.deepEqual({ ...(await passedOn(sent)) }, sent)
  })

  it('[MQTT-3.3.2-17, 3.3.2-18] user properties are passed on, in their order', async () => {
    const pairs = '26 0001 62 0001 31  26 0001 61 0001 32  26 0001 62 0001 33  26 0000 0000'
    const properties = pairs.replaceAll(' ', '')
    await subscriber.subscribe(1, ['p/+'])
    publisher.raw(`30 20 0003 702f61 1a ${properties}`)
    await subscriber.next('publish')
    assert.ok(subscriber.received.toString('hex').includes(`1a${properties}`))
  })

  it('[MQTT-3.3.2-17] user properties may hold whatever a string may', async () => {
    const userProperties = {
      'Petiole-Qos': '2',
      'Nats-Expected-Stream': 'x',
      'a b': 'line\r\nend',
      'ü:': ' :',
      '%41': '=',
    }
    const passed = await passedOn({ userProperties })
    assert.deepEqual({ ...passed?.userProperties }, userProperties)
  })

  it('[MQTT-3.3.2-6] what has waited goes on with the time that is left', async () => {
    const waiting = await PacketClient.client(hub.port, { clientId: 'waits', ...KEPT })
    await waiting.subscribe(1, ['e'])
    await waiting.disconnect()
    const properties = { messageExpiryInterval: 3_600 }
    publisher.publish('e', 'x', { messageId: 1, properties })
    await publisher.next('puback')
    hub.clock.skip(600_000)
    const back = await PacketClient.client(hub.port, { clientId: 'waits', ...KEPT })
    const left = (await back.next('publish')).properties?.messageExpiryInterval ?? 0
    assert.ok(left <= 3_000 && left > 2_900, `${left}`)
    await back.disconnect({ properties: { sessionExpiryInterval: 0 } })
  })

  it('[MQTT-3.3.2-5] what has expired is not delivered', async () => {
    const waiting = await PacketClient.client(hub.port, { clientId: 'waits', ...KEPT })
    await waiting.subscribe(1, ['e'])
    await waiting.disconnect()
    const properties = { messageExpiryInterval: 60 }
    publisher.publish('e', 'short', { messageId: 1, properties })
    publisher.publish('e', 'long', { messageId: 2 })
    await publisher.next('puback')
    await publisher.next('puback')
    hub.clock.skip(61_000)
    const back = await PacketClient.client(hub.port, { clientId: 'waits', ...KEPT })
    assert.equal(await back.message(), 'e long')
    assert.deepEqual(await back.beforePong(), [])
    await back.disconnect({ properties: { sessionExpiryInterval: 0 } })
  })

  it('[MQTT-3.3.2-9, 3.3.2-12, 3.3.2-7] aliases up to the maximum, for their connection only', async () => {
    const { client, connack } = await PacketClient.connect(hub.port, { clientId: 'alias' })
    const maximum = connack.properties?.topicAliasMaximum ?? 0
    assert.ok(maximum > 0, 'the server takes aliases')
    await subscriber.subscribe(1, ['a/#'])
    for (const topicAlias of [1, maximum]) {
      client.publish(`a/${topicAlias}`, 'named', { properties: { topicAlias } })
    }
    for (const topicAlias of [maximum, 1]) {
      client.publish('', 'short', { properties: { topicAlias } })
    }
    client.publish('a/other', 'renamed', { properties: { topicAlias: 1 } })
    client.publish('', 'anew', { properties: { topicAlias: 1 } })
    const expected = [
      'a/1 named',
      `a/${maximum} named`,
      `a/${maximum} short`,
      'a/1 short',
      'a/other renamed',
      'a/other anew',
    ]
    for (const message of expected) assert.equal(await subscriber.message(), message)
    client.publish('a/x', 'above', { properties: { topicAlias: maximum + 1 } })
    assert.equal(await client.disconnected(), 0x94)
    const again = await PacketClient.client(hub.port, { clientId: 'alias' })
    again.publish('', 'unknown', { properties: { topicAlias: 1 } })
    assert.equal(await again.disconnected(), 0x82)
    assert.deepEqual(await subscriber.beforePong(), [])
  })

  it('[MQTT-4.5.0-1] every session that matches gets it, at its QoS', async () => {
    await subscriber.subscribe(1, [{ topic: 'all', qos: 1 }])
    const second = await PacketClient.client(hub.port, { clientId: 'second' })
    await second.subscribe(1, ['+'])
    await publisher.publish2('all', 'x')
    const [first, other] = [await subscriber.next('publish'), await second.next('publish')]
    assert.deepEqual([first.qos, other.qos], [1, 2])
    await second.destroy()
  })

  it('[MQTT-4.6.0-5, 4.6.0-6] messages of a client stay in order, at each QoS and topic', async () => {
    await subscriber.subscribe(1, ['o/#'])
    for (const qos of [0, 1, 2] as const) {
      for (let n = 1; n <= 20; n++) {
        publisher.publish(`o/${n % 2}`, `${n}`, qos === 0 ? {} : { messageId: n, qos })
        if (qos === 2) publisher.ack('pubrel', n)
      }
      const payloads: number[] = []
      for (let n = 1; n <= 20; n++) {
        const { messageId, payload } = await subscriber.next('publish')
        payloads.push(Number(payload))
        if (qos === 1) subscriber.ack('puback', messageId ?? 0)
        if (qos === 2) await finish(subscriber, messageId ?? 0)
      }
      const numbers = Array.from({ length: 20 }, (_, i) => i + 1)
      const isEven = (n: number): boolean => n % 2 === 0
      assert.deepEqual(payloads.filter(isEven), numbers.filter(isEven), `QoS ${qos}`)
      const isOdd = (n: number): boolean => !isEven(n)
      assert.deepEqual(payloads.filter(isOdd), numbers.filter(isOdd), `QoS ${qos}`)
    }
  })

  /** What came meanwhile is put behind: the client has PUBLISH packets of the same connection on the way. */
  async function finish(client: PacketClient, messageId: number): Promise<void> {
    client.ack('pubrec', messageId)
    await client.whenever('pubrel', messageId)
    client.ack('pubcomp', messageId)
  }

  describe('at QoS 2', () => {
    it('[MQTT-4.3.3-8, 4.3.3-11] PUBREC owns it, PUBCOMP answers PUBREL', async () => {
      await subscriber.subscribe(1, [{ topic: 'two', qos: 0 }])
      publisher.publish('two', 'x', { messageId: 9, qos: 2 })
      assert.equal((await publisher.next('pubrec')).messageId, 9)
      publisher.ack('pubrel', 9)
      const pubcomp = await publisher.next('pubcomp')
      assert.deepEqual([pubcomp.messageId, pubcomp.reasonCode], [9, 0])
      assert.equal(await subscriber.message(), 'two x')
    })

    it('[MQTT-4.3.3-10, 4.3.3-12] until PUBREL the same is answered and not delivered again', async () => {
      await subscriber.subscribe(1, [{ topic: 'two', qos: 0 }])
      publisher.publish('two', 'first', { messageId: 9, qos: 2 })
      await publisher.next('pubrec')
      publisher.publish('two', 'first', { messageId: 9, qos: 2, dup: true })
      assert.equal((await publisher.next('pubrec')).messageId, 9)
      publisher.ack('pubrel', 9)
      await publisher.next('pubcomp')
      publisher.publish('two', 'second', { messageId: 9, qos: 2 })
      await publisher.next('pubrec')
      publisher.ack('pubrel', 9)
      await publisher.next('pubcomp')
      assert.equal(await subscriber.message(), 'two first')
      assert.equal(await subscriber.message(), 'two second')
      assert.deepEqual(await subscriber.beforePong(), [])
    })

    it('[MQTT-4.3.3-4, 4.3.3-5, 4.3.3-6] out: PUBLISH, PUBREC, PUBREL, PUBCOMP', async () => {
      await subscriber.subscribe(1, ['two'])
      await publisher.publish2('two', 'x')
      const { messageId = 0 } = await subscriber.next('publish')
      assert.deepEqual(await subscriber.beforePong(), [], 'it waits for PUBREC')
      subscriber.ack('pubrec', messageId)
      assert.equal((await subscriber.next('pubrel')).messageId, messageId)
      assert.deepEqual(await subscriber.beforePong(), [], 'and for PUBCOMP')
      subscriber.ack('pubcomp', messageId)
      assert.deepEqual(await subscriber.beforePong(), [])
    })

    it('[MQTT-4.3.3-9, 4.4.0-2] a PUBREC that refuses is the end of it', async () => {
      await subscriber.subscribe(1, ['two'])
      await publisher.publish2('two', 'x')
      const { messageId = 0 } = await subscriber.next('publish')
      subscriber.ack('pubrec', messageId, 0x80)
      assert.deepEqual(await subscriber.beforePong(), [], 'no PUBREL')
    })
  })
})
