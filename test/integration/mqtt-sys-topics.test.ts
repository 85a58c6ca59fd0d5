import assert from 'node:assert/strict'
import { connectAsync, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { StaticAccountBook } from '../../shared/account/index.ts'
import { eventually } from '../support/link-node.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { connect } from '../support/patience.ts'
import { userDoor } from '../support/user-door.ts'
import { accountConfig } from '../unit/account/setup.ts'

const USERS = ['A', 'B', 'SYS'].map((account) => ({ user: account, password: 'p', account }))

describe('$SYS topics over the wire', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  const clients: MqttClient[] = []

  beforeEach(async () => {
    const book = new StaticAccountBook(
      ['A', 'B', 'SYS'].map((name) => accountConfig(name)),
      'SYS',
    )
    core = new MqttCore({ accounts: book, authenticator: userDoor({ users: USERS }) })
    door = new MqttFrontDoor(MQTT_CONFIG, { sysIntervalMs: 50 })
    await door.start(core)
  })

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)))
    await door.destroy()
    await core.close()
  })

  async function device(username: string): Promise<[MqttClient, Map<string, string>]> {
    const options = { username, password: 'p', reconnectPeriod: 0 }
    const client = await connectAsync(`mqtt://127.0.0.1:${door.port}`, options)
    const seen = new Map<string, string>()
    client.on('message', (topic, payload) => seen.set(topic, payload.toString()))
    clients.push(client)
    return [client, seen]
  }

  function shows(seen: ReadonlyMap<string, string>, expected: Record<string, RegExp>) {
    const fact = () =>
      Object.entries(expected).every(([topic, value]) =>
        value.test(seen.get(`$SYS/broker/${topic}`) ?? ''),
      )
    return eventually(fact, `${JSON.stringify(Object.keys(expected))} in ${[...seen]}`)
  }

  it('a dashboard sees its account move, an operator all, NATS clients nothing of it', async () => {
    const [dashboard, seen] = await device('A')
    const [operator, all] = await device('SYS')
    const [other] = await device('B')
    const nats = await connect({ port: await core.listenForNats(), user: 'SYS', pass: 'p' })
    const heard: string[] = []
    nats.subscribe('$SYS.broker.>', { callback: (_, { subject }) => void heard.push(subject) })
    await nats.flush()
    await dashboard.subscribeAsync(['$SYS/broker/publish/#', '$SYS/broker/+/connected', '#'])
    await operator.subscribeAsync('$SYS/broker/#')
    for (const client of [dashboard, other, other]) {
      await client.publishAsync('plant/1', 'hello', { qos: 1 })
    }
    await shows(seen, {
      'publish/messages/received': /^1$/,
      'publish/bytes/received': /^5$/,
      'clients/connected': /^1$/,
    })
    await shows(all, {
      'publish/messages/received': /^3$/,
      'clients/connected': /^3$/,
      uptime: /^\d+ seconds$/,
      'load/messages/received/15min': /^\d+\.\d\d$/,
    })
    assert.equal(seen.has('$SYS/broker/uptime'), false)
    // A filter that begins with a wildcard has none of them [MQTT-4.7.2-1].
    const topics = [...seen.keys()].filter((topic) => topic.startsWith('$SYS'))
    assert.ok(
      topics.every((topic) => /publish|connected$/.test(topic)),
      topics.join(),
    )
    await other.endAsync()
    await shows(all, { 'clients/connected': /^2$/, 'publish/messages/received': /^3$/ })
    await nats.flush()
    assert.deepEqual(heard, [])
    await nats.close()
  })

  it('a device cannot make them up', async () => {
    const [dashboard, seen] = await device('A')
    await dashboard.subscribeAsync('$SYS/broker/version')
    const [liar] = await device('A')
    await liar.publishAsync('$SYS/broker/version', 'mine', { qos: 1 })
    await shows(seen, { version: /^petiole version 0\.0\.0$/ })
  })
})
