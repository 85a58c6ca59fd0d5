import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'

/** What a server may be told not to do, and how clients get to know it; and how connections end. */
describe('MQTT 5: terms and endings', () => {
  let hub: MqttHub
  let strict: MqttHub

  before(async () => {
    hub = await MqttHub.start()
    strict = await MqttHub.start({
      reject_qos2_publish: true,
      downgrade_qos2_subscribe: true,
      max_retained: 0,
      allow_zero_length_clientid: false,
      max_keepalive: '60s',
    })
  })

  after(() => Promise.all([hub.remove(), strict.remove()]))

  async function refusal(packet: Partial<IConnectPacket>): Promise<number> {
    const client = await PacketClient.open(strict.port)
    client.sendConnect({ clientId: 'refused', ...packet })
    const { reasonCode = -1 } = await client.next('connack')
    assert.deepEqual(await client.end(), [])
    return reasonCode
  }

  it('[MQTT-3.1.3-8] a client identifier that is not allowed is 0x85, and closes', async () => {
    assert.equal(await refusal({ clientId: '' }), 0x85)
  })

  it('[MQTT-3.2.2-9, 3.2.2-11] without QoS 2 CONNACK says so, and a PUBLISH of it is 0x9B', async () => {
    const { client, connack } = await PacketClient.connect(strict.port, { clientId: 'qos2' })
    assert.equal(connack.properties?.maximumQoS, 1)
    client.publish('a', 'x', { messageId: 1, qos: 2 })
    assert.equal(await client.disconnected(), 0x9b)
  })

  it('[MQTT-3.2.2-10] SUBSCRIBE at QoS 2 is accepted all the same', async () => {
    const client = await PacketClient.client(strict.port, { clientId: 'qos2' })
    const { granted } = await client.subscribe(1, [{ topic: 'a', qos: 2 }])
    assert.deepEqual([...granted], [1])
    await client.disconnect()
  })

  it('[MQTT-3.2.2-12] a will at QoS 2 is refused with 0x9B', async () => {
    const will = { topic: 'w', payload: 'x', qos: 2 } as const
    assert.equal(await refusal({ will }), 0x9b)
  })

  it('[MQTT-3.2.2-13, 3.2.2-14] where nothing is retained RETAIN is 0x9A, of a will too', async () => {
    const { client, connack } = await PacketClient.connect(strict.port, { clientId: 'retain' })
    assert.equal(connack.properties?.retainAvailable, false)
    client.publish('a', 'x', { retain: true })
    assert.equal(await client.disconnected(), 0x9a)
    const will = { topic: 'w', payload: 'x', retain: true } as const
    assert.equal(await refusal({ will }), 0x9a)
  })

  it('[MQTT-3.2.2-22] the client’s keep alive counts unless the server tells another', async () => {
    for (const keepalive of [0, 120, 30]) {
      const packet = { clientId: `alive-${keepalive}`, keepalive }
      const { client, connack } = await PacketClient.connect(strict.port, packet)
      const told = connack.properties?.serverKeepAlive
      assert.equal(told, keepalive === 30 ? undefined : 60)
      const limitMs = (told ?? keepalive) * 1_500
      strict.clock.skip(limitMs - 1_000)
      assert.deepEqual(await client.beforePong(), [])
      strict.clock.skip(limitMs + 1_000)
      assert.equal(await client.disconnected(), 0x8d)
    }
  })

  it('[MQTT-3.14.4-1, 3.14.4-2, 4.13.2-1] after a DISCONNECT with a code from 0x80 the server closes', async () => {
    const client = await PacketClient.client(hub.port, { clientId: 'ends' })
    await client.subscribe(1, ['mine'])
    // All of it comes at once: what stands behind the mistake is not answered.
    client.raw('36 05 0001 61 0001 00  c000  30 08 0004 6d696e65 00 78')
    assert.equal((await client.next('disconnect')).reasonCode, 0x81)
    assert.deepEqual(await client.end(), [])
  })

  it('[MQTT-3.14.4-1] nothing behind a client’s DISCONNECT is looked at', async () => {
    const witness = await PacketClient.client(hub.port, { clientId: 'witness' })
    await witness.subscribe(1, ['late'])
    const client = await PacketClient.client(hub.port, { clientId: 'leaves' })
    client.raw('e000  30 08 0004 6c617465 00 78')
    assert.deepEqual(await client.end(), [])
    assert.deepEqual(await witness.beforePong(), [])
    await witness.disconnect()
  })

  it('[MQTT-3.14.0-1] before CONNACK there is no DISCONNECT', async () => {
    const client = await PacketClient.open(hub.port)
    client.raw('c000')
    assert.deepEqual(await client.end(), [])
    const silent = await PacketClient.open(hub.port)
    silent.raw('10')
    hub.clock.skip(11_000)
    assert.deepEqual(await silent.end(), [])
  })

  it('[MQTT-4.3.2-4] a PUBACK means that it is owned: on disk, where a stream stores it', async () => {
    const client = await PacketClient.client(hub.port, { clientId: 'owned' })
    const kept = { clientId: 'keeps', clean: false, properties: { sessionExpiryInterval: 60 } }
    const keeper = await PacketClient.client(hub.port, kept)
    await keeper.subscribe(1, ['owned'])
    await keeper.disconnect()
    client.publish('owned', 'x', { messageId: 1 })
    assert.equal((await client.next('puback')).reasonCode, 0)
    await client.destroy()
    await hub.crash()
    const again = await PacketClient.client(hub.port, kept)
    assert.equal(await again.message(), 'owned x')
    await again.disconnect({ properties: { sessionExpiryInterval: 0 } })
  })

  it('[MQTT-3.2.2-19, 3.9.2-1, 3.14.2-3] words for people only where they fit', async () => {
    for (const maximumPacketSize of [20, 1_000]) {
      const isLarge = maximumPacketSize === 1_000
      const properties = { maximumPacketSize, requestProblemInformation: true }
      const client = await PacketClient.client(hub.port, { clientId: 'words', properties })
      const suback = await client.subscribe(1, ['too-long'.repeat(600)])
      assert.deepEqual([...suback.granted], [0x8f])
      assert.equal(suback.properties?.reasonString !== undefined, isLarge)
      client.raw('36 05 0001 61 0001 00')
      const disconnect = await client.next('disconnect')
      assert.equal(disconnect.properties?.reasonString !== undefined, isLarge)
      const stranger = await PacketClient.open(strict.port)
      stranger.sendConnect({ properties })
      const connack = await stranger.next('connack')
      assert.equal(connack.properties?.reasonString !== undefined, isLarge)
      await stranger.end()
    }
  })

  it('[MQTT-3.2.2-15] a packet as long as CONNACK allowed is taken, though a reload allows less since', async () => {
    const client = await PacketClient.client(hub.port, { clientId: 'before' })
    await hub.reload({ mqtt: { host: '127.0.0.1', port: -1, max_packet_size: '1KB' } })
    client.publish('long', 'x'.repeat(2_000), { messageId: 1 })
    assert.equal((await client.next('puback')).messageId, 1)
    await client.disconnect()
    const later = await PacketClient.connect(hub.port, { clientId: 'later' })
    assert.equal(later.connack.properties?.maximumPacketSize, 1_024)
    later.client.publish('long', 'x'.repeat(2_000), { messageId: 1 })
    assert.equal(await later.client.disconnected(), 0x95)
    await hub.reload({})
  })
})
