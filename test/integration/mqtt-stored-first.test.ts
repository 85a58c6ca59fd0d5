/**
 * An acknowledgement of MQTT says that all who store the message have it. What one of them refuses reaches nobody:
 * it is sent again until it is stored, and would reach them with each try.
 */
import assert from 'node:assert/strict'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { eventually } from '../support/link-node.ts'
import { MqttHub } from '../support/mqtt-hub.ts'
import { connect } from '../support/patience.ts'

const LASTING: IClientOptions = {
  clean: false,
  properties: { sessionExpiryInterval: 600 },
}

describe('what a stream refuses of an MQTT client', function () {
  this.timeout(30_000)

  let hub: MqttHub
  let nats: NatsConnection
  let manager: JetStreamManager
  let got: Record<string, string[]>
  let clients: MqttClient[]

  beforeEach(async () => {
    hub = await MqttHub.start()
    nats = await connect({ port: hub.running.ports.client.port })
    manager = await jetstreamManager(nats)
    await manager.streams.add({ name: 'FULL', subjects: ['full.>'], max_msgs: 1, discard: 'new' })
    got = {}
    clients = []
    for (const queue of ['', 'group']) {
      const payloads: string[] = []
      got[`nats ${queue}`] = payloads
      nats.subscribe('full.>', {
        ...(queue !== '' && { queue }),
        callback: (_error, message) => void payloads.push(message.string()),
      })
    }
    await nats.flush()
    await subscriber('clean', {}, 'full/#')
    await subscriber('lasting', LASTING, 'full/#')
    await subscriber('shared', LASTING, '$share/lasting/full/#')
  })

  afterEach(async () => {
    for (const client of clients) await client.endAsync(true)
    await nats.close()
    await hub.remove()
  })

  async function open(clientId: string, options: IClientOptions): Promise<MqttClient> {
    const client = await connectAsync(`mqtt://127.0.0.1:${hub.port}`, {
      clientId,
      protocolVersion: 5,
      reconnectPeriod: 0,
      ...options,
    })
    clients.push(client)
    return client
  }

  async function subscriber(clientId: string, options: IClientOptions, filter: string) {
    const payloads: string[] = []
    got[clientId] = payloads
    const client = await open(clientId, options)
    client.on('message', (_topic, payload) => payloads.push(payload.toString()))
    await client.subscribeAsync(filter, { qos: 2 })
  }

  for (const [qos, session, options] of [
    [1, 'clean', {}],
    [2, 'clean', {}],
    [1, 'lasting', LASTING],
    [2, 'lasting', LASTING],
  ] as const) {
    for (const retain of [false, true]) {
      it(`at QoS ${qos}, ${retain ? 'retained, ' : ''}with a ${session} session reaches nobody`, async () => {
        const device = await open('device', options)
        await device.publishAsync('full/x', 'first', { qos, retain })
        for (const payload of ['second', 'third']) {
          await assert.rejects(device.publishAsync('full/x', payload, { qos, retain }))
        }
        await manager.streams.purge('FULL')
        await device.publishAsync('full/x', 'last', { qos, retain })
        const all = Object.values(got)
        const isThere = (): boolean => all.every((payloads) => payloads.includes('last'))
        await eventually(isThere, 'the last one comes to everybody')
        for (const [who, payloads] of Object.entries(got)) {
          assert.deepEqual(payloads, ['first', 'last'], who)
        }
      })
    }

    it(`at QoS ${qos} with a ${session} session leaves what is retained as it was`, async () => {
      const device = await open('device', options)
      await device.publishAsync('full/x', 'first', { qos, retain: true })
      await assert.rejects(device.publishAsync('full/x', 'second', { qos, retain: true }))
      await subscriber('later', {}, 'full/#')
      const { later = [] } = got
      await eventually(() => later.length > 0, 'the retained one comes')
      assert.deepEqual(later, ['first'])
    })
  }

  it('is no repetition of itself when it comes again with its message id', async () => {
    const device = await open('device', LASTING)
    const properties = { userProperties: { 'Nats-Msg-Id': 'one' } }
    await device.publishAsync('full/x', 'first', { qos: 2 })
    await assert.rejects(device.publishAsync('full/x', 'second', { qos: 2, properties }))
    await manager.streams.purge('FULL')
    await device.publishAsync('full/x', 'second', { qos: 2, properties })
    assert.equal((await manager.streams.info('FULL')).state.messages, 1)
  })

  it('at QoS 0, or of a NATS client, reaches subscribers as with nats-server', async () => {
    const device = await open('device', {})
    await device.publishAsync('full/x', 'first', { qos: 1 })
    nats.publish('full.x', 'of nats')
    await device.publishAsync('full/x', 'at 0', { qos: 0 })
    const { 'nats ': subscribed = [], clean = [] } = got
    await eventually(() => subscribed.length === 3 && clean.length === 3, 'all come')
    assert.deepEqual(new Set(subscribed), new Set(['first', 'of nats', 'at 0']))
  })
})
