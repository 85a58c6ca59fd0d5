import assert from 'node:assert/strict'
import { connectAsync } from 'mqtt'
import { AedesPlant } from '../support/aedes-plant.ts'
import { BridgingLeaf, fact } from '../support/bridging-leaf.ts'

const AWAY = 20_000

/** A leaf at a plant that has a broker already: aedes, which speaks MQTT 3.1.1. */
describe('mqtt remotes: a plant with aedes', function () {
  this.timeout(120_000)
  let plant: AedesPlant
  let leaves: BridgingLeaf[] = []

  beforeEach(async () => {
    plant = await AedesPlant.start()
  })

  afterEach(async () => {
    for (const leaf of leaves) await leaf.remove()
    leaves = []
    await plant.close()
  })

  async function bridge(remote: object, more: object = {}): Promise<BridgingLeaf> {
    const leaf = await BridgingLeaf.start([{ name: 'plant', url: plant.url, ...remote }], more)
    leaves.push(leaf)
    return leaf
  }

  async function up(leaf: BridgingLeaf): Promise<void> {
    await leaf.untilMetric('connected', (value) => value === 1)
  }

  it('brings what its devices publish to clients of the leaf, and back', async () => {
    const leaf = await bridge({ subscribe: ['plant/#'], publish: ['cmd/#'] })
    const got = leaf.collect('plant.>')
    await up(leaf)
    const device = await plant.client({ clientId: 'device' })
    const orders: string[] = []
    device.on('message', (topic, payload) => orders.push(`${topic} ${payload}`))
    await device.subscribeAsync('cmd/+/valve', { qos: 1 })
    await fact('the reading', async () => {
      await device.publishAsync('plant/7/temp', '21.5', { qos: 1 })
      return got.length > 0
    })
    assert.deepEqual([got[0]?.subject, got[0]?.payload], ['plant.7.temp', '21.5'])
    await leaf.publish('cmd.7.valve', 'open')
    await fact('the order', () => orders.length === 1)
    assert.deepEqual(orders, ['cmd/7/valve open'])
  })

  it('gets what was published while the leaf was away, and while the broker was', async () => {
    const leaf = await bridge({ subscribe: ['plant/#'], publish: ['cmd/#'] })
    await up(leaf)
    const device = await plant.client({ clientId: 'device' })
    const orders = new Set<string>()
    device.on('message', (_, payload) => orders.add(String(payload)))
    await device.subscribeAsync('cmd/#', { qos: 1 })
    await leaf.stop()
    for (let i = 0; i < 50; i++) await device.publishAsync('plant/a', `${i}`, { qos: 1 })
    const config = [{ name: 'plant', url: plant.url, subscribe: ['plant/#'], publish: ['cmd/#'] }]
    await plant.cut()
    await leaf.start(config)
    const got = leaf.collect('plant.>')
    for (let i = 0; i < 50; i++) await leaf.publish('cmd.a', `${i}`)
    assert.equal(await leaf.metric('queued_messages'), 50)
    await plant.back()
    const all = Array.from({ length: 50 }, (_, i) => `${i}`)
    await fact('all readings', () => new Set(got.map(({ payload }) => payload)).size === 50)
    assert.deepEqual([...new Set(got.map(({ payload }) => payload))], all)
    await leaf.untilMetric('queued_messages', (value) => value === 0)
    await fact('all orders', () => orders.size === 50)
  })

  it(`keeps ${AWAY} messages while the broker is away, and sends each once in its order`, async () => {
    const leaf = await bridge({ publish: ['cmd/#'] })
    await plant.cut()
    const published: Promise<void>[] = []
    for (let i = 0; i < AWAY; i++) published.push(leaf.publish('cmd.a', `${i}`))
    await Promise.all(published)
    assert.equal(await leaf.metric('queued_messages'), AWAY)
    const got: number[] = []
    plant.aedes.on('publish', ({ topic, payload }) => {
      if (topic === 'cmd/a') got.push(Number(payload))
    })
    await plant.back()
    await leaf.untilMetric('queued_messages', (value) => value === 0)
    assert.equal(got.length, AWAY)
    assert.ok(got.every((value, i) => value === i))
  })

  it('drops the oldest when the queue is full, and says so', async () => {
    const leaf = await bridge({ publish: ['cmd/#'], max_msgs: 10 })
    await plant.cut()
    for (let i = 0; i < 25; i++) await leaf.publish('cmd.a', `${i}`)
    assert.equal(await leaf.metric('queued_messages'), 10)
    assert.equal(await leaf.metric('dropped_total', 'evicted'), 15)
    await leaf.logged('messages for a broker were lost before they were sent')
    const got: number[] = []
    plant.aedes.on('publish', ({ topic, payload }) => {
      if (topic === 'cmd/a') got.push(Number(payload))
    })
    await plant.back()
    await leaf.untilMetric('queued_messages', (value) => value === 0)
    assert.deepEqual(
      got,
      Array.from({ length: 10 }, (_, i) => i + 15),
    )
  })

  it('tells the publisher when the queue is full, where it is to', async () => {
    const leaf = await bridge({ publish: ['cmd/#'], max_msgs: 10, discard: 'new' })
    await plant.cut()
    for (let i = 0; i < 10; i++) await leaf.publish('cmd.a', `${i}`)
    await assert.rejects(leaf.publish('cmd.a', '10'), { code: 'PETIOLE_STREAM_FULL' })
    assert.equal(await leaf.metric('dropped_total', 'queue_full'), 1)
  })

  it('logs in, and says so where it may not', async () => {
    plant.aedes.authenticate = (_client, user, password, done) => {
      done(null, user === 'ann' && String(password) === 'secret')
    }
    const url = plant.url.replace('//', '//ann:secret@')
    const leaf = await bridge({ url, subscribe: ['plant/#'], version: '3.1.1' })
    await up(leaf)
    const wrong = url.replace('secret', 'wrong')
    const other = await bridge({ url: wrong, subscribe: ['plant/#'], version: '3.1.1' })
    const line = await other.logged('remote down')
    assert.match(
      String(line['reason']),
      /^(not authorized|user name or password refused) \(0x0[45]\)$/,
    )
    assert.ok(!JSON.stringify(other.log.lines).includes('wrong'))
  })

  it('two leaves with one broker and one account between them make no circle', async () => {
    const config = { subscribe: ['a/#'], publish: ['b/#'], via: 'plant', version: '3.1.1' }
    const one = await bridge(config, { server_name: 'one', leafnodes: { port: -1 } })
    const port = one.running.ports.leafNodes?.port
    const two = await bridge(
      { ...config, subscribe: ['b/#'], publish: ['a/#'] },
      { server_name: 'two', leafnodes: { remotes: [{ url: `nats-leaf://127.0.0.1:${port}` }] } },
    )
    await up(one)
    await up(two)
    let crossings = 0
    let published = 0
    plant.aedes.on('publish', ({ topic }) => {
      if (topic === 'a/x' || topic === 'b/x') crossings++
    })
    const got = two.collect('a.x')
    const device = await connectAsync(plant.url)
    try {
      await fact('the link', async () => {
        await device.publishAsync('a/x', 'round', { qos: 1 })
        published++
        return got.length > 0
      })
      await fact('all that the device sent', () => crossings >= published)
      // What the broker sent comes to `two` over the link, whose filter would send it back.
      await two.untilMetric('loops_total', (value) => value > 0)
      await two.publish('z.end', '')
      assert.equal(crossings, published)
      assert.equal(await two.metric('sent_messages_total'), 0)
    } finally {
      await device.endAsync()
    }
  })
})
