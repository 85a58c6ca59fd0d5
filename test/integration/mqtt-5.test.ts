import assert from 'node:assert/strict'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { eventually } from '../support/link-node.ts'
import { HeldCapture, MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'

/** The official client of MQTT 5. */
describe('MQTT 5 clients', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  const clients: MqttClient[] = []

  beforeEach(async () => {
    core = new MqttCore()
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true)
    await door.destroy()
    await core.close()
  })

  async function open(options: IClientOptions = {}): Promise<MqttClient> {
    const url = `mqtt://127.0.0.1:${door.port}`
    const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options })
    clients.push(client)
    return client
  }

  for (const qos of [0, 1, 2] as const) {
    it(`publish at QoS ${qos} what 3.1.1 and 5 are subscribed to`, async () => {
      const got: string[] = []
      for (const protocolVersion of [4, 5] as const) {
        const subscriber = await open({ protocolVersion })
        await subscriber.subscribeAsync('plant/#', { qos })
        subscriber.on('message', (topic, payload) => got.push(`${topic} ${payload}`))
      }
      const publisher = await open()
      await publisher.publishAsync('plant/7', 'x', { qos })
      await eventually(() => got.length === 2, 'both deliveries')
      assert.deepEqual(got, ['plant/7 x', 'plant/7 x'])
    })
  }

  it('are told that nobody takes a message, and stay', async () => {
    const client = await open()
    const codes: (number | undefined)[] = []
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback') codes.push(packet.reasonCode)
    })
    await client.publishAsync('nobody', 'x', { qos: 1 })
    assert.deepEqual(codes, [0x10])
    assert.equal(client.connected, true)
  })

  it('publish at QoS 2 once, and the message is stored when PUBREC comes', async () => {
    const capture = new HeldCapture(core.space('$G'), 'held')
    const client = await open()
    const published = client.publishAsync('held', 'x', { qos: 2 })
    await eventually(() => capture.held.length === 1, 'the message')
    assert.equal(door.counters.acknowledged, 0)
    capture.commit(1)
    await published
    assert.equal(door.counters.acknowledged, 1)
    assert.equal(capture.held.length, 1)
  })
})
