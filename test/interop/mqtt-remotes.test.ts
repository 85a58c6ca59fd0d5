import assert from 'node:assert/strict'
import { connectAsync, type MqttClient } from 'mqtt'
import { BridgingLeaf, fact } from '../support/bridging-leaf.ts'
import { CertificateAuthority } from '../support/certificates.ts'
import { Mosquitto } from '../support/mosquitto.ts'

const MESSAGES = 2_000

/** A leaf at a plant that has a broker already: a real mosquitto, which speaks MQTT 5. */
describe('mqtt remotes: a plant with mosquitto', function () {
  this.timeout(120_000)
  let plant: Mosquitto | undefined
  let leaves: BridgingLeaf[] = []
  let clients: MqttClient[] = []

  afterEach(async () => {
    for (const client of clients) await client.endAsync(true)
    for (const leaf of leaves) await leaf.remove()
    await plant?.remove()
    clients = []
    leaves = []
    plant = undefined
  })

  async function bridge(remote: object, more: object = {}): Promise<BridgingLeaf> {
    const leaf = await BridgingLeaf.start([{ name: 'plant', url: plant?.url, ...remote }], more)
    leaves.push(leaf)
    return leaf
  }

  async function client(options: object = {}): Promise<MqttClient> {
    const made = await connectAsync(plant?.url ?? '', { reconnectPeriod: 50, ...options })
    clients.push(made)
    return made
  }

  async function up(leaf: BridgingLeaf): Promise<void> {
    await leaf.untilMetric('connected', (value) => value === 1)
  }

  it('crosses both ways on the same topics without coming back', async () => {
    plant = await Mosquitto.start()
    const leaf = await bridge({ subscribe: ['t/#'], publish: ['t/#'] })
    const here = leaf.collect('t.>')
    await up(leaf)
    assert.equal((await leaf.logged('remote up'))['version'], '5')
    const device = await client({ protocolVersion: 5 })
    const there: string[] = []
    device.on('message', (topic, payload) => there.push(`${topic} ${payload}`))
    await device.subscribeAsync({ 't/#': { qos: 1, nl: true } })
    await leaf.publish('t.here', 'from the leaf')
    await fact('it at the plant', () => there.length === 1)
    await device.publishAsync('t/there', 'from the plant', { qos: 1 })
    await fact('it at the leaf', () => here.length === 2)
    await leaf.publish('t.last', '')
    await fact('the last', () => there.length === 2)
    assert.deepEqual(there, ['t/here from the leaf', 't/last '])
    assert.deepEqual(
      here.map(({ subject }) => subject),
      ['t.here', 't.there', 't.last'],
    )
    assert.equal(await leaf.metric('loops_total'), 0)
  })

  it('loses nothing either way over restarts of the broker and of the leaf', async () => {
    plant = await Mosquitto.start()
    const topics = { subscribe: ['up/#'], publish: ['down/#'] }
    const leaf = await bridge(topics)
    await up(leaf)
    const device = await client({ clientId: 'device', clean: false, protocolVersion: 4 })
    const there = new Set<string>()
    device.on('message', (_, payload) => there.add(String(payload)))
    await device.subscribeAsync('down/#', { qos: 1 })
    const here = new Set<string>()
    const listen = (): void => {
      leaf.running.client().subscribe('up.>', ({ payload }) => {
        here.add(Buffer.from(payload).toString())
      })
    }
    listen()
    const ups: Promise<unknown>[] = []
    for (let i = 0; i < MESSAGES; i++) {
      ups.push(device.publishAsync('up/a', `${i}`, { qos: 1 }))
      await leaf.publish('down.a', `${i}`)
      if (i === MESSAGES / 4) {
        await plant.stop()
        await plant.back()
      } else if (i === MESSAGES / 2) {
        await leaf.stop()
        await leaf.start([{ name: 'plant', url: plant.url, ...topics }])
        listen()
      }
    }
    await Promise.all(ups)
    await fact(
      () => `all here: ${here.size}`,
      () => here.size === MESSAGES,
    )
    await fact(
      () => `all there: ${there.size}`,
      () => there.size === MESSAGES,
    )
  })

  it('two leaves with one broker and one account between them: no circle, in MQTT 5 without a word', async () => {
    plant = await Mosquitto.start()
    const topics = { subscribe: ['t/#'], publish: ['t/#'] }
    const one = await bridge(topics, { server_name: 'one', leafnodes: { port: -1 } })
    const url = `nats-leaf://127.0.0.1:${one.running.ports.leafNodes?.port}`
    const two = await bridge(topics, { server_name: 'two', leafnodes: { remotes: [{ url }] } })
    await up(one)
    await up(two)
    const device = await client({ protocolVersion: 5 })
    let there = 0
    device.on('message', (topic) => {
      if (topic === 't/x') there++
    })
    await device.subscribeAsync({ 't/#': { qos: 1, nl: true } })
    await device.publishAsync('t/x', 'round', { qos: 1 })
    // Each leaf brings it in, and the other one sends it out again once: there it ends.
    await one.untilMetric('loops_total', (value) => value > 0)
    await two.untilMetric('loops_total', (value) => value > 0)
    await one.untilMetric('queued_messages', (value) => value === 0)
    await two.untilMetric('queued_messages', (value) => value === 0)
    await device.publishAsync('t/end', '', { qos: 1 })
    assert.ok(there <= 2, `${there} times`)
  })

  it('says who is not let in, over TLS that it trusts', async () => {
    const authority = new CertificateAuthority()
    try {
      const { cert_file, key_file } = authority.server()
      plant = await Mosquitto.start(
        'allow_anonymous false',
        `cafile ${authority.ca_file}\ncertfile ${cert_file}\nkeyfile ${key_file}`,
      )
      const url = `mqtts://ann:secret@localhost:${plant.port}`
      const trusted = await bridge({ url, subscribe: ['t/#'], tls: { ca_file: authority.ca_file } })
      assert.match(String((await trusted.logged('remote down'))['reason']), /not authorized/)
      const stranger = await bridge({ url, subscribe: ['t/#'] })
      const line = await stranger.logged('remote down')
      assert.match(String(line['reason']), /certificate|issuer/)
    } finally {
      authority.remove()
    }
  })
})
