import assert from 'node:assert/strict'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt'
import { eventually } from '../support/link-node.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { connect as connectNats } from '../support/patience.ts'

const NOT_AUTHORIZED = { code: 0x87 }
const EXPIRES_MS = 120_000
const DURABLE = { clean: false, properties: { sessionExpiryInterval: 1_000 } }

/** `allow_responses`: a device that may publish nothing but answers to what it was asked. */
describe('MQTT devices that may only answer', function () {
  this.timeout(30_000)

  let hub: MqttHub
  let nats: NatsConnection
  const clients: MqttClient[] = []

  before(async () => {
    const permissions = {
      publish: { allow: ['own.>'], deny: ['answers.shut'] },
      subscribe: 'svc.>',
      allow_responses: { max: 2, expires: `${EXPIRES_MS}ms` },
    }
    const users = [
      { user: 'device', password: 'p', permissions },
      { user: 'all', password: 'p' },
    ]
    hub = await MqttHub.start({}, { authorization: { users } })
    const { port } = hub.running.ports.client
    nats = await connectNats({ port, user: 'all', pass: 'p' })
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true)
  })

  after(async () => {
    await nats.close()
    await hub.remove()
  })

  async function open(username: string, options: IClientOptions = {}): Promise<MqttClient> {
    const login = { username, password: 'p', protocolVersion: 5, reconnectPeriod: 0 } as const
    const client = await connectAsync(`mqtt://127.0.0.1:${hub.port}`, { ...login, ...options })
    clients.push(client)
    return client
  }

  /** What it is asked, where the answers go. */
  async function serve(filter: string, qos: 0 | 1, options: IClientOptions = {}) {
    const device = await open('device', options)
    const asked: string[] = []
    device.on('message', (_topic: string, _payload: Buffer, packet: IPublishPacket) => {
      asked.push(packet.properties?.responseTopic ?? '')
    })
    await device.subscribeAsync(filter, { qos })
    return { device, asked }
  }

  it('answer a NATS client, so often', async () => {
    const { device, asked } = await serve('svc/q', 0)
    device.once('message', (_topic, _payload, { properties }) => {
      device.publish(properties?.responseTopic ?? '', 'yes', { qos: 1 })
    })
    assert.equal((await nats.request('svc.q', 'well?')).string(), 'yes')
    const [reply = ''] = asked
    await device.publishAsync(reply, 'once more', { qos: 1 })
    await assert.rejects(device.publishAsync(reply, 'too much', { qos: 1 }), NOT_AUTHORIZED)
    await device.publishAsync('own/x', 'its own', { qos: 1 })
  })

  for (const [name, filter, options] of [
    ['a session that ends with its connection', 'svc/1', {}],
    ['a session on disk', 'svc/2', { ...DURABLE, clientId: 'on-disk' }],
    ['a shared subscription', '$share/workers/svc/3', {}],
    ['a shared subscription of a session on disk', '$share/w/svc/4', { ...DURABLE, clientId: 'w' }],
  ] as const) {
    it(`answer an MQTT client: ${name}`, async () => {
      const { device, asked } = await serve(filter, 1, options)
      const client = await open('all')
      const answers: string[] = []
      client.on('message', (topic, payload) => answers.push(`${topic} ${payload}`))
      await client.subscribeAsync('answers/#')
      await assert.rejects(device.publishAsync('answers/1', 'x', { qos: 1 }), NOT_AUTHORIZED)
      const properties = { responseTopic: 'answers/1' }
      await client.publishAsync(`svc/${filter.slice(-1)}`, 'well?', { qos: 1, properties })
      await eventually(() => asked.length === 1, 'the question')
      assert.deepEqual(asked, ['answers/1'])
      await device.publishAsync('answers/1', 'yes', { qos: 1 })
      await assert.rejects(device.publishAsync('answers/2', 'x', { qos: 1 }), NOT_AUTHORIZED)
      await eventually(() => answers.length === 1, 'the answer')
      assert.deepEqual(answers, ['answers/1 yes'])
    })
  }

  it('answer what was retained, and what is asked at a topic that is denied', async () => {
    const client = await open('all')
    const properties = { responseTopic: 'answers/shut' }
    await client.publishAsync('svc/kept', 'well?', { qos: 1, retain: true, properties })
    const { device, asked } = await serve('svc/kept', 1)
    await eventually(() => asked.length === 1, 'the question')
    await device.publishAsync('answers/shut', 'yes', { qos: 1 })
  })

  it('answer in time', async () => {
    const { device, asked } = await serve('svc/late', 1, { keepalive: 0 })
    const client = await open('all')
    const properties = { responseTopic: 'answers/late' }
    await client.publishAsync('svc/late', 'well?', { qos: 1, properties })
    await eventually(() => asked.length === 1, 'the question')
    hub.clock.skip(EXPIRES_MS + 1)
    await assert.rejects(device.publishAsync('answers/late', 'x', { qos: 1 }), NOT_AUTHORIZED)
  })
})
