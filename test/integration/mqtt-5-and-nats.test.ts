import assert from 'node:assert/strict'
import { type Msg, type NatsConnection, headers as natsHeaders } from '@nats-io/transport-node'
import {
  connect,
  connectAsync,
  type IClientOptions,
  type IPublishPacket,
  type MqttClient,
} from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { eventually } from '../support/link-node.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { StoreFolder } from '../support/opened-store.ts'
import { connect as connectNats } from '../support/patience.ts'

type PublishProperties = NonNullable<IPublishPacket['properties']>

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = 10
const FOR_EVER = { sessionExpiryInterval: 0xffff_ffff }

/** The official clients of MQTT 5 and NATS, on a server with a store: what one says the other hears. */
describe('MQTT 5 and NATS clients', function () {
  this.timeout(30_000)

  let folder: StoreFolder
  let core: MqttCore
  let door: MqttFrontDoor
  let nats: NatsConnection
  const clients: MqttClient[] = []

  beforeEach(async () => {
    folder = new StoreFolder()
    await start()
  })

  afterEach(async () => {
    await stop()
    await folder.remove()
  })

  async function start(): Promise<void> {
    core = new MqttCore({ store: await folder.open() })
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.open?.(core)
    await door.start(core)
    nats = await connectNats({ port: await core.listenForNats() })
  }

  async function stop(): Promise<void> {
    for (const client of clients.splice(0)) await client.endAsync(true)
    await nats.close()
    await door.drain()
    await core.close()
    await core.store?.drain()
  }

  async function open(options: IClientOptions = {}): Promise<MqttClient> {
    const url = `mqtt://127.0.0.1:${door.port}`
    const client = await connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0, ...options })
    clients.push(client)
    return client
  }

  /** All that a client gets, in its order. */
  function listen(client: MqttClient): IPublishPacket[] {
    const got: IPublishPacket[] = []
    client.on('message', (_topic, _payload, packet) => got.push(packet))
    return got
  }

  async function nextOf(got: readonly IPublishPacket[]): Promise<IPublishPacket> {
    await eventually(() => got.length > 0, 'a message comes')
    return got[0]!
  }

  async function natsMessage(subject: string, publish: () => unknown): Promise<Msg> {
    const subscription = nats.subscribe(subject, { max: 1 })
    await nats.flush()
    await publish()
    for await (const message of subscription) return message
    throw new Error('the subscription ended')
  }

  const properties: PublishProperties = {
    payloadFormatIndicator: true,
    contentType: 'text/plain; charset=utf-8',
    messageExpiryInterval: 600,
    correlationData: Buffer.from([0, 1, 255]),
    responseTopic: 'answers/v1.2/me',
    userProperties: { unit: 'C', site: ['a', 'b'], 'Petiole-Qos': '2', größe: 'x\r\ny', '': ' ' },
  }

  it('properties of a publish are headers to NATS clients', async () => {
    const mqtt = await open()
    const message = await natsMessage('plant.>', () =>
      mqtt.publishAsync('plant/7', '21.5', { qos: 1, properties }),
    )
    const fields = [...(message.headers ?? [])].map(([name, values]) => [name, ...values])
    assert.deepEqual(Object.fromEntries(fields.map(([name, ...values]) => [name, values])), {
      'Petiole-Qos': ['1'],
      'Mqtt-Payload-Format': ['1'],
      'Mqtt-Content-Type': ['text/plain; charset=utf-8'],
      'Mqtt-Message-Expiry': ['600'],
      'Mqtt-Correlation-Data': ['AAH/'],
      'Mqtt-Response-Topic': ['answers/v1.2/me'],
      unit: ['C'],
      site: ['a', 'b'],
      'Mqtt-User-Property': ['Petiole-Qos=2', 'größe=x%0D%0Ay', '=%20'],
    })
    assert.equal(message.reply, 'answers.v1//2.me')
    assert.equal(message.string(), '21.5')
  })

  it('properties of a publish are the same to other MQTT 5 clients, live and by way of NATS', async () => {
    const [publisher, subscriber] = [await open(), await open()]
    const got = listen(subscriber)
    await subscriber.subscribeAsync(['live/#', 'back/#'], { qos: 2 })
    const message = await natsMessage('live.>', () =>
      publisher.publishAsync('live/1', 'x', { qos: 1, properties }),
    )
    const { headers, reply = '' } = message
    nats.publish('back.1', message.data, { reply, ...(headers && { headers }) })
    await eventually(() => got.length === 2, 'both messages come')
    for (const { properties: received, qos } of got) {
      assert.equal(qos, 1)
      assert.deepEqual(plain(received), properties)
    }
  })

  it('headers of NATS clients are user properties', async () => {
    const mqtt = await open()
    const got = listen(mqtt)
    await mqtt.subscribeAsync('cmd/#', { qos: 1 })
    const headers = natsHeaders()
    for (const [name, value] of [
      ['Unit', 'C'],
      ['a', '1'],
      ['a', '2'],
      ['Mqtt-Content-Type', 'x'],
    ]) {
      headers.append(name ?? '', value ?? '')
    }
    nats.publish('cmd.1', 'open', { headers })
    const packet = await nextOf(got)
    assert.deepEqual({ ...packet.properties?.userProperties }, { Unit: 'C', a: ['1', '2'] })
    assert.equal(packet.properties?.contentType, 'x')
  })

  it('a device answers NATS requests', async () => {
    const mqtt = await open()
    mqtt.on('message', (_topic, payload, packet) => {
      const { responseTopic = '', userProperties } = packet.properties ?? {}
      mqtt.publish(responseTopic, `${payload}!`, {
        properties: { userProperties: { ...userProperties } },
      })
    })
    await mqtt.subscribeAsync('svc/echo')
    const headers = natsHeaders()
    headers.set('Trace', '7')
    const answer = await nats.request('svc.echo', 'hi', { timeout: 20_000, headers })
    assert.equal(answer.string(), 'hi!')
    assert.equal(answer.headers?.get('Trace'), '7')
  })

  it('a NATS service answers requests of a device', async () => {
    nats.subscribe('svc.upper', {
      callback: (_error, message) => {
        const { headers } = message
        message.respond(message.string().toUpperCase(), headers && { headers })
      },
    })
    await nats.flush()
    const mqtt = await open()
    const got = listen(mqtt)
    await mqtt.subscribeAsync('clients/me/+')
    const correlationData = Buffer.from('request 1')
    const asked = {
      responseTopic: 'clients/me/answers',
      correlationData,
      userProperties: { a: 'b' },
    }
    await mqtt.publishAsync('svc/upper', 'hi', { properties: asked })
    const packet = await nextOf(got)
    assert.equal(packet.topic, 'clients/me/answers')
    assert.equal(packet.payload.toString(), 'HI')
    assert.deepEqual(packet.properties?.correlationData, correlationData)
    assert.deepEqual({ ...packet.properties?.userProperties }, { a: 'b' })
  })

  it('a device answers a request that came while it was away', async () => {
    const away = await open({ clientId: 'device', properties: FOR_EVER })
    // Nobody but the server says whose a message is.
    await away.subscribeAsync('ask/#', { qos: 1, nl: true })
    await away.endAsync()
    const inbox = natsMessage('answers.1', async () => {
      const headers = natsHeaders()
      headers.set('Petiole-Qos', '1')
      headers.set('Petiole-From', 'device')
      nats.publish('ask.me', 'hi', { reply: 'answers.1', headers })
      await nats.flush()
      // What waits for it may come before a promise of its connection is told: it listens first.
      const back = connect(`mqtt://127.0.0.1:${door.port}`, {
        protocolVersion: 5,
        reconnectPeriod: 0,
        clientId: 'device',
        clean: false,
        properties: FOR_EVER,
      })
      clients.push(back)
      back.on('message', (_topic, payload, packet) => {
        back.publish(packet.properties?.responseTopic ?? '', `${payload}!`)
      })
    })
    const answer = await inbox
    assert.equal(answer.string(), 'hi!')
  })

  it('a publish with more properties than are taken is told so', async () => {
    const mqtt = await open()
    const userProperties = { many: Array.from({ length: 2_000 }, () => 'x') }
    const refused = mqtt.publishAsync('a', 'x', { qos: 1, properties: { userProperties } })
    await assert.rejects(refused, (error: { code?: unknown }) => error.code === 0x97)
    await mqtt.publishAsync('a', 'x', { qos: 1 })
  })

  it('retained messages are there after a restart, with their properties and what is left of their time', async () => {
    const publisher = await open()
    await publisher.publishAsync('kept/1', 'one', { qos: 1, retain: true, properties })
    await publisher.publishAsync('kept/2', 'two', { qos: 0, retain: true })
    await publisher.publishAsync('kept/3', 'three', { qos: 2, retain: true })
    await publisher.publishAsync('kept/3', '', { qos: 1, retain: true })
    await stop()
    await start()
    const subscriber = await open()
    const got = listen(subscriber)
    await subscriber.subscribeAsync('kept/#', { qos: 2 })
    await eventually(() => got.length === 2, 'both come')
    const [one, two] = got.sort((a, b) => (a.topic < b.topic ? -1 : 1))
    assert.deepEqual(
      [one?.topic, one?.payload.toString(), one?.qos, one?.retain],
      ['kept/1', 'one', 1, true],
    )
    const { messageExpiryInterval = 0 } = one?.properties ?? {}
    assert.deepEqual(plain({ ...one?.properties, messageExpiryInterval: 600 }), properties)
    assert.ok(messageExpiryInterval > 0 && messageExpiryInterval <= 600, `${messageExpiryInterval}`)
    assert.deepEqual(
      [two?.topic, two?.payload.toString(), two?.qos, two?.retain],
      ['kept/2', 'two', 0, true],
    )
  })

  it('retained messages are seen by whoever subscribes next, whatever is on disk yet', async () => {
    const [publisher, subscriber] = [await open(), await open()]
    const got = listen(subscriber)
    publisher.publish('now/1', 'old', { qos: 0, retain: true })
    await publisher.publishAsync('now/1', 'new', { qos: 0, retain: true })
    publisher.publish('now/2', 'gone', { qos: 0, retain: true })
    publisher.publish('now/2', '', { qos: 0, retain: true })
    await publisher.subscribeAsync('end')
    await subscriber.subscribeAsync('now/#', { qos: 1 })
    await subscriber.subscribeAsync('end', { qos: 1 })
    await publisher.publishAsync('end', 'x', { qos: 1 })
    await eventually(() => got.some(({ topic }) => topic === 'end'), 'the last one comes')
    await eventually(() => got.some(({ topic }) => topic === 'now/1'), 'the retained one comes')
    assert.deepEqual(
      got.map(({ topic, payload, retain }) => [topic, payload.toString(), retain]).sort(),
      [
        ['end', 'x', false],
        ['now/1', 'new', true],
      ],
    )
  })

  it(`no retained message comes behind the one that replaced it (seed=${seed})`, async () => {
    for (let run = 0; run < RUNS; run++) {
      const random = new SeededRandom(seed + run)
      const publisher = await open()
      const published = new Map<string, string[]>()
      const publish = (value: string): Promise<unknown> => {
        const topic = `race/${run}/${random.below(60)}`
        const payload = random.below(5) === 0 ? '' : value
        published.set(topic, [...(published.get(topic) ?? []), payload])
        return publisher.publishAsync(topic, payload, { qos: 1, retain: true })
      }
      await Promise.all(Array.from({ length: 120 }, (_, i) => publish(`before ${i}`)))
      const subscriber = await open({ properties: { receiveMaximum: 3 } })
      const places = new Map<string, number>()
      const last = new Map<string, string>()
      const wrong: string[] = []
      subscriber.on('message', (topic, bytes) => {
        const payload = bytes.toString()
        last.set(topic, payload)
        if (payload === '') return
        // Each comes once at most: as retained, or as it is published.
        const place = published.get(topic)?.indexOf(payload) ?? -1
        if (place <= (places.get(topic) ?? -1)) wrong.push(`${topic} ${payload}`)
        places.set(topic, place)
      })
      const subscribed = subscriber.subscribeAsync(`race/${run}/#`, { qos: 1 })
      for (let i = 0; i < 150; i++) {
        const done = publish(`while ${i}`)
        if (random.below(4) === 0) await done
      }
      await subscribed
      const isAtEnd = (): boolean =>
        [...published].every(([topic, values]) => (last.get(topic) ?? '') === values.at(-1))
      await eventually(isAtEnd, `seed=${seed + run}: the last of each topic comes`)
      assert.deepEqual(wrong, [], `seed=${seed + run}`)
    }
  })
})

/** The client's objects have no prototype. */
function plain(properties: PublishProperties | undefined): PublishProperties {
  return { ...properties, userProperties: { ...properties?.userProperties } }
}
