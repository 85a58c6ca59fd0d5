import assert from 'node:assert/strict'
import type { MqttHub } from '../support/mqtt-hub.ts'
import { mqttSuite } from '../support/mqtt-suite.ts'
import { PacketClient } from '../support/packet-client.ts'

describe('MQTT 5: retained messages', () => {
  let hub: MqttHub
  let publisher: PacketClient
  let client: PacketClient
  let topic: string

  const suite = mqttSuite((started) => {
    hub = started
  })

  before(async () => {
    const first = await PacketClient.client(hub.port, { clientId: 'first' })
    first.publish('sentinel', 'x', { retain: true, messageId: 1 })
    await first.next('puback')
    await first.disconnect()
  })

  beforeEach(async () => {
    topic = `retained/${suite.count}`
    publisher = await suite.client('publisher')
    client = await suite.client('subscriber')
  })

  async function retain(payload: string, properties = {}): Promise<void> {
    publisher.publish(topic, payload, { messageId: 1, retain: true, properties })
    const { reasonCode = 0 } = await publisher.next('puback')
    assert.ok(reasonCode < 0x80, `${reasonCode}`)
  }

  /**
   * What a SUBSCRIBE must bring, and no more: another one behind it brings the next that is replayed.
   *
   * @param rh retain handling
   */
  async function replays(expected: readonly string[], rh = 0, filter = topic): Promise<void> {
    await client.subscribe(9, [{ topic: filter, qos: 1, rh }])
    const payloads: string[] = []
    for (const _ of expected) {
      const packet = await client.next('publish')
      assert.equal(packet.retain, true)
      client.ack('puback', packet.messageId ?? 0)
      payloads.push(`${packet.payload}`)
    }
    assert.deepEqual(payloads, expected)
    await client.subscribe(10, [{ topic: 'sentinel', qos: 0 }])
    assert.equal(await client.message(), 'sentinel x')
  }

  it('[MQTT-3.3.1-5] the newest replaces the one before, and comes with its properties', async () => {
    await retain('old', { contentType: 'a' })
    await retain('new', { contentType: 'b', userProperties: { n: '1' } })
    await client.subscribe(1, [{ topic: 'retained/+', qos: 2 }], 3)
    const packet = await client.next('publish')
    assert.deepEqual([`${packet.payload}`, packet.retain, packet.qos], ['new', true, 1])
    assert.equal(packet.properties?.contentType, 'b')
    assert.equal(packet.properties.subscriptionIdentifier, 3)
    await retain('')
  })

  it('[MQTT-3.3.1-6, 3.3.1-7] an empty one removes it, and is not kept itself', async () => {
    await retain('x')
    await retain('')
    await replays([])
    publisher.publish(topic, '', { retain: true })
    const packet = await client.next('publish')
    assert.deepEqual([packet.payload.length, packet.retain], [0, false], 'it is delivered')
  })

  it('[MQTT-3.3.1-8] without RETAIN nothing is kept or removed', async () => {
    publisher.publish(topic, 'not kept', { messageId: 1 })
    await publisher.next('puback')
    await replays([])
    await client.unsubscribe(1, topic)
    await retain('kept')
    publisher.publish(topic, '', { messageId: 1 })
    await publisher.next('puback')
    publisher.publish(topic, 'other', { messageId: 1 })
    await publisher.next('puback')
    await replays(['kept'])
    await retain('')
  })

  it('[MQTT-3.3.1-9, 3.8.4-4] retain handling 0: with each SUBSCRIBE', async () => {
    await retain('x')
    await replays(['x'], 0)
    await replays(['x'], 0)
    await retain('')
  })

  it('[MQTT-3.3.1-10] retain handling 1: with a new subscription', async () => {
    await retain('x')
    await replays(['x'], 1)
    await replays([], 1)
    await client.unsubscribe(1, topic)
    await replays(['x'], 1)
    await retain('')
  })

  it('[MQTT-3.3.1-11] retain handling 2: never', async () => {
    await retain('x')
    await replays([], 2)
    await retain('')
  })

  it('a shared subscription gets none', async () => {
    await retain('x')
    await replays([], 0, `$share/g/${topic}`)
    await retain('')
  })

  it('an expired one is not sent, and another says what is left', async () => {
    await retain('short', { messageExpiryInterval: 60 })
    hub.clock.skip(61_000)
    await replays([])
    await client.unsubscribe(1, topic)
    await retain('long', { messageExpiryInterval: 600 })
    hub.clock.skip(60_000)
    await client.subscribe(2, [topic])
    const left = (await client.next('publish')).properties?.messageExpiryInterval ?? 0
    assert.ok(left <= 540 && left > 500, `${left}`)
    await retain('')
  })

  it('they outlive a restart', async () => {
    await retain('x')
    await Promise.all([publisher.destroy(), client.destroy()])
    await hub.restart()
    publisher = await PacketClient.client(hub.port, { clientId: 'publisher' })
    client = await PacketClient.client(hub.port, { clientId: 'subscriber' })
    await replays(['x'])
    await retain('')
  })

  for (const isRestart of [false, true]) {
    const when = isRestart ? 'after a restart too' : 'and the rest after them'
    it(`[MQTT-4.4.0-1] what a lasting session has not acknowledged is sent again, ${when}`, async () => {
      const clientId = `lasting-${suite.count}`
      const session = {
        ...{ clientId, clean: false },
        properties: { sessionExpiryInterval: 300, receiveMaximum: 5 },
      }
      const payloads = Array.from({ length: 30 }, (_, i) => `${i}`)
      for (const [i, payload] of payloads.entries()) {
        publisher.publish(`${topic}/${payload}`, payload, { messageId: i + 1, retain: true })
        await publisher.next('puback')
      }
      await client.destroy()
      client = await PacketClient.client(hub.port, session)
      await client.subscribe(1, [{ topic: `${topic}/#`, qos: 1 }])
      const cut: (readonly [number | undefined, string])[] = []
      for (let i = 0; i < 5; i++) {
        const { messageId, payload, dup, retain: isRetain } = await client.next('publish')
        assert.deepEqual([dup, isRetain], [false, true])
        cut.push([messageId, `${payload}`])
      }
      await client.destroy()
      if (isRestart) {
        await publisher.destroy()
        await hub.restart()
        publisher = await PacketClient.client(hub.port, { clientId: 'publisher' })
      }
      client = await PacketClient.client(hub.port, session)
      const again: (readonly [number | undefined, string])[] = []
      for (let i = 0; i < 5; i++) {
        const { messageId, payload, dup, retain: isRetain } = await client.next('publish')
        assert.deepEqual([dup, isRetain], [true, true])
        again.push([messageId, `${payload}`])
      }
      assert.deepEqual(again, cut)
      for (const [messageId = 0] of again) client.ack('puback', messageId)
      const rest = payloads.filter((payload) => !cut.some(([, one]) => one === payload))
      const got: string[] = []
      // Who has come back after a restart asks for what was not in the log yet: for all, that is.
      if (isRestart) await client.subscribe(2, [{ topic: `${topic}/#`, qos: 1 }])
      const wanted = isRestart ? [...rest, ...payloads] : rest
      while (got.length < wanted.length) {
        const { messageId = 0, payload, dup } = await client.next('publish')
        assert.equal(dup, false)
        got.push(`${payload}`)
        client.ack('puback', messageId)
      }
      assert.deepEqual(got.sort(), [...wanted].sort())
      await client.subscribe(10, [{ topic: 'sentinel', qos: 0 }])
      assert.equal(await client.message(), 'sentinel x')
      for (const [i, payload] of payloads.entries()) {
        publisher.publish(`${topic}/${payload}`, '', { messageId: i + 1, retain: true })
        await publisher.next('puback')
      }
    })
  }
})
