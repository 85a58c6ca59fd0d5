import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import type { MqttHub } from '../support/mqtt-hub.ts'
import { mqttSuite } from '../support/mqtt-suite.ts'
import { PacketClient } from '../support/packet-client.ts'

const V4 = { protocolVersion: 4 } as const

describe('MQTT 3.1.1: sessions, retained messages and QoS 2', () => {
  let hub: MqttHub
  let publisher: PacketClient
  let clientId: string

  const suite = mqttSuite((started) => {
    hub = started
  })

  beforeEach(async () => {
    clientId = suite.nameOf('device')
    publisher = await suite.client('publisher', V4)
  })

  function come(rest: Partial<IConnectPacket> = {}) {
    return PacketClient.connect(hub.port, { ...V4, clientId, clean: false, ...rest })
  }

  async function publish(payload: string): Promise<void> {
    publisher.publish(clientId, payload, { messageId: 1 })
    await publisher.next('puback')
  }

  it('[MQTT-3.1.2-4, 3.1.2-5, 3.2.2-2, 3.2.2-3, 4.1.0-1, 4.1.0-2] a session is kept, and messages for it', async () => {
    const first = await come()
    assert.equal(first.connack.sessionPresent, false)
    await first.client.subscribe(1, [clientId])
    await first.client.disconnect()
    hub.clock.skip(30 * 24 * 3_600_000)
    await publish('kept')
    const second = await come()
    assert.equal(second.connack.sessionPresent, true)
    assert.equal(await second.client.message(), `${clientId} kept`)
    await second.client.destroy()
  })

  it('[MQTT-3.1.2-6, 3.1.4-3] a clean session begins anew, and ends with its connection', async () => {
    const kept = await come()
    await kept.client.subscribe(1, [clientId])
    await kept.client.disconnect()
    const clean = await come({ clean: true })
    assert.equal(clean.connack.sessionPresent, false)
    await publish('nobody')
    assert.deepEqual(await clean.client.beforePong(), [])
    await clean.client.disconnect()
    const again = await come()
    assert.equal(again.connack.sessionPresent, false)
    await again.client.disconnect()
  })

  it('[MQTT-3.1.3-2, 3.1.3-5] client identifiers name sessions', async () => {
    const first = await come({ clientId: '0123456789abcdefghijKLM' })
    await first.client.disconnect()
    const other = await come({ clientId: '0123456789abcdefghijKLm' })
    assert.equal(other.connack.sessionPresent, false)
    await other.client.disconnect()
    const again = await come({ clientId: '0123456789abcdefghijKLM' })
    assert.equal(again.connack.sessionPresent, true)
    await again.client.disconnect()
  })

  it('[MQTT-3.3.1-1, 4.4.0-1, 4.3.2-1, 4.6.0-1] what was not acknowledged comes again, with DUP, in order', async () => {
    const { client } = await come()
    await client.subscribe(1, [clientId])
    for (const payload of ['1', '2', '3']) await publish(payload)
    const ids: (number | undefined)[] = []
    for (let n = 1; n <= 3; n++) {
      const { dup, messageId } = await client.next('publish')
      assert.equal(dup, false)
      ids.push(messageId)
    }
    client.ack('puback', ids[1] ?? 0)
    await client.beforePong()
    await client.destroy()
    const back = await come()
    for (const n of [1, 3]) {
      const { dup, messageId, payload } = await back.client.next('publish')
      assert.deepEqual([`${payload}`, dup, messageId], [`${n}`, true, ids[n - 1]])
    }
    assert.deepEqual(await back.client.beforePong(), [])
    await back.client.destroy()
  })

  it('[MQTT-4.3.3-1, 3.10.4-3, 3.10.4-6] QoS 2 is sent to its end, after UNSUBSCRIBE too', async () => {
    const { client } = await come()
    await client.subscribe(1, [clientId])
    await publisher.publish2(clientId, 'x')
    const { messageId = 0 } = await client.next('publish')
    await client.unsubscribe(2, clientId, 'another')
    client.ack('pubrec', messageId)
    await client.next('pubrel')
    await client.destroy()
    const back = await come()
    assert.equal((await back.client.next('pubrel')).messageId, messageId)
    back.client.ack('pubcomp', messageId)
    assert.deepEqual(await back.client.beforePong(), [])
    await back.client.destroy()
  })

  it('[MQTT-3.3.1-3] DUP is not passed on', async () => {
    const { client } = await come()
    await client.subscribe(1, [{ topic: clientId, qos: 2 }])
    for (const qos of [1, 2] as const) {
      client.publish(clientId, 'x', { messageId: 7, qos, dup: true })
      const packet = await client.whenever('publish', qos)
      assert.deepEqual([packet.qos, packet.dup], [qos, false])
    }
    await client.destroy()
  })

  it('[MQTT-4.3.3-2, 3.3.4-1] QoS 2 is received once, and answered by its packets', async () => {
    const witness = await PacketClient.client(hub.port, { ...V4, clientId: 'witness' })
    await witness.subscribe(1, [{ topic: clientId, qos: 0 }])
    const { client } = await come()
    client.publish(clientId, 'once', { messageId: 5, qos: 2 })
    await client.next('pubrec')
    await client.destroy()
    const back = await come()
    back.client.publish(clientId, 'once', { messageId: 5, qos: 2, dup: true })
    assert.equal((await back.client.next('pubrec')).messageId, 5)
    back.client.ack('pubrel', 5)
    assert.equal((await back.client.next('pubcomp')).messageId, 5)
    const { dup, payload } = await witness.next('publish')
    assert.deepEqual([`${payload}`, dup], ['once', false])
    assert.deepEqual(await witness.beforePong(), [])
    await back.client.destroy()
    await witness.destroy()
  })

  it('[MQTT-4.6.0-3, 4.6.0-4] PUBREC and PUBREL come in the order of what they answer', async () => {
    const { client } = await come({ clean: true })
    await client.subscribe(1, [clientId])
    for (const id of [4, 2, 9]) publisher.publish(clientId, `${id}`, { messageId: id, qos: 2 })
    for (const id of [4, 2, 9]) assert.equal((await publisher.next('pubrec')).messageId, id)
    for (const id of [4, 2, 9]) publisher.ack('pubrel', id)
    const ids: number[] = []
    for (let n = 0; n < 3; n++) ids.push((await client.next('publish')).messageId ?? 0)
    for (const id of ids) client.ack('pubrec', id)
    for (const id of ids) assert.equal((await client.next('pubrel')).messageId, id)
    await client.destroy()
  })

  it('[MQTT-3.3.2-3, 4.5.0-1, 4.6.0-5, 4.6.0-6, 4.3.1-1] messages of a topic stay in order, for all who match', async () => {
    const { client } = await come()
    await client.subscribe(1, [{ topic: `${clientId}/+`, qos: 0 }])
    const other = await PacketClient.client(hub.port, { ...V4, clientId: 'other' })
    await other.subscribe(1, [{ topic: `${clientId}/#`, qos: 0 }])
    for (let n = 0; n < 50; n++) publisher.publish(`${clientId}/a`, `${n}`)
    for (const each of [client, other]) {
      for (let n = 0; n < 50; n++) {
        const { dup, payload, topic } = await each.next('publish')
        assert.deepEqual([topic, `${payload}`, dup], [`${clientId}/a`, `${n}`, false])
      }
    }
    await client.destroy()
    await other.destroy()
  })

  it('[MQTT-4.7.3-4] topics are not normalized', async () => {
    const { client } = await come({ clean: true })
    await client.subscribe(1, ['nf3/\u00e5'])
    publisher.publish('nf3/a\u030a', 'x')
    publisher.publish('nf3/\u00e5', 'y')
    assert.equal(await client.message(), 'nf3/\u00e5 y')
    await client.destroy()
  })

  describe('retained messages', () => {
    async function retained(): Promise<string[]> {
      const { client } = await come({ clean: true, clientId: 'looks' })
      publisher.publish(`sentinel/${suite.count}`, 'end', { retain: true, messageId: 9 })
      await publisher.next('puback')
      await client.subscribe(1, [clientId])
      await client.subscribe(2, [`sentinel/${suite.count}`])
      const found: string[] = []
      for (;;) {
        const packet = await client.whenever('publish', found.length + 1)
        assert.equal(packet.retain, true)
        if (packet.topic.startsWith('sentinel')) break
        found.push(`${packet.payload}`)
      }
      await client.disconnect()
      return found
    }

    async function retain(payload: string, rest = {}): Promise<void> {
      publisher.publish(clientId, payload, { messageId: 1, retain: true, ...rest })
      await publisher.next('puback')
    }

    it('[MQTT-3.3.1-5, 3.3.1-6, 3.3.1-10, 3.3.1-11] are kept, replaced and removed', async () => {
      await retain('old')
      await retain('new')
      assert.deepEqual(await retained(), ['new'])
      await retain('')
      assert.deepEqual(await retained(), [])
    })

    it('[MQTT-3.3.1-7, 3.3.1-12] RETAIN decides, and not QoS', async () => {
      await retain('old')
      publisher.publish(clientId, 'at QoS 0', { retain: true })
      await publish('not kept')
      const { client } = await come({ clean: true, clientId: 'looks' })
      await client.subscribe(1, [clientId])
      const { payload, qos } = await client.next('publish')
      assert.deepEqual([`${payload}`, qos], ['at QoS 0', 0])
      await client.disconnect()
    })

    it('[MQTT-3.1.2-7] are no part of a session', async () => {
      await retain('stays')
      const { client } = await come({ clean: true })
      client.publish(`${clientId}/own`, 'own', { messageId: 1, retain: true })
      await client.next('puback')
      await client.disconnect()
      const witness = await PacketClient.client(hub.port, { ...V4, clientId: 'witness' })
      await witness.subscribe(1, [`${clientId}/own`])
      assert.equal(await witness.message(), `${clientId}/own own`)
      await witness.disconnect()
    })

    it('[MQTT-3.1.2-16, 3.1.2-17, 3.1.2-12] a will is retained when it says so', async () => {
      for (const retain of [false, true]) {
        const will = { topic: clientId, payload: `${retain}`, qos: 1, retain } as const
        const witness = await PacketClient.client(hub.port, { ...V4, clientId: 'witness' })
        await witness.subscribe(1, [clientId])
        const { client } = await come({ clean: true, will })
        await client.destroy()
        await witness.next('publish')
        const silent = await come({ clean: true })
        await silent.client.destroy()
        assert.deepEqual(await witness.beforePong(), [], 'no will, nothing is published')
        await witness.disconnect()
        assert.deepEqual(await retained(), retain ? ['true'] : [])
      }
    })
  })
})
