import assert from 'node:assert/strict'
import type { IConnectPacket } from 'mqtt-packet'
import { packetOf } from '../support/mqtt-codec.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'

/** The server closes when it has heard that: until a lost connection is noticed no time counts. */
const WITH_WILL = { reasonCode: 4 }

type Will = Required<IConnectPacket>['will']

describe('MQTT 5: wills', () => {
  let hub: MqttHub
  let witness: PacketClient
  let count = 0
  let clientId: string

  before(async () => {
    hub = await MqttHub.start()
  })

  after(() => hub.remove())

  beforeEach(async () => {
    count++
    clientId = `mortal-${count}`
    witness = await PacketClient.client(hub.port, { clientId: `witness-${count}` })
    await witness.subscribe(1, [`wills/${count}`])
  })

  afterEach(() => witness.destroy())

  /** @param expiry of the session, in seconds */
  function come(will: Partial<Will>, expiry = 0, clean = true): Promise<PacketClient> {
    return PacketClient.client(hub.port, {
      clientId,
      clean,
      will: { topic: `wills/${count}`, payload: 'gone', qos: 0, retain: false, ...will },
      properties: { sessionExpiryInterval: expiry },
    })
  }

  /** Nothing that was on its way before now is a will. */
  async function isSilent(): Promise<void> {
    const probe = await PacketClient.client(hub.port, { clientId: 'probe' })
    await probe.disconnect()
    assert.deepEqual(await witness.beforePong(), [])
  }

  it('[MQTT-3.1.2-8, 3.1.2-10] is published when the connection is lost, and once', async () => {
    const client = await come({})
    await client.destroy()
    assert.equal(await witness.message(), `wills/${count} gone`)
    const again = await PacketClient.client(hub.port, { clientId })
    await again.destroy()
    await isSilent()
  })

  it('[MQTT-3.1.3-10] keeps all of its properties in their order', async () => {
    const client = await PacketClient.open(hub.port)
    const properties = '260001610001310800017203000174090001002600016100013201 01'
    const topic = Buffer.from(`wills/${count}`)
    const name = `${hex16(topic.length)}${topic.toString('hex')}`
    const connect = `0004 4d515454 05 06 0000 00 0001 6d 21 1800000000 ${properties} ${name} 0001 78`
    client.raw(packetOf('10', connect))
    await client.next('connack')
    await client.destroy()
    await witness.next('publish')
    const publish = packetOf('30', name, '1c', properties, '78')
    assert.ok(witness.received.includes(publish), witness.received.toString('hex'))
  })

  it('[MQTT-3.14.4-3] DISCONNECT 0 discards it', async () => {
    const client = await come({})
    await client.disconnect()
    await isSilent()
  })

  it('DISCONNECT 0x04 publishes it', async () => {
    const client = await come({})
    await client.disconnect({ reasonCode: 4 })
    assert.equal(await witness.message(), `wills/${count} gone`)
  })

  it('a protocol error and a takeover publish it', async () => {
    const client = await come({})
    client.raw('36 03 0001 61')
    await client.end()
    assert.equal(await witness.message(), `wills/${count} gone`)
    const elder = await come({})
    const younger = await PacketClient.client(hub.port, { clientId })
    await elder.end()
    assert.equal(await witness.message(), `wills/${count} gone`)
    await younger.destroy()
  })

  it('has its QoS and its properties, without the delay', async () => {
    const client = await come({
      qos: 1,
      payload: Buffer.from([0, 0xff]),
      properties: {
        willDelayInterval: 0,
        payloadFormatIndicator: false,
        messageExpiryInterval: 600,
        contentType: 'c',
        responseTopic: 'r',
        correlationData: Buffer.from('d'),
        userProperties: { a: ['1', '2'], b: '3' },
      },
    })
    await client.destroy()
    const { payload, properties, qos } = await witness.next('publish')
    assert.deepEqual([payload, qos], [Buffer.from([0, 0xff]), 1])
    const { messageExpiryInterval = 0, userProperties, ...rest } = { ...properties }
    assert.ok(messageExpiryInterval <= 600 && messageExpiryInterval > 500)
    assert.deepEqual({ ...userProperties }, { a: ['1', '2'], b: '3' })
    const { payloadFormatIndicator = false, ...others } = rest
    assert.equal(payloadFormatIndicator, false)
    assert.deepEqual(others, {
      contentType: 'c',
      responseTopic: 'r',
      correlationData: Buffer.from('d'),
    })
  })

  it('[MQTT-3.1.2-14, 3.1.2-15] is retained when it says so', async () => {
    for (const retain of [false, true]) {
      const client = await come({ retain, payload: `${retain}` })
      await client.destroy()
      const { payload, retain: isRetained } = await witness.next('publish')
      assert.deepEqual([`${payload}`, isRetained], [`${retain}`, false], 'to who is subscribed')
      const late = await PacketClient.client(hub.port, { clientId: 'late' })
      late.publish('behind', 'it', { retain: true })
      await late.subscribe(1, [`wills/${count}`])
      await late.subscribe(2, ['behind'])
      if (retain) {
        const kept = await late.next('publish')
        assert.deepEqual([`${kept.payload}`, kept.retain], ['true', true])
      }
      assert.equal(await late.message(), 'behind it', 'and nothing else before')
      late.publish('behind', '', { retain: true })
      await late.next('publish')
      await late.destroy()
    }
    witness.publish(`wills/${count}`, '', { retain: true })
    await witness.next('publish')
  })

  describe('with a delay', () => {
    const DELAYED = { properties: { willDelayInterval: 60 } }

    it('[MQTT-3.1.2-7, 3.1.2-8] is kept with the session, and published when the delay is over', async () => {
      const client = await come(DELAYED, 3_600)
      await client.disconnect(WITH_WILL)
      await isSilent()
      hub.clock.skip(59_000)
      await isSilent()
      hub.clock.skip(2_000)
      assert.equal(await witness.message(), `wills/${count} gone`)
    })

    it('[MQTT-3.1.3-9] is not published when the client is back before', async () => {
      const client = await come(DELAYED, 3_600)
      await client.disconnect(WITH_WILL)
      hub.clock.skip(30_000)
      const properties = { sessionExpiryInterval: 0 }
      const again = await PacketClient.client(hub.port, { clientId, clean: false, properties })
      hub.clock.skip(3_600_000)
      await isSilent()
      await again.disconnect()
      await isSilent()
    })

    it('is published when the session ends before', async () => {
      const client = await come({ properties: { willDelayInterval: 3_600 } }, 60)
      await client.disconnect(WITH_WILL)
      hub.clock.skip(61_000)
      assert.equal(await witness.message(), `wills/${count} gone`)
      const other = await come({ properties: { willDelayInterval: 3_600 } }, 0)
      await other.disconnect(WITH_WILL)
      assert.equal(await witness.message(), `wills/${count} gone`, 'at once without an expiry')
    })

    it('[MQTT-3.1.2-8] is not published when the client is back before with a clean start', async () => {
      const client = await come(DELAYED, 3_600)
      await client.disconnect(WITH_WILL)
      hub.clock.skip(59_000)
      await isSilent()
      const again = await PacketClient.client(hub.port, { clientId, clean: true })
      hub.clock.skip(3_600_000)
      await isSilent()
      await again.disconnect()
      await hub.restart()
      await witness.destroy()
      witness = await PacketClient.client(hub.port, { clientId: 'later-witness' })
      await witness.subscribe(1, [`wills/${count}`])
      hub.clock.skip(3_600_000)
      await isSilent()
    })

    it('is published when a clean start takes over the connection, for it ends the session', async () => {
      const elder = await come(DELAYED, 3_600)
      const younger = await PacketClient.client(hub.port, { clientId, clean: true })
      await elder.end()
      assert.equal(await witness.message(), `wills/${count} gone`)
      await younger.disconnect()
    })

    it('[MQTT-3.1.3-9] is not published when the connection is taken over by one that goes on', async () => {
      const elder = await come(DELAYED, 3_600)
      const properties = { sessionExpiryInterval: 3_600 }
      const younger = await PacketClient.client(hub.port, { clientId, clean: false, properties })
      await elder.end()
      hub.clock.skip(61_000)
      await isSilent()
      await younger.disconnect()
    })

    it('is published after a restart of the server', async () => {
      const client = await come(DELAYED, 3_600)
      await client.disconnect(WITH_WILL)
      await isSilent()
      await witness.destroy()
      await hub.restart()
      witness = await PacketClient.client(hub.port, { clientId: 'another-witness' })
      await witness.subscribe(1, [`wills/${count}`])
      hub.clock.skip(61_000)
      assert.equal(await witness.message(), `wills/${count} gone`)
    })
  })
})

function hex16(n: number): string {
  return n.toString(16).padStart(4, '0')
}
