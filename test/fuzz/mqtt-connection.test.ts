import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { HeldCapture, MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import {
  connectPacket,
  publishPacket,
  subscribePacket,
  unsubscribePacket,
} from '../support/mqtt-packets.ts'
import { DEADLINE_MS } from '../support/patience.ts'

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 300)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`MQTT connections under random input (seed ${seed})`, () => {
  let door: MqttFrontDoor
  let core: MqttCore
  let witness: MqttLine

  before(async () => {
    core = new MqttCore({ payloadBytesMax: 4_096 })
    door = new MqttFrontDoor(MQTT_CONFIG, { connectTimeoutMs: 500 })
    await door.start(core)
    witness = await MqttLine.client(door.port, connectPacket('witness'))
    witness.send(subscribePacket(1, ['witness', 1]))
    await witness.take(5)
  })

  after(() => door.destroy())

  /** The server lives, routes, and holds nothing of those who are gone. */
  async function checkUnharmed(): Promise<void> {
    witness.send(publishPacket('witness', 'ok', { packetId: 1 }))
    const delivered = await witness.take(15)
    assert.match(delivered, /^320d00077769746e657373....6f6b$/)
    assert.equal(await witness.take(4), '40020001')
    witness.send(`4002${delivered.slice(22, 26)}`)
  }

  it('garbage and damaged packets close that connection at most', async () => {
    const random = new SeededRandom(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const line = await MqttLine.open(door.port)
      if (random.below(3) > 0) line.send(connectPacket(`fuzz-${round}`))
      const count = random.below(6) + 1
      for (let i = 0; i < count; i++) line.send(damaged(random))
      line.destroy()
      if (round % 50 === 0) await checkUnharmed()
    }
    await checkUnharmed()
    await gone()
    assert.ok(door.counters.violations > ROUNDS / 10, `${door.counters.violations} violations`)
    const left = [...core.space('$G').subscriptions()]
      .map(({ subject }) => subject)
      .filter((subject) => !subject.startsWith('$MQTT.'))
    assert.deepEqual(left, ['witness'])
  })

  it('a stream of packets means the same in whatever pieces it comes', async () => {
    const random = new SeededRandom(seed + 1)
    const capture = new HeldCapture(core.space('$G'), 'pieces.>')
    for (let round = 0; round < 20; round++) {
      const sent: string[] = []
      const packets = [connectPacket(`pieces-${round}`)]
      for (let id = 1; id <= 60; id++) {
        const payload = 'p'.repeat(random.below(300)) + id
        sent.push(payload)
        packets.push(publishPacket(`pieces/${random.below(3)}`, payload, { packetId: id }))
      }
      const bytes = Buffer.concat(packets)
      const line = await MqttLine.open(door.port)
      for (let at = 0; at < bytes.length; ) {
        const size = random.below(random.below(2) === 0 ? 5 : 2_000) + 1
        line.send(bytes.subarray(at, at + size))
        at += size
        if (random.below(8) === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      assert.equal(await line.takeUntilPong(), '20020000')
      assert.deepEqual(
        capture.held.splice(0).map(({ payload }) => payload),
        sent,
      )
      capture.commit(60)
      const acks = Array.from({ length: 60 }, (_, i) => `400200${Buffer.of(i + 1).toString('hex')}`)
      assert.equal(await line.take(240), acks.join(''))
      line.destroy()
    }
  })

  async function gone(): Promise<void> {
    const endMs = Date.now() + DEADLINE_MS
    while (door.counters.connections > 1) {
      assert.ok(Date.now() < endMs, `${door.counters.connections} connections are left`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
})

function damaged(random: SeededRandom): Uint8Array {
  if (random.below(4) === 0) return random.bytes(random.below(200) + 1)
  const packets = [
    connectPacket('x', {
      username: 'u',
      password: Buffer.from('p'),
      will: { topic: 'w', payload: 'v', qos: 1 },
    }),
    publishPacket('some/topic', 'payload', { packetId: 5 }),
    publishPacket('some/topic', 'payload'),
    subscribePacket(3, ['a/+', 1], ['b/#', 0]),
    unsubscribePacket(4, 'a/+'),
    Buffer.from('c000', 'hex'),
    Buffer.from('40020001', 'hex'),
  ]
  const packet = Buffer.from(packets[random.below(packets.length)] ?? '')
  const flips = random.below(3)
  for (let i = 0; i < flips; i++) packet[random.below(packet.length)] = random.below(256)
  return random.below(5) === 0 ? packet.subarray(0, random.below(packet.length) + 1) : packet
}
