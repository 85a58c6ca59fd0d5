import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import type { MqttHub } from '../support/mqtt-hub.ts'
import { mqttSuite } from '../support/mqtt-suite.ts'
import { PacketClient } from '../support/packet-client.ts'

const HOUR = { sessionExpiryInterval: 3_600 }
const FOREVER = { sessionExpiryInterval: 0xffff_ffff }

describe('MQTT 5: sessions', () => {
  let hub: MqttHub
  let publisher: PacketClient
  let clientId: string

  const suite = mqttSuite((started) => {
    hub = started
  })

  beforeEach(async () => {
    clientId = suite.nameOf('session')
    publisher = await suite.client('publisher')
  })

  function come(rest: Partial<IConnectPacket> = {}) {
    return PacketClient.connect(hub.port, { clientId, clean: false, properties: HOUR, ...rest })
  }

  /** Comes back, to a session that is there. */
  async function back(rest: Partial<IConnectPacket> = {}): Promise<PacketClient> {
    const { client, connack } = await come(rest)
    assert.equal(connack.sessionPresent, true)
    return client
  }

  async function isPresent(): Promise<boolean> {
    const { client, connack } = await come()
    await client.disconnect()
    return connack.sessionPresent
  }

  async function publish(payload: string, messageId = 1): Promise<void> {
    publisher.publish(clientId, payload, { messageId })
    assert.equal((await publisher.next('puback')).reasonCode, 0)
  }

  async function payloadOf(client: PacketClient): Promise<string> {
    return `${(await client.next('publish')).payload}`
  }

  describe('how long they are', () => {
    it('[MQTT-3.1.2-23, 4.1.0-1] one is kept while it has not expired', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await client.disconnect()
      hub.clock.skip(3_500_000)
      await publish('kept')
      const again = await back()
      assert.equal(await payloadOf(again), 'kept')
      hub.clock.skip(7_200_000)
      assert.deepEqual(await again.beforePong(), [], 'nothing expires while connected')
      await again.disconnect()
      assert.equal(await isPresent(), true)
    })

    it('[MQTT-4.1.0-2] it is discarded when it has expired', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await client.disconnect()
      hub.clock.skip(3_601_000)
      publisher.publish(clientId, 'nobody', { messageId: 1 })
      assert.equal((await publisher.next('puback')).reasonCode, 0x10)
      assert.equal(await isPresent(), false)
    })

    it('without an expiry it ends with the connection', async () => {
      const { client } = await come({ properties: {} })
      await client.subscribe(1, [clientId])
      await client.destroy()
      assert.equal(await isPresent(), false)
    })

    it('the greatest expiry is none', async () => {
      const { client } = await come({ properties: FOREVER })
      await client.disconnect()
      hub.clock.skip(50 * 365 * 24 * 3_600_000)
      assert.equal(await isPresent(), true)
    })

    it('DISCONNECT changes it', async () => {
      const { client } = await come()
      await client.disconnect({ properties: { sessionExpiryInterval: 7_200 } })
      hub.clock.skip(7_000_000)
      assert.equal(await isPresent(), true)
      const again = await back()
      await again.disconnect({ properties: { sessionExpiryInterval: 0 } })
      assert.equal(await isPresent(), false)
    })

    it('subscriptions and what waits outlive a restart of the server', async () => {
      const { client } = await come()
      await client.subscribe(1, [{ topic: clientId, qos: 1 }], 77)
      await client.disconnect()
      await publish('before')
      await publisher.destroy()
      await hub.restart()
      publisher = await PacketClient.client(hub.port, { clientId: 'publisher' })
      await publish('after')
      const again = await back()
      for (const payload of ['before', 'after']) {
        const packet = await again.next('publish')
        assert.equal(`${packet.payload}`, payload)
        assert.equal(packet.properties?.subscriptionIdentifier, 77)
      }
      await again.disconnect()
    })
  })

  describe('what they send', () => {
    it('[MQTT-2.2.1-4, 4.3.2-1, 4.3.3-1] identifiers that are not in use', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      const ids: number[] = []
      for (let n = 1; n <= 10; n++) {
        if (n % 2 === 0) await publish(`${n}`)
        else await publisher.publish2(clientId, `${n}`)
        ids.push((await client.next('publish')).messageId ?? 0)
      }
      assert.equal(new Set(ids).size, 10)
      assert.ok(!ids.includes(0))
      await client.disconnect()
    })

    it('[MQTT-4.3.2-3, 4.4.0-1, 3.3.1-1] QoS 1 is sent again, with DUP, when the session is back', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await publish('one')
      await publish('two')
      const first = await client.next('publish')
      const second = await client.next('publish')
      assert.deepEqual(await client.beforePong(), [], 'not before')
      client.ack('puback', first.messageId ?? 0)
      await client.beforePong()
      await client.destroy()
      const again = await back()
      const packet = await again.next('publish')
      assert.deepEqual(
        [`${packet.payload}`, packet.messageId, packet.dup],
        ['two', second.messageId, true],
      )
      assert.deepEqual(await again.beforePong(), [])
      await again.disconnect()
    })

    it('[MQTT-4.3.2-5] after PUBACK an identifier is free', async () => {
      const { client } = await come({ properties: { ...HOUR, receiveMaximum: 1 } })
      await client.subscribe(1, [clientId])
      for (let n = 1; n <= 3; n++) {
        await publish(`${n}`)
        const { messageId = 0, payload } = await client.next('publish')
        assert.equal(`${payload}`, `${n}`)
        client.ack('puback', messageId)
      }
      await client.disconnect()
      const again = await back()
      assert.deepEqual(await again.beforePong(), [])
      await again.disconnect()
    })

    it('[MQTT-4.3.3-3] QoS 2 is sent again until PUBREC', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await publisher.publish2(clientId, 'two')
      const { messageId } = await client.next('publish')
      await client.destroy()
      const again = await back()
      const packet = await again.next('publish')
      assert.deepEqual([packet.qos, packet.messageId, packet.dup], [2, messageId, true])
      await again.disconnect()
    })

    it('[MQTT-4.3.3-5, 4.3.3-6] after PUBREC it is PUBREL that is sent again', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await publisher.publish2(clientId, 'two')
      const { messageId = 0 } = await client.next('publish')
      client.ack('pubrec', messageId)
      await client.next('pubrel')
      await client.destroy()
      for (const _ of [1, 2]) {
        const again = await back()
        assert.equal((await again.next('pubrel')).messageId, messageId)
        assert.deepEqual(await again.beforePong(), [])
        await again.destroy()
      }
      const last = await back()
      await last.next('pubrel')
      last.ack('pubcomp', messageId)
      await last.beforePong()
      await last.destroy()
      const done = await back()
      assert.deepEqual(await done.beforePong(), [])
      await done.disconnect()
    })

    it('[MQTT-4.3.3-7, 4.3.3-13] what was sent at QoS 2 does not expire any more', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      const properties = { messageExpiryInterval: 60 }
      publisher.publish(clientId, 'x', { messageId: 1, qos: 2, properties })
      publisher.ack('pubrel', 1)
      const { messageId = 0 } = await client.next('publish')
      client.ack('pubrec', messageId)
      await client.next('pubrel')
      await client.disconnect()
      hub.clock.skip(120_000)
      const again = await back()
      assert.equal((await again.next('pubrel')).messageId, messageId)
      again.ack('pubcomp', messageId)
      assert.deepEqual(await again.beforePong(), [])
      await again.disconnect()
    })

    for (const qos of [1, 2] as const) {
      it(`[MQTT-4.3.3-7, 4.4.0-1] what was sent at QoS ${qos} and not answered is sent again when its time is over`, async () => {
        const { client } = await come()
        await client.subscribe(qos, [clientId])
        const properties = { messageExpiryInterval: 60 }
        publisher.publish(clientId, 'sent', { messageId: 1, qos, properties })
        if (qos === 2) publisher.ack('pubrel', 1)
        const { messageId } = await client.next('publish')
        await client.destroy()
        publisher.publish(clientId, 'not sent', { messageId: 2, qos, properties })
        if (qos === 2) publisher.ack('pubrel', 2)
        await publisher.beforePong()
        hub.clock.skip(120_000)
        const again = await back()
        const sent = await again.next('publish')
        assert.deepEqual([`${sent.payload}`, sent.dup, sent.messageId], ['sent', true, messageId])
        assert.equal(sent.properties?.messageExpiryInterval, 0)
        assert.deepEqual(await again.beforePong(), [])
        await again.disconnect()
      })
    }

    it('[MQTT-4.4.0-2] what was refused is not sent again', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      await publish('one')
      await publisher.publish2(clientId, 'two')
      client.ack('puback', (await client.next('publish')).messageId ?? 0, 0x97)
      client.ack('pubrec', (await client.next('publish')).messageId ?? 0, 0x80)
      await client.beforePong()
      await client.destroy()
      const again = await back()
      assert.deepEqual(await again.beforePong(), [])
      await again.disconnect()
    })

    it('what waits comes in its order, behind what was sent already', async () => {
      const { client } = await come()
      await client.subscribe(1, [clientId])
      for (let n = 1; n <= 3; n++) await publish(`${n}`)
      for (let n = 1; n <= 3; n++) assert.equal(await payloadOf(client), `${n}`)
      await client.destroy()
      for (let n = 4; n <= 30; n++) await publish(`${n}`)
      const again = await back()
      for (let n = 1; n <= 30; n++) {
        const { dup, messageId = 0, payload } = await again.next('publish')
        assert.deepEqual([`${payload}`, dup], [`${n}`, n <= 3])
        again.ack('puback', messageId)
      }
      assert.deepEqual(await again.beforePong(), [])
      await again.disconnect()
    })

    it('[MQTT-4.8.2-4] QoS 2 to a member of a group is finished when that one is back', async () => {
      const { client } = await come()
      await client.subscribe(1, [`$share/g/${clientId}`])
      await publisher.publish2(clientId, 'x')
      const { messageId = 0 } = await client.next('publish')
      const other = await PacketClient.client(hub.port, { clientId: 'other-member' })
      await other.subscribe(1, [`$share/g/${clientId}`])
      await client.destroy()
      assert.deepEqual(await other.beforePong(), [], 'not by another')
      const again = await back()
      assert.equal((await again.next('publish')).messageId, messageId)
      again.ack('pubrec', messageId)
      await again.next('pubrel')
      again.ack('pubcomp', messageId)
      await again.disconnect()
      await other.destroy()
    })

    it('[MQTT-4.8.2-5] nor by anybody when that session has ended', async () => {
      const { client } = await come()
      await client.subscribe(1, [`$share/g/${clientId}`])
      await publisher.publish2(clientId, 'x')
      const { messageId = 0 } = await client.next('publish')
      client.ack('pubrec', messageId)
      await client.next('pubrel')
      const other = await PacketClient.client(hub.port, { clientId: 'other-member' })
      await other.subscribe(1, [`$share/g/${clientId}`])
      await client.disconnect({ properties: { sessionExpiryInterval: 0 } })
      assert.equal(await isPresent(), false)
      assert.deepEqual(await other.beforePong(), [])
      await other.destroy()
    })
  })

  it('[MQTT-3.8.4-4] a filter that is asked for again at QoS 0 loses nothing that waits', async () => {
    const { client } = await come({ properties: { ...HOUR, receiveMaximum: 1 } })
    await client.subscribe(1, [{ topic: clientId, qos: 1 }])
    for (const [i, payload] of ['one', 'two', 'three'].entries()) await publish(payload, i + 1)
    assert.equal(await payloadOf(client), 'one')
    await client.subscribe(2, [{ topic: clientId, qos: 0 }])
    client.ack('puback', 1)
    assert.equal(await payloadOf(client), 'two')
    await client.destroy()
    await hub.restart()
    publisher = await suite.client('publisher')
    const again = await back()
    const resent = [await again.next('publish'), await again.next('publish')]
    const seen = resent.map(({ payload, qos, dup }) => [`${payload}`, qos, dup])
    assert.deepEqual(seen, [
      ['two', 1, true],
      ['three', 1, false],
    ])
    publisher.publish(clientId, 'live', { messageId: 9 })
    const { payload, qos } = await again.next('publish')
    assert.deepEqual([`${payload}`, qos], ['live', 0])
    assert.deepEqual(await again.beforePong(), [])
  })

  describe('what they have received at QoS 2', () => {
    it('[MQTT-4.3.3-10] is known when the session is back, and not delivered twice', async () => {
      const observer = await PacketClient.client(hub.port, { clientId: `observer-${suite.count}` })
      await observer.subscribe(1, [{ topic: clientId, qos: 0 }])
      const { client } = await come()
      client.publish(clientId, 'once', { messageId: 3, qos: 2 })
      await client.next('pubrec')
      await client.destroy()
      const again = await back()
      again.publish(clientId, 'once', { messageId: 3, qos: 2, dup: true })
      assert.equal((await again.next('pubrec')).messageId, 3)
      again.ack('pubrel', 3)
      assert.equal((await again.next('pubcomp')).messageId, 3)
      await again.disconnect()
      assert.equal(await payloadOf(observer), 'once')
      assert.deepEqual(await observer.beforePong(), [])
      await observer.destroy()
    })

    it('is known after a restart of the server too', async () => {
      const { client } = await come()
      client.publish(clientId, 'once', { messageId: 3, qos: 2 })
      await client.next('pubrec')
      await client.destroy()
      await publisher.destroy()
      await hub.restart()
      publisher = await PacketClient.client(hub.port, { clientId: 'publisher' })
      await publisher.subscribe(1, [{ topic: clientId, qos: 0 }])
      const again = await back()
      again.publish(clientId, 'once', { messageId: 3, qos: 2, dup: true })
      await again.next('pubrec')
      again.ack('pubrel', 3)
      await again.next('pubcomp')
      assert.deepEqual(await publisher.beforePong(), [])
      await again.disconnect()
    })

    it('is nothing after a PUBREL of an identifier that is not known', async () => {
      const { client } = await come()
      client.ack('pubrel', 99)
      const { messageId, reasonCode = 0 } = await client.next('pubcomp')
      assert.equal(messageId, 99)
      assert.ok(reasonCode === 0 || reasonCode === 0x92)
      await client.disconnect()
    })
  })
})
