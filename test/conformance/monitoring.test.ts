import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type MqttClient } from 'mqtt'
import { type Running, startHub } from '../../index.ts'
import { eventually } from '../support/link-node.ts'
import { connect, DEADLINE_MS } from '../support/patience.ts'

/** A whole hub with clients of each protocol, looked at the way operators and scrapers look. */
describe('monitoring of a running hub', () => {
  let directory: string
  let hub: Running
  let worker: NatsConnection
  let admin: NatsConnection
  let device: MqttClient

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-monitoring-'))
    hub = await startHub({
      server_name: 'watched',
      listen: '127.0.0.1:-1',
      http: '127.0.0.1:-1',
      jetstream: { store_dir: directory },
      mqtt: { listen: '127.0.0.1:-1' },
      accounts: {
        A: { jetstream: 'enabled', users: [{ user: 'a', password: 'a' }] },
        SYS: { users: [{ user: 'sys', password: 'sys' }] },
      },
      system_account: 'SYS',
      no_auth_user: 'a',
    })
    const servers = `127.0.0.1:${hub.ports.client.port}`
    worker = await connect({ servers, user: 'a', pass: 'a', name: 'worker' })
    admin = await connect({ servers, user: 'sys', pass: 'sys', name: 'admin' })
    device = await connectAsync(`mqtt://127.0.0.1:${hub.ports.frontDoors['mqtt']}`, {
      clientId: 'sensor-1',
      protocolVersion: 4,
      username: 'a',
      password: 'a',
    })
    await device.subscribeAsync('commands/#')
  })
  after(async () => {
    await device?.endAsync(true)
    await worker?.close()
    await admin?.close()
    await hub?.drain()
    rmSync(directory, { recursive: true, force: true })
  })

  // biome-ignore lint/suspicious/noExplicitAny: whatever the endpoint answers
  async function get(target: string): Promise<any> {
    return await (await page(target)).json()
  }

  function page(target: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${hub.ports.http?.port}${target}`)
  }

  it('counts what clients of each protocol move', async () => {
    const before = await get('/varz')
    const got: string[] = []
    worker.subscribe('readings.>', {
      callback: (_error, message) => {
        got.push(message.subject)
      },
    })
    await worker.flush()
    await device.publishAsync('readings/1', 'warm', { qos: 1 })
    worker.publish('commands.stop', 'now')
    await eventually(() => got.length === 1, 'the reading')
    const endMs = performance.now() + DEADLINE_MS
    let after = await get('/varz')
    while (after.out_client_msgs - before.out_client_msgs < 2) {
      assert(performance.now() < endMs, 'the command does not reach the device')
      after = await get('/varz')
    }
    assert.equal(after.in_client_msgs - before.in_client_msgs, 2)
    assert.equal(after.in_msgs - before.in_msgs, 2)
    assert.equal(after.connections, 3)
    assert.equal(after.http_req_stats['/varz'] > 1, true)
  })

  it('shows MQTT clients among the connections', async () => {
    const { connections, total } = await get('/connz?auth=1&subs=1&mqtt_client=sensor-1')
    assert.equal(total, 3)
    assert.equal(connections.length, 1)
    const [sensor] = connections
    assert.deepEqual([sensor.type, sensor.kind, sensor.mqtt_client], ['mqtt', 'Client', 'sensor-1'])
    assert.deepEqual([sensor.authorized_user, sensor.account], ['a', 'A'])
    assert.equal(sensor.in_msgs, 1)
    assert(sensor.subscriptions_list.includes('commands.>'))
    assert(Date.parse(sensor.start) <= Date.now())
  })

  it('counts deliveries by subscription, and what the router remembers', async () => {
    const subscription = worker.subscribe('counted')
    for (let i = 0; i < 5; i++) worker.publish('counted')
    await worker.flush()
    const { connections } = await get('/connz?acc=A&subs=detail')
    const own = connections.find((one: { name: string }) => one.name === 'worker')
    const counted = own.subscriptions_list_detail.find(
      (one: { subject: string }) => one.subject === 'counted',
    )
    assert.equal(counted.msgs, 5)
    const router = await get('/subsz?acc=A')
    assert(router.num_cache >= 1, 'the subject is remembered')
    assert(router.max_fanout >= 1 && router.avg_fanout > 0)
    assert(router.cache_hit_rate > 0 && router.cache_hit_rate <= 1)
    subscription.unsubscribe()
    await worker.flush()
    const later = await get('/subsz?acc=A')
    assert.equal(later.num_removes, router.num_removes + 1)
    assert.equal(later.num_subscriptions, router.num_subscriptions - 1)
  })

  it('shows consumers as deep as it is asked', async () => {
    const manager = await jetstreamManager(worker)
    await manager.streams.add({ name: 'S', subjects: ['stored'] })
    await manager.consumers.add('S', { durable_name: 'C', ack_policy: 'explicit' })
    await worker.request('stored', 'one')
    const { account_details, messages } = await get('/jsz?acc=A&consumers=1')
    assert.equal(messages, 1)
    const [stream] = account_details[0].stream_detail
    assert.equal(stream.cluster.leader, 'watched')
    assert.equal(stream.consumer_detail[0].num_pending, 1)
    assert.equal((await page('/healthz?account=A&stream=S&consumer=C')).status, 200)
  })

  it('/metrics is what Prometheus reads', async () => {
    const response = await page('/metrics')
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    const text = await response.text()
    const series = new Set<string>()
    for (const line of text.split('\n')) {
      if (line === '' || line.startsWith('#')) continue
      const [, name, value] =
        /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (-?[0-9.e+-]+|NaN)$/.exec(line) ?? []
      assert(name !== undefined && value !== undefined, line)
      assert(!series.has(name), `twice: ${name}`)
      series.add(name)
    }
    for (const name of [
      'gnatsd_varz_in_msgs',
      'jetstream_consumer_num_pending',
      'petiole_mqtt_clients',
    ]) {
      assert(
        [...series].some((one) => one.startsWith(name)),
        name,
      )
    }
    assert(text.includes('petiole_fleet_leaves{state="offline"} 0'))
  })

  it('reports in the system account what it reports over HTTP', async () => {
    const answer = await admin.request('$SYS.REQ.SERVER.PING.VARZ', '', { timeout: 2_000 })
    const { data, server } = answer.json<{
      data: { server_id: string; connections: number }
      server: { id: string; name: string }
    }>()
    const { server_id, connections } = await get('/varz')
    assert.deepEqual([data.server_id, data.connections], [server_id, connections])
    assert.deepEqual([server.id, server.name], [hub.id, 'watched'])
  })

  it('says good-bye to who listens', async () => {
    const other = await startHub({ listen: '127.0.0.1:-1', http: '127.0.0.1:-1' })
    const heard: string[] = []
    other.client('$SYS').subscribe('$SYS.SERVER.*.SHUTDOWN', ({ subject }) => heard.push(subject))
    await other.drain()
    assert.deepEqual(heard, [`$SYS.SERVER.${other.id}.SHUTDOWN`])
  })
})
