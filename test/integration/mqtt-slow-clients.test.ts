import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { parseConfig } from '../../shared/config/index.ts'
import { eventually } from '../support/channel-probe.ts'
import { HeldCapture, MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import { connectPacket, publishPacket, subscribePacket } from '../support/mqtt-packets.ts'

const PAYLOAD = Buffer.alloc(16 * 1024, 'p')
const ROUNDS = 60
const PER_ROUND = 20

describe('MQTT: slow clients', () => {
  let core: MqttCore
  let door: MqttFrontDoor

  async function client(id: string, ...filters: (readonly [string, 0 | 1])[]): Promise<MqttLine> {
    const line = await MqttLine.client(door.port, connectPacket(id))
    if (filters.length > 0) {
      line.send(subscribePacket(1, ...filters))
      await line.take(4 + filters.length)
    }
    return line
  }

  beforeEach(async () => {
    core = new MqttCore()
    door = new MqttFrontDoor(MQTT_CONFIG)
    await door.start(core)
  })

  afterEach(() => door.destroy())

  for (const qos of [0, 1] as const) {
    it(`a frozen subscriber at QoS ${qos} costs bounded memory and holds up nobody`, async () => {
      const frozen = await client('frozen', ['flood', qos])
      frozen.pause()
      const reader = await client('reader', ['flood', 0])
      const publisher = await client('publisher')
      const packet = publishPacket('flood', PAYLOAD, qos === 0 ? {} : { packetId: 1 })
      const delivered = publishPacket('flood', PAYLOAD).length
      for (let round = 0; round < ROUNDS; round++) {
        publisher.send(Buffer.concat(Array.from({ length: PER_ROUND }, () => packet)))
        assert.equal((await reader.take(delivered * PER_ROUND)).length, delivered * PER_ROUND * 2)
      }
      const acks = '40020001'.repeat(qos === 0 ? 0 : ROUNDS * PER_ROUND)
      assert.equal(await publisher.takeUntilPong(), acks)
      const { droppedQos0, droppedQos1 } = door.counters
      assert.ok(qos === 0 ? droppedQos0 > 0 : droppedQos1 > 0, 'the rest was dropped')
      assert.equal(qos === 0 ? droppedQos1 : droppedQos0, 0)
      assert.equal(door.counters.clients, 3, 'the frozen one is still welcome')
      frozen.destroy()
    })
  }

  it('a subscriber that acknowledges late gets everything up to the queue, in order', async () => {
    const line = await client('late', ['t', 1])
    const publisher = await client('publisher')
    const count = MQTT_CONFIG.max_ack_pending + 50
    for (let i = 0; i < count; i++)
      publisher.send(publishPacket('t', `${1000 + i}`, { packetId: 1 }))
    await publisher.takeUntilPong()
    const got: string[] = []
    for (let i = 0; i < count; i++) {
      if (i === MQTT_CONFIG.max_ack_pending) {
        for (let id = 1; id <= 50; id++) line.send(Buffer.of(0x40, 2, 0, id))
      }
      const packet = Buffer.from(await line.take(11), 'hex')
      got.push(packet.toString('latin1', 7))
    }
    assert.deepEqual(
      got,
      Array.from({ length: count }, (_, i) => `${1000 + i}`),
    )
  })

  it('after a reload new clients get the new number of deliveries to acknowledge', async () => {
    const elder = await client('elder', ['t', 1])
    door.reload(parseConfig({ mqtt: { port: 1, max_ack_pending: 2 } }, 'hub'))
    const line = await client('late', ['t', 1])
    const publisher = await client('publisher')
    for (let i = 0; i < 3; i++) publisher.send(publishPacket('t', `${i}`, { packetId: 1 }))
    await elder.take(8 * 3)
    const two = publishPacket('t', '0').length + 2
    await line.take(two * 2)
    assert.equal(await line.takeUntilPong(), '', 'the third waits')
    line.send(Buffer.of(0x40, 2, 0, 1))
    assert.match(await line.take(two), /32$/)
  })

  it('drain acknowledges what is being stored before it closes', async () => {
    const capture = new HeldCapture(core.space('$G'), 'held')
    const line = await client('sensor')
    line.send(publishPacket('held', 'x', { packetId: 77 }))
    await eventually('the publish is in the store', () => capture.held.length === 1)
    const drained = door.drain()
    capture.commit(1)
    await drained
    assert.equal(await line.rest(), '4002004d')
    await door.drain()
  })

  it('drain does not wait for ever', async () => {
    const impatient = new MqttFrontDoor(MQTT_CONFIG, { drainMs: 50 })
    await impatient.start(core)
    const capture = new HeldCapture(core.space('$G'), 'held')
    const line = await MqttLine.client(impatient.port, connectPacket('sensor'))
    line.send(publishPacket('held', 'x', { packetId: 77 }))
    await eventually('the publish is in the store', () => capture.held.length === 1)
    await impatient.drain()
    assert.equal(await line.rest(), '')
  })
})
