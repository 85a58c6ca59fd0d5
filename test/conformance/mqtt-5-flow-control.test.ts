import assert from 'node:assert/strict'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'

describe('MQTT 5: flow control and sizes', () => {
  let hub: MqttHub
  let publisher: PacketClient

  before(async () => {
    hub = await MqttHub.start()
    publisher = await PacketClient.client(hub.port, { clientId: 'publisher' })
  })

  after(() => hub.remove())

  async function publish(topic: string, ...payloads: string[]): Promise<void> {
    for (const payload of payloads) {
      publisher.publish(topic, payload, { messageId: 1 })
      await publisher.next('puback')
    }
  }

  describe('of a client’s receive maximum', () => {
    let client: PacketClient

    beforeEach(async () => {
      const properties = { receiveMaximum: 2 }
      client = await PacketClient.client(hub.port, { clientId: 'slow', properties })
      await client.subscribe(1, ['flow'])
    })

    afterEach(() => client.destroy())

    async function next(): Promise<[string, number]> {
      const { messageId = 0, payload } = await client.next('publish')
      return [`${payload}`, messageId]
    }

    it('[MQTT-3.3.4-9, 4.9.0-1, 4.9.0-2] no more than that many are unacknowledged', async () => {
      await publish('flow', '1', '2', '3', '4')
      const [[, first], [, second]] = [await next(), await next()]
      assert.deepEqual(await client.beforePong(), [])
      client.ack('puback', second)
      assert.equal((await next())[0], '3')
      assert.deepEqual(await client.beforePong(), [])
      client.ack('puback', first, 0x80)
      assert.equal((await next())[0], '4', 'a refusal gives room as well')
      client.ack('puback', first)
      await publish('flow', '5')
      assert.deepEqual(await client.beforePong(), [], 'an acknowledgement of nothing gives none')
    })

    it('[MQTT-4.9.0-1] QoS 2 gives room with PUBCOMP, or with a PUBREC that refuses', async () => {
      for (const payload of ['1', '2', '3', '4']) await publisher.publish2('flow', payload)
      const [[, first], [, second]] = [await next(), await next()]
      client.ack('pubrec', first)
      await client.next('pubrel')
      assert.deepEqual(await client.beforePong(), [], 'not with PUBREC')
      client.ack('pubcomp', first)
      assert.equal((await next())[0], '3')
      client.ack('pubrec', second, 0x80)
      assert.equal((await next())[0], '4')
    })

    it('[MQTT-3.3.4-10, 4.9.0-3] all else is not held up', async () => {
      await publish('flow', '1', '2', '3')
      const [[, first]] = [await next(), await next()]
      await client.subscribe(2, ['other'])
      publisher.publish('other', 'QoS 0')
      assert.equal(await client.message(), 'other QoS 0')
      client.publish('other', 'own', { messageId: 9 })
      await client.whenever('puback', 9)
      await client.unsubscribe(3, 'nothing')
      client.ack('puback', first)
      const { messageId = 0 } = await client.next('publish')
      assert.notEqual(messageId, 0)
    })
  })

  it('[MQTT-3.3.4-7] who sends more than the server’s receive maximum is told 0x93', async () => {
    const { client, connack } = await PacketClient.connect(hub.port, { clientId: 'too-many' })
    const maximum = connack.properties?.receiveMaximum ?? 65_535
    for (let n = 1; n <= maximum; n++) client.publish('many', 'x', { messageId: n, qos: 2 })
    for (let n = 1; n <= maximum; n++) assert.equal((await client.next('pubrec')).messageId, n)
    client.ack('pubrel', 1)
    await client.next('pubcomp')
    client.publish('many', 'there is room for one', { messageId: 1, qos: 2 })
    await client.next('pubrec')
    client.publish('many', 'and no more', { messageId: maximum + 1, qos: 2 })
    assert.equal(await client.disconnected(), 0x93)
  })

  it('[MQTT-3.1.2-24, 3.1.2-25] what is above the client’s maximum is not sent, and counts as done', async () => {
    const properties = { maximumPacketSize: 60, receiveMaximum: 1 }
    // What is written for one is copied for the next.
    const wide = await PacketClient.client(hub.port, { clientId: 'wide' })
    await wide.subscribe(1, ['size'])
    const client = await PacketClient.client(hub.port, { clientId: 'small', properties })
    await client.subscribe(1, ['size'])
    await publish('size', 'x'.repeat(100), 'fits', 'y'.repeat(60), 'too')
    for (const payload of ['fits', 'too']) {
      const packet = await client.next('publish')
      assert.equal(`${packet.payload}`, payload)
      client.ack('puback', packet.messageId ?? 0)
    }
    const before = client.received.length
    publisher.publish('size', 'z'.repeat(60 - 2 - 2 - 4 - 1))
    await client.next('publish')
    assert.equal(client.received.length - before, 60, 'as much as it takes')
    await client.destroy()
    await wide.destroy()
  })

  it('[MQTT-3.2.2-15] what is above the server’s maximum is told 0x95', async () => {
    const { client, connack } = await PacketClient.connect(hub.port, { clientId: 'large' })
    const maximum = connack.properties?.maximumPacketSize ?? 268_435_460
    client.raw(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]))
    if (maximum < 268_435_460) assert.equal(await client.disconnected(), 0x95)
    else await client.destroy()
  })

  it('[MQTT-3.1.2-26, 3.1.2-27, 3.3.2-11] aliases of deliveries go to who takes them', async () => {
    const none = await PacketClient.client(hub.port, { clientId: 'none' })
    const properties = { topicAliasMaximum: 2 }
    const some = await PacketClient.client(hub.port, { clientId: 'some', properties })
    await none.subscribe(1, ['alias/#'])
    await some.subscribe(1, ['alias/#'])
    const topics = new Map<number, string>()
    for (let n = 0; n < 30; n++) {
      const topic = `alias/${n % 5}`
      publisher.publish(topic, `${n}`)
      const plain = await none.next('publish')
      assert.deepEqual([plain.topic, plain.properties?.topicAlias], [topic, undefined])
      const packet = await some.next('publish')
      const alias = packet.properties?.topicAlias
      assert.ok(alias === undefined || (alias >= 1 && alias <= 2), `${alias}`)
      if (packet.topic !== '' && alias !== undefined) topics.set(alias, packet.topic)
      assert.equal(packet.topic === '' ? topics.get(alias ?? 0) : packet.topic, topic)
      assert.equal(`${packet.payload}`, `${n}`)
    }
    await none.destroy()
    await some.destroy()
  })
})
