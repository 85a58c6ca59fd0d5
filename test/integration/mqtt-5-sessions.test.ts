import assert from 'node:assert/strict'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { eventually } from '../support/link-node.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { StoreFolder } from '../support/opened-store.ts'

const FOR_EVER = { sessionExpiryInterval: 0xffff_ffff }

/** The official client of MQTT 5, its sessions and what is retained for it, on a real store. */
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

  async function open(clientId: string, options: IClientOptions = {}) {
    const client = await connectAsync(`mqtt://127.0.0.1:${door.port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      clientId,
      ...options,
    })
    clients.push(client)
    return client
  }

  /** A client that comes back, and all that it gets: what waits for it may come before anybody listens. */
  function comeBack(clientId: string, options: IClientOptions = {}) {
    const got: string[] = []
    const present: boolean[] = []
    const client = open(clientId, { clean: false, properties: FOR_EVER, ...options, manualConnect: true })
    return { got, present, client }
  }

  function listen(client: MqttClient): string[] {
    const got: string[] = []
    client.on('message', (topic, payload, { qos }) => got.push(`${topic} ${payload} ${qos}`))
    return got
  }

  async function connectListening(clientId: string, options: IClientOptions) {
    const { connect } = await import('mqtt')
    const client = connect(`mqtt://127.0.0.1:${door.port}`, {
      protocolVersion: 5,
      reconnectPeriod: 0,
      clientId,
      ...options,
    })
    clients.push(client)
    const got = listen(client)
    const connack = await new Promise<{ readonly sessionPresent: boolean }>((resolve, reject) => {
      client.once('connect', resolve)
      client.once('error', reject)
    })
    return { client, got, isPresent: connack.sessionPresent }
  }
  void comeBack
  void restart

  it('get what was published while they were away, also over a restart', async () => {
    const device = await open('device', { clean: true, properties: FOR_EVER })
    await device.subscribeAsync('cmd/#', { qos: 2 })
    await device.endAsync()
    const publisher = await open('publisher')
    await publisher.publishAsync('cmd/1', 'one', { qos: 1 })
    await restart()
    const again = await open('publisher')
    await again.publishAsync('cmd/2', 'two', { qos: 2 })
    const back = await connectListening('device', { clean: false, properties: FOR_EVER })
    assert.equal(back.isPresent, true)
    await eventually(() => back.got.length === 2, 'both messages')
    assert.deepEqual(back.got, ['cmd/1 one 1', 'cmd/2 two 2'])
  })
})
