/** Members of a shared subscription that go for good, on a server with a store: what they leave reaches the others. */
import assert from 'node:assert/strict'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { eventually } from '../support/link-node.ts'
import { MqttHub } from '../support/mqtt-hub.ts'

const FILTER = '$share/workers/jobs/#'
const JOBS = 40

describe('mqtt shared subscriptions: what a member leaves', function () {
  this.timeout(30_000)

  let hub: MqttHub
  const clients: MqttClient[] = []

  beforeEach(async () => {
    hub = await MqttHub.start()
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true)
    await hub.remove()
  })

  async function open(clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
    const client = await connectAsync(`mqtt://127.0.0.1:${hub.port}`, {
      ...{ clientId, protocolVersion: 5, reconnectPeriod: 0 },
      ...options,
    })
    clients.push(client)
    return client
  }

  async function publish(): Promise<string[]> {
    const device = await open('device')
    const jobs = Array.from({ length: JOBS }, (_, i) => `${i}`)
    for (const job of jobs) await device.publishAsync('jobs/x', job, { qos: 1 })
    return jobs
  }

  async function worker(clientId: string): Promise<string[]> {
    const got: string[] = []
    const client = await open(clientId)
    client.on('message', (_topic, payload) => got.push(payload.toString()))
    await client.subscribeAsync(FILTER, { qos: 1 })
    return got
  }

  async function comeTo(got: readonly string[], jobs: readonly string[]): Promise<void> {
    await eventually(() => got.length >= jobs.length, 'all jobs come')
    assert.deepEqual(got, jobs)
  }

  const lasting = { clean: false, properties: { sessionExpiryInterval: 600 } }

  it('whose session lasts and is begun anew goes to another one, after a crash too', async () => {
    const elder = await open('elder', lasting)
    await elder.subscribeAsync(FILTER, { qos: 1 })
    await elder.endAsync()
    const jobs = await publish()
    for (const client of clients.splice(0)) await client.endAsync(true)
    await hub.crash()
    const got = await worker('another')
    const anew = await open('elder', { clean: true })
    await comeTo(got, jobs)
    await anew.endAsync()
  })

  it('whose session ends by its expiry goes to another one', async () => {
    const elder = await open('elder', { ...lasting, properties: { sessionExpiryInterval: 1 } })
    await elder.subscribeAsync(FILTER, { qos: 1 })
    // It acknowledges nothing: all that its window takes is in flight.
    elder.handleMessage = () => {}
    const jobs = await publish()
    const got = await worker('another')
    elder.stream.destroy()
    await comeTo(got, jobs)
  })

  it('whose session ends with its connection goes to another one', async () => {
    const elder = await open('elder')
    await elder.subscribeAsync(FILTER, { qos: 1 })
    elder.handleMessage = () => {}
    const jobs = await publish()
    const got = await worker('another')
    elder.stream.destroy()
    await comeTo(got, jobs)
  })
})
