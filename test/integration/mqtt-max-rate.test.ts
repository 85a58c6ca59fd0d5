import assert from 'node:assert/strict'
import { MqttHub } from '../support/mqtt-hub.ts'
import { PacketClient } from '../support/packet-client.ts'

const RATE = 50
const SENT = 2 * RATE
const ROUNDS_MIN = 5

/** `max_rate` at sockets: by the server's own clock no client publishes faster, and nothing of what it sends is lost. */
describe('mqtt max_rate', () => {
  let hub: MqttHub
  let watcher: PacketClient

  before(async () => {
    hub = await MqttHub.start({ max_rate: RATE })
    watcher = await PacketClient.client(hub.port, { clientId: 'watcher' })
    await watcher.subscribe(1, [{ topic: 'rate/#', qos: 0 }])
  })

  after(() => hub.remove())

  /** All are written at once; the PINGREQ behind them is looked at when they have been. */
  async function flood(client: PacketClient, qos: 0 | 1): Promise<number> {
    const beganMs = hub.clock.monotonicMs()
    for (let n = 0; n < SENT; n++) {
      client.publish('rate/a', `${n}`, qos === 0 ? {} : { messageId: n + 1 })
    }
    const answers = await client.beforePong()
    const tookMs = hub.clock.monotonicMs() - beganMs
    const acked = answers.map((packet) => ('messageId' in packet ? packet.messageId : undefined))
    const all = Array.from({ length: SENT }, (_, n) => n + 1)
    assert.deepEqual(acked, qos === 0 ? [] : all)
    for (let n = 0; n < SENT; n++) assert.equal(await watcher.message(), `rate/a ${n}`)
    return tookMs
  }

  for (const [version, qos] of [
    [4, 0],
    [4, 1],
    [5, 0],
    [5, 1],
  ] as const) {
    it(`level ${version}, QoS ${qos}: a burst of a second, then the pace, and all of it comes in order`, async () => {
      const client = await PacketClient.client(hub.port, {
        clientId: 'fast',
        protocolVersion: version,
      })
      const tookMs = await flood(client, qos)
      // The burst costs nothing, and the last of all does not wait for its successor's time.
      const leastMs = ((SENT - RATE - 1) * 1_000) / RATE
      assert.ok(tookMs >= leastMs, `${tookMs} ms`)
      await client.disconnect()
    })
  }

  it('who keeps to it, and who does not publish, is not held up by who does not', async () => {
    const fast = await PacketClient.client(hub.port, { clientId: 'fast' })
    const slow = await PacketClient.client(hub.port, { clientId: 'slow' })
    let isDone = false
    const flooded = flood(fast, 1).finally(() => {
      isDone = true
    })
    let rounds = 0
    for (; !isDone && rounds < RATE; rounds++) {
      slow.publish('calm', `${rounds}`, { messageId: 1 })
      await slow.next('puback')
      assert.deepEqual(await slow.beforePong(), [])
    }
    await flooded
    assert.ok(rounds >= ROUNDS_MIN, `${rounds} rounds`)
  })

  it('who is taken over while he waits is told at once, and what he had sent is not looked at', async () => {
    const first = await PacketClient.client(hub.port, { clientId: 'twice' })
    const sent = 100 * RATE
    for (let n = 0; n < sent; n++) first.publish('rate/b', `${n}`)
    assert.equal(await watcher.message(), 'rate/b 0')
    const second = await PacketClient.client(hub.port, { clientId: 'twice' })
    assert.equal(await first.disconnected(), 0x8e)
    assert.ok((await watcher.beforePong()).length < sent / 2)
    assert.deepEqual(await watcher.beforePong(), [])
    await second.disconnect()
  })
})
