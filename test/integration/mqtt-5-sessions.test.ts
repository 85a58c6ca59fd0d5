import assert from 'node:assert/strict'
import { connect, type IClientOptions, type IDisconnectPacket, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { eventually } from '../support/link-node.ts'
import { HeldCapture, MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { StoreFolder } from '../support/opened-store.ts'

const LASTING = { clean: false, properties: { sessionExpiryInterval: 0xffff_ffff } }

interface Visit {
  readonly client: MqttClient
  /** Topic, payload and QoS of each message. */
  readonly got: string[]
  readonly isPresent: boolean
}

/** The official client of MQTT 5, its sessions and what is retained for it, on a real store. */
const SHARED = { subject: 'cmd', queue: 'g' }

describe('MQTT 5 clients whose sessions last', () => {
  let folder: StoreFolder
  let core: MqttCore
  let door: MqttFrontDoor
  const clients: MqttClient[] = []

  beforeEach(async () => {
    folder = new StoreFolder()
    await start()
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true)
    await door.destroy()
    await core.close()
    await folder.remove()
  })

  async function start(): Promise<void> {
    core = new MqttCore({ store: await folder.open() })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
  }

  async function restart(): Promise<void> {
    for (const client of clients.splice(0)) await client.endAsync(true)
    await door.drain()
    await core.close()
    await core.store?.drain()
    await start()
  }

  /** Connects, and listens from the first message on: what waits for it comes right behind CONNACK. */
  async function visit(clientId: string, options: IClientOptions = {}): Promise<Visit> {
    const client = connect(`mqtt://127.0.0.1:${door.port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      clientId,
      ...options,
    })
    clients.push(client)
    const got: string[] = []
    client.on('message', (topic, payload, { qos }) => got.push(`${topic} ${payload} ${qos}`))
    const connack = await new Promise<{ readonly sessionPresent: boolean }>((resolve, reject) => {
      client.once('connect', resolve)
      client.once('error', reject)
    })
    return { client, got, isPresent: connack.sessionPresent }
  }

  it('get what was published while they were away, also over a restart', async () => {
    const device = await visit('device', LASTING)
    await device.client.subscribeAsync('cmd/#', { qos: 2 })
    await device.client.endAsync()
    const publisher = await visit('publisher')
    await publisher.client.publishAsync('cmd/1', 'one', { qos: 1 })
    await restart()
    const again = await visit('publisher')
    await again.client.publishAsync('cmd/2', 'two', { qos: 2 })
    const back = await visit('device', LASTING)
    assert.equal(back.isPresent, true)
    await eventually(() => back.got.length === 2, 'both messages')
    assert.deepEqual(back.got, ['cmd/1 one 1', 'cmd/2 two 2'])
  })

  it('of MQTT 3.1.1 have them too, and a clean session ends them', async () => {
    const old = { protocolVersion: 4, clean: false } as const
    const device = await visit('device', old)
    assert.equal(device.isPresent, false)
    await device.client.subscribeAsync('cmd', { qos: 1 })
    await device.client.endAsync()
    const { client } = await visit('publisher')
    await client.publishAsync('cmd', 'x', { qos: 1 })
    const back = await visit('device', old)
    assert.equal(back.isPresent, true)
    await eventually(() => back.got.length === 1, 'the message')
    await back.client.endAsync()
    const clean = await visit('device', { protocolVersion: 4, clean: true })
    assert.equal(clean.isPresent, false)
    await clean.client.endAsync()
    assert.equal((await visit('device', old)).isPresent, false)
  })

  it('publish at QoS 2 what is stored with its identifier, when PUBREC comes', async () => {
    const capture = new HeldCapture(core.space('$G'), 'held')
    const { client } = await visit('publisher', LASTING)
    let isDone = false
    const published = client.publishAsync('held', 'x', { qos: 2 }).then(() => {
      isDone = true
    })
    await eventually(() => capture.held.length === 1, 'the message')
    assert.equal(isDone, false)
    capture.commit(1)
    await published
    assert.equal(capture.held.length, 1)
  })

  it('find what is retained, over a restart, until an empty message removes it', async () => {
    const { client } = await visit('publisher')
    const properties = { contentType: 'text/plain', userProperties: { unit: 'C' } }
    await client.publishAsync('state/1', 'on', { qos: 1, retain: true, properties })
    await client.publishAsync('state/2', 'off', { qos: 2, retain: true })
    await restart()
    const late = await visit('late')
    const packets: unknown[] = []
    late.client.on('message', (topic, _payload, { retain, properties: told }) => {
      packets.push([topic, retain, told?.contentType, { ...told?.userProperties }])
    })
    await late.client.subscribeAsync('state/#', { qos: 2 })
    await eventually(() => late.got.length === 2, 'what is retained')
    assert.deepEqual(late.got.toSorted(), ['state/1 on 1', 'state/2 off 2'])
    assert.deepEqual(packets[late.got.indexOf('state/1 on 1')], [
      'state/1',
      true,
      'text/plain',
      { unit: 'C' },
    ])
    await late.client.publishAsync('state/1', '', { qos: 1, retain: true })
    const later = await visit('later')
    await later.client.subscribeAsync('state/#', { qos: 1 })
    await eventually(() => later.got.length === 1, 'what is left')
    assert.deepEqual(later.got, ['state/2 off 1'])
  })

  it('retain at QoS 2 as the first of their account, within their own transaction', async () => {
    const { client } = await visit('publisher', LASTING)
    await client.publishAsync('first', 'x', { qos: 2, retain: true })
    const { client: late, got } = await visit('late')
    await late.subscribeAsync('first', { qos: 2 })
    await eventually(() => got.length === 1, 'what is retained')
    assert.deepEqual(got, ['first x 2'])
  })

  it('leave a will that waits for them, and is published when their session ends', async () => {
    const watcher = await visit('watcher')
    await watcher.client.subscribeAsync('gone', { qos: 1 })
    const will = {
      topic: 'gone',
      payload: Buffer.from('bye'),
      qos: 1,
      properties: { willDelayInterval: 3_600 },
    } as const
    const device = await visit('device', { ...LASTING, will })
    device.client.stream.destroy()
    await eventually(() => door.counters.clients === 1, 'the end of its connection')
    const back = await visit('device', { ...LASTING, will })
    assert.equal(back.isPresent, true)
    back.client.stream.destroy()
    await eventually(() => door.counters.clients === 1, 'the end of its connection')
    await visit('device', { ...LASTING, will })
    assert.deepEqual(watcher.got, [])
    await visit('device', { clean: true })
    await eventually(() => watcher.got.length === 1, 'the will of who is taken over')
    assert.deepEqual(watcher.got, ['gone bye 1'])
  })

  it('take their will with them when they say good-bye, but for reason 4', async () => {
    const watcher = await visit('watcher')
    await watcher.client.subscribeAsync('gone/#', { qos: 1 })
    for (const [topic, reasonCode] of [
      ['gone/silently', 0],
      ['gone/loudly', 4],
    ] as const) {
      const will = { topic, payload: Buffer.from('bye'), qos: 0 } as const
      const { client } = await visit(topic, { ...LASTING, will })
      await client.endAsync(false, { reasonCode })
    }
    await eventually(() => watcher.got.length === 1, 'the will')
    assert.deepEqual(watcher.got, ['gone/loudly bye 0'])
  })

  it('are told when another takes their place, and when the server ends', async () => {
    const elder = await visit('twin')
    const first = disconnected(elder.client)
    const younger = await visit('twin')
    assert.equal(await first, 0x8e)
    const second = disconnected(younger.client)
    await door.drain()
    assert.equal(await second, 0x8b)
  })

  it('are sent to another server in lame duck', async () => {
    await door.destroy()
    door = new MqttFrontDoor({ ...MQTT_CONFIG, server_reference: 'other:1883' })
    await door.start(core)
    const { client } = await visit('client')
    const packet = new Promise<IDisconnectPacket>((resolve) => client.once('disconnect', resolve))
    await door.leave({ graceMs: 0, durationMs: 1 })
    const { reasonCode, properties } = await packet
    assert.deepEqual([reasonCode, properties?.serverReference], [0x9c, 'other:1883'])
  })

  it('are shown with their version, the expiry of their session and what is under way', async () => {
    const device = await visit('device', LASTING)
    await device.client.subscribeAsync('$share/g/cmd', { qos: 1 })
    const old = await visit('old', { protocolVersion: 4 })
    const idle = { inflight: 0, sharedSubscriptions: 0, subscriptionsOfSession: [] }
    const sharing = { sharedSubscriptions: 1, subscriptionsOfSession: [SHARED] }
    const facts = [...door.connections()].map(({ mqttClient, mqtt }) => {
      return { mqttClient, ...mqtt, subscriptionsOfSession: mqtt?.subscriptionsOfSession() }
    })
    const expiry = { sessionExpirySeconds: 0xffff_ffff }
    assert.deepEqual(facts, [
      { mqttClient: 'device', version: '5.0', ...idle, ...sharing, ...expiry },
      { mqttClient: 'old', version: '3.1.1', sessionExpirySeconds: 0, ...idle },
    ])
    await old.client.endAsync()
  })

  it('lose all of it with a purge of their account', async () => {
    const device = await visit('device', LASTING)
    await device.client.subscribeAsync('cmd', { qos: 1 })
    await device.client.publishAsync('state', 'on', { qos: 1, retain: true })
    const told = disconnected(device.client)
    await door.purge('$G')
    assert.equal(await told, 0x98)
    const back = await visit('device', LASTING)
    assert.equal(back.isPresent, false)
    await back.client.subscribeAsync('state', { qos: 1 })
    await back.client.subscribeAsync('cmd', { qos: 1 })
    await back.client.publishAsync('cmd', 'x', { qos: 1 })
    await eventually(() => back.got.length > 0, 'a message')
    assert.deepEqual(back.got, ['cmd x 1'])
  })
})

function disconnected(client: MqttClient): Promise<number | undefined> {
  return new Promise((resolve) => {
    client.once('disconnect', ({ reasonCode }) => resolve(reasonCode))
  })
}
