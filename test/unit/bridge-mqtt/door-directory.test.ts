import assert from 'node:assert/strict'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { MqttFrontDoor } from '../../../bridge-mqtt/index.ts'
import type { RetainedEntry, SessionEntry } from '../../../bridge-mqtt/operations/index.ts'
import { LocalClient } from '../../../shared/client/index.ts'
import { eventually } from '../../support/link-node.ts'
import { MQTT_CONFIG, MqttCore } from '../../support/mqtt-core.ts'
import { MqttLine } from '../../support/mqtt-line.ts'
import { connectPacket } from '../../support/mqtt-packets.ts'
import { StoreFolder } from '../../support/opened-store.ts'
import { DEADLINE_MS } from '../../support/patience.ts'

interface Answer {
  readonly error?: { readonly code: number; readonly description: string }
  readonly total: number | null
  readonly next: number | null
  readonly sessions: readonly SessionEntry[]
  readonly retained: readonly RetainedEntry[]
}

describe('what operators see of sessions and retained messages', () => {
  let folder: StoreFolder
  let core: MqttCore
  let door: MqttFrontDoor
  let asker: LocalClient
  const clients: MqttClient[] = []

  beforeEach(async () => {
    folder = new StoreFolder()
    core = new MqttCore({ store: await folder.open() })
    door = new MqttFrontDoor(MQTT_CONFIG, { sysIntervalMs: 3_600_000 })
    await door.open(core)
    await door.start(core)
    const { clock, random } = core.machine
    asker = new LocalClient(core.space('$G'), core.nextPeerId(), clock, random)
  })

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.endAsync(true)))
    asker.destroy()
    await door.destroy()
    await core.close()
    await folder.remove()
  })

  async function device(clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
    const url = `mqtt://127.0.0.1:${door.port}`
    const client = await connectAsync(url, { clientId, reconnectPeriod: 0, ...options })
    client.on('error', () => {})
    clients.push(client)
    return client
  }

  async function ask(name: string, body: object = {}): Promise<Answer> {
    const payload = Buffer.from(JSON.stringify(body))
    const choices = { deadlineMs: DEADLINE_MS }
    const answer = await asker.request(`$MQTT.REQ.NMQTT.${name}`, payload, choices)
    return JSON.parse(Buffer.from(answer.payload).toString())
  }

  async function keeper(): Promise<void> {
    const client = await device('keeper', { clean: false })
    await client.subscribeAsync({ 'a/#': { qos: 1 }, b: { qos: 0 } })
    await client.endAsync()
    await eventually(() => door.counters.clients === 0, 'the keeper to be gone')
  }

  it('a session that waits, with its backlog', async () => {
    await keeper()
    const other = await device('other')
    for (let i = 0; i < 3; i++) await other.publishAsync(`a/${i}`, 'x', { qos: 1 })
    const { sessions, total } = await ask('SESSIONS')
    const [entry] = sessions
    assert.ok(entry !== undefined && entry.away_s !== null)
    const { created_at, away_s, ...rest } = entry
    assert.ok(away_s <= DEADLINE_MS / 1_000 && Date.parse(created_at) > 0)
    assert.deepEqual(rest, {
      ...{ account: '$G', client_id: 'keeper', connected: false, expiry_s: null },
      ...{ subscriptions: 2, inflight: 0, backlog_msgs: 3 },
    })
    assert.equal(total, 1)
    assert.deepEqual((await ask('SESSIONS', { client: 'other' })).sessions, [])
    assert.equal((await ask('SESSIONS', { client: 'keeper' })).sessions.length, 1)
  })

  it('a session is ended, and its client begins anew', async () => {
    await keeper()
    assert.equal((await ask('END', { client: 'keeper' })).error, undefined)
    assert.equal((await ask('SESSIONS')).total, 0)
    assert.equal((await ask('END', { client: 'keeper' })).error?.code, 404)
    // Of CONNACK the first flag says that there was a session; here there is none.
    const line = await MqttLine.client(door.port, connectPacket('keeper', { clean: false }))
    assert.equal((await ask('SESSIONS')).sessions[0]?.subscriptions, 0)
    line.destroy()
  })

  for (const session of [false, true]) {
    it(`a kick ends the connection${session ? ' and the session' : ', and the session waits'}`, async () => {
      const properties = { sessionExpiryInterval: 100 }
      const client = await device('kept', { protocolVersion: 5, properties })
      let reason: number | undefined
      client.on('disconnect', (packet) => {
        reason = packet.reasonCode
      })
      assert.equal((await ask('KICK', { client: 'kept', session })).error, undefined)
      await eventually(() => !client.connected, 'the end')
      // Administrative action [MQTT-3.14.2.1].
      assert.equal(reason, 0x98)
      const { sessions } = await ask('SESSIONS')
      assert.deepEqual(
        sessions.map(({ client_id, expiry_s, connected }) => [client_id, expiry_s, connected]),
        session ? [] : [['kept', 100, false]],
      )
    })
  }

  it('all retained messages, page by page, each once, and two lists at a time', async () => {
    const client = await device('publisher')
    const topics = Array.from({ length: 250 }, (_, i) => `r/${i}/${i % 2 === 0 ? 'x' : 'y.z'}`)
    await Promise.all(
      topics.map((topic) => client.publishAsync(topic, 'hello', { qos: 1, retain: true })),
    )
    async function list(query: object): Promise<string[]> {
      const seen: string[] = []
      for (let offset: number | null = 0; offset !== null; ) {
        const page: Answer = await ask('RETAINED', { ...query, offset })
        assert.equal(page.error, undefined)
        seen.push(...page.retained.map(({ topic }) => topic))
        offset = page.next
      }
      return seen
    }
    const [all, some] = await Promise.all([
      list({ limit: 30 }),
      list({ limit: 7, filter: 'r/+/x' }),
    ])
    assert.deepEqual(all.toSorted(), topics.toSorted())
    assert.deepEqual(some.toSorted(), topics.filter((topic) => topic.endsWith('x')).toSorted())
    const page = await ask('RETAINED', { limit: 2 })
    assert.equal(page.total, 250)
    assert.ok(page.retained[0] !== undefined)
    const { stored_at, ...first } = page.retained[0]
    assert.ok(Math.abs(Date.parse(stored_at) - Date.now()) < DEADLINE_MS)
    assert.deepEqual(first, {
      ...{ account: '$G', topic: all[0], bytes: 5, qos: 1, expiry_s: null },
    })
    // Where no list ended, it is gone through from its beginning.
    const later = await ask('RETAINED', { offset: 123, limit: 3 })
    const found = later.retained.map(({ topic }) => topic)
    assert.ok(found.length > 0)
    assert.deepEqual(found, all.slice(123, 123 + found.length))
    const behind = await ask('RETAINED', { offset: 1_000 })
    assert.deepEqual([behind.retained, behind.next], [[], null])
    assert.deepEqual((await ask('RETAINED', { filter: 'a/#/b' })).error, {
      code: 400,
      description: 'a/#/b is no topic filter: + is a level by itself, and # the last one',
    })
  })

  it('a retained message is removed', async () => {
    const client = await device('publisher')
    for (const topic of ['v1.2/a', 'b']) {
      await client.publishAsync(topic, 'x', { qos: 1, retain: true })
    }
    const body = { topic: 'v1.2/a' }
    assert.equal((await ask('FORGET', body)).error, undefined)
    assert.deepEqual((await ask('FORGET', body)).error, {
      code: 404,
      description:
        'nothing is retained on v1.2/a in account $G at mqtt-test: `petiole mqtt retained` lists what is',
    })
    assert.equal((await ask('FORGET', { topic: 'v1/#' })).error?.code, 400)
    const { retained } = await ask('RETAINED')
    assert.deepEqual(
      retained.map(({ topic }) => topic),
      ['b'],
    )
  })

  it('$SYS topics count shared subscriptions apart, of who is here and of who is away', async () => {
    const filters = ['a/1', '$share/g/a/1', '$share/g/a/#']
    await keeper()
    const away = await device('keeper', { clean: false })
    await away.subscribeAsync(filters, { qos: 1 })
    await away.endAsync()
    await eventually(() => door.counters.clients === 0, 'the keeper to be gone')
    const one = await device('one')
    await one.subscribeAsync('$share/h/b', { qos: 1 })
    const several = await device('several')
    await several.subscribeAsync([...filters, 'gone'], { qos: 0 })
    await several.unsubscribeAsync(['$share/g/a/#', 'gone'])
    const observer = await device('observer')
    const seen = new Map<string, string>()
    observer.on('message', (topic, payload) => seen.set(topic, `${payload}`))
    await observer.subscribeAsync('$SYS/broker/+/count')
    const counts = () => [
      seen.get('$SYS/broker/subscriptions/count'),
      seen.get('$SYS/broker/shared_subscriptions/count'),
    ]
    await eventually(() => !counts().includes(undefined), 'of both counts')
    assert.deepEqual(counts(), ['5', '4'])
  })

  it('$SYS topics come at once, retained, and tell of what is kept', async () => {
    await keeper()
    const client = await device('publisher')
    await client.publishAsync('a/1', 'hello', { qos: 1, retain: true })
    const seen = new Map<string, string>()
    client.on('message', (topic, payload, { retain }) => {
      seen.set(topic, `${payload}${retain ? '' : ' not retained'}`)
    })
    await client.subscribeAsync('$SYS/#', { qos: 1 })
    const expected = {
      version: 'petiole version 0.0.0',
      'retained messages/count': '1',
      'clients/connected': '1',
      'clients/disconnected': '1',
      'clients/total': '2',
      'clients/maximum': '1',
      'subscriptions/count': '3',
      'messages/inflight': '0',
      'store/messages/count': '2',
    }
    const topics = Object.keys(expected).map((name) => `$SYS/broker/${name}`)
    await eventually(() => topics.every((topic) => seen.has(topic)), `of ${topics}`)
    assert.deepEqual(
      topics.map((topic) => seen.get(topic)),
      Object.values(expected),
    )
  })
})
