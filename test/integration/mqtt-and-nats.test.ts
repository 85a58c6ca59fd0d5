import assert from 'node:assert/strict'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { connect as connectNats } from '../support/patience.ts'

/** The official clients of both sides, in one subject space. */
describe('MQTT and NATS clients', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  let nats: NatsConnection
  let mqtt: MqttClient

  beforeEach(async () => {
    core = new MqttCore()
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
    nats = await connectNats({ port: await core.listenForNats() })
    mqtt = await connectAsync(`mqtt://127.0.0.1:${door.port}`, { reconnectPeriod: 0 })
  })

  afterEach(async () => {
    await mqtt.endAsync(true)
    await nats.close()
    await door.destroy()
    await core.close()
  })

  async function natsMessage(subject: string, publish: () => unknown): Promise<Msg> {
    const subscription = nats.subscribe(subject, { max: 1 })
    await nats.flush()
    await publish()
    for await (const message of subscription) return message
    throw new Error('the subscription ended')
  }

  it('a reading at QoS 0 reaches NATS subscribers bare', async () => {
    const message = await natsMessage('plant.>', () => mqtt.publishAsync('plant/7/temp', '21.5'))
    assert.equal(message.subject, 'plant.7.temp')
    assert.equal(message.string(), '21.5')
    assert.equal(message.headers, undefined)
  })

  it('a reading at QoS 1 carries its QoS in one header', async () => {
    const message = await natsMessage('plant.>', () =>
      mqtt.publishAsync('plant/v1.2/a b', '1', { qos: 1 }),
    )
    assert.equal(message.subject, 'plant.v1//2.a/%20b')
    assert.deepEqual([...(message.headers ?? [])], [['Petiole-Qos', ['1']]])
  })

  it('a NATS message reaches MQTT subscribers, at QoS 0, without its headers', async () => {
    await mqtt.subscribeAsync('cmd/#', { qos: 1 })
    const received = nextMessage(mqtt)
    nats.publish('cmd.valve.3', 'open')
    const { topic, payload, qos } = await received
    assert.deepEqual([topic, payload, qos], ['cmd/valve/3', 'open', 0])
  })

  it('the QoS of an MQTT publish survives a way through NATS', async () => {
    const message = await natsMessage('there', () => mqtt.publishAsync('there', 'x', { qos: 1 }))
    await mqtt.subscribeAsync('back', { qos: 1 })
    const received = nextMessage(mqtt)
    nats.publish('back', message.data, message.headers ? { headers: message.headers } : {})
    const { payload, qos } = await received
    assert.deepEqual([payload, qos], ['x', 1])
  })

  it('a device answers a NATS request at its reply topic', async () => {
    await mqtt.subscribeAsync('ask/#')
    mqtt.on('message', (topic, payload) => {
      if (topic === 'ask/me') mqtt.publish('_INBOX/fixed', `${payload}!`)
    })
    const answer = await natsMessage('_INBOX.fixed', () => nats.publish('ask.me', 'hi'))
    assert.equal(answer.string(), 'hi!')
  })

  it('a subject that no topic can carry is left out and counted', async () => {
    await mqtt.subscribeAsync('odd/#')
    const received = nextMessage(mqtt)
    nats.publish('odd.a+b', 'never')
    nats.publish('odd.fine', 'seen')
    const { topic } = await received
    assert.equal(topic, 'odd/fine')
    assert.equal(door.counters.untranslatable, 1)
  })

  it('1,000 readings at QoS 1 arrive once each, in order, at a QoS 1 subscriber', async () => {
    const got: number[] = []
    const all = new Promise<void>((resolve) => {
      mqtt.on('message', (_topic, payload) => {
        got.push(Number(payload))
        if (got.length === 1_000) resolve()
      })
    })
    await mqtt.subscribeAsync('many', { qos: 1 })
    const publisher = await connectAsync(`mqtt://127.0.0.1:${door.port}`, { reconnectPeriod: 0 })
    const published = Array.from({ length: 1_000 }, (_, i) =>
      publisher.publishAsync('many', String(i), { qos: 1 }),
    )
    await Promise.all(published)
    await all
    assert.deepEqual(
      got,
      Array.from({ length: 1_000 }, (_, i) => i),
    )
    await publisher.endAsync()
  })
})

interface Delivered {
  readonly topic: string
  readonly payload: string
  readonly qos: number
}

function nextMessage(client: MqttClient): Promise<Delivered> {
  return new Promise((resolve) => {
    client.once('message', (topic, payload, packet) => {
      resolve({ topic, payload: String(payload), qos: packet.qos })
    })
  })
}
