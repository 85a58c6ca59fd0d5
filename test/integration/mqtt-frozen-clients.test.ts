import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../bridge-mqtt/index.ts'
import { FLIGHT_BYTES_MIN, FLIGHT_PATIENCE_MS, type MqttLimits } from '../../bridge-mqtt/limits.ts'
import { eventually } from '../support/channel-probe.ts'
import { MQTT_CONFIG, MqttCore } from '../support/mqtt-core.ts'
import { MqttLine } from '../support/mqtt-line.ts'
import { connectPacket, publishPacket, subscribePacket } from '../support/mqtt-packets.ts'

const MIB = 1024 * 1024
const FROZEN = 200
const ROUNDS = 40
const PER_ROUND = 10
const PAYLOAD = Buffer.alloc(4 * 1024, 'p')
const TOPIC = 'flood'
const PACKET = publishPacket(TOPIC, PAYLOAD, { packetId: 1 })
/** Behind the fixed header, which takes three bytes, and the topic. */
const ID_AT = 3 + 2 + TOPIC.length

/** Clients that take what comes and never say so, or take nothing at all. */
describe('MQTT: very many frozen clients', () => {
  let core: MqttCore
  let door: MqttFrontDoor
  let frozen: MqttLine[]

  async function start(limits: Partial<MqttLimits> = {}): Promise<void> {
    core = new MqttCore()
    door = new MqttFrontDoor({ ...MQTT_CONFIG, max_ack_pending: 1_000 }, limits)
    frozen = []
    await door.start(core)
  }

  afterEach(async () => {
    for (const line of frozen) line.destroy()
    await door.destroy()
  })

  async function client(id: string, filter?: string, qos: 0 | 1 = 1): Promise<MqttLine> {
    const line = await MqttLine.client(door.port, connectPacket(id))
    if (filter === undefined) return line
    line.send(subscribePacket(1, [filter, qos]))
    await line.take(5)
    return line
  }

  async function freeze(count: number, qos: 0 | 1, reads = false): Promise<void> {
    for (let i = 0; i < count; i++) {
      const line = await client(`frozen-${i}`, TOPIC, qos)
      if (!reads) line.pause()
      frozen.push(line)
    }
  }

  /** Takes so many, says so, and returns their payloads' bytes. */
  async function read(reader: MqttLine, count: number): Promise<void> {
    const bytes = Buffer.from(await reader.take(count * PACKET.length), 'hex')
    assert.equal(bytes.length, count * PACKET.length)
    for (let at = 0; at < bytes.length; at += PACKET.length) {
      assert.ok(bytes.subarray(at + ID_AT + 2, at + PACKET.length).equals(PAYLOAD))
      reader.send(Buffer.of(0x40, 2, bytes[at + ID_AT] ?? 0, bytes[at + ID_AT + 1] ?? 0))
    }
  }

  /** Publishes all rounds, each when the one before was read; returns what others were sent in the last half. */
  async function flood(rounds: number): Promise<number> {
    const reader = await client('reader', TOPIC)
    const publisher = await client('publisher')
    const round = Buffer.concat(Array.from({ length: PER_ROUND }, () => PACKET))
    let before = 0
    for (let i = 0; i < rounds; i++) {
      if (i === rounds / 2) before = door.counters.sentMessages
      publisher.send(round)
      assert.equal(await publisher.take(4 * PER_ROUND), '40020001'.repeat(PER_ROUND))
      await read(reader, PER_ROUND)
    }
    publisher.destroy()
    reader.destroy()
    return door.counters.sentMessages - before - (rounds / 2) * PER_ROUND
  }

  for (const reads of [false, true]) {
    it(`who ${reads ? 'reads and never acknowledges' : 'never reads'} costs a publisher no writes, and messages are held once`, async () => {
      await start()
      const alone = await flood(ROUNDS)
      await freeze(FROZEN, 1, reads)
      const startMs = performance.now()
      const heapBefore = process.memoryUsage()
      const beside = await flood(ROUNDS)
      const { heapUsed, external } = process.memoryUsage()
      // Who says nothing is tried again now and then, on a slow machine too.
      const waitedMs = performance.now() - startMs
      const patient = Math.floor(Math.log2(waitedMs / FLIGHT_PATIENCE_MS + 1))
      const perFlight = Math.ceil(FLIGHT_BYTES_MIN / PAYLOAD.length)
      assert.equal(alone, 0)
      assert.ok(beside <= patient * FROZEN * perFlight, `${beside} writes to frozen clients`)
      const { queuedMessages, queuedBytes, droppedQos1 } = door.counters
      const count = ROUNDS * PER_ROUND
      assert.ok(queuedMessages >= FROZEN * (count - (patient + 1) * perFlight))
      assert.ok(queuedBytes < count * (PAYLOAD.length + 1_024) + queuedMessages * 16)
      assert.equal(droppedQos1, 0)
      const grown = heapUsed - heapBefore.heapUsed + external - heapBefore.external
      const copies = FROZEN * count * PAYLOAD.length
      // What the clients of this very process have read is among it.
      const unread = reads ? (patient + 1) * FROZEN * FLIGHT_BYTES_MIN * 2 : 0
      assert.ok(grown < copies / 4 + unread, `${grown} bytes for copies of ${copies}`)
      for (const line of frozen) line.destroy()
      await eventually('what waited is gone', () => door.counters.queuedMessages === 0)
      assert.equal(door.counters.queuedBytes, 0)
    }).timeout(120_000)
  }

  it('who comes back to reading gets all that has waited, in order', async () => {
    await start()
    await freeze(3, 1)
    await flood(ROUNDS)
    const [line] = frozen as [MqttLine]
    assert.ok(door.counters.queuedMessages > 0)
    line.resume()
    for (let i = 0; i < ROUNDS * PER_ROUND; i++) await read(line, 1)
    assert.equal(await line.takeUntilPong(), '')
  })

  it('at QoS 0 they are written to until their sockets are full, and then no more', async () => {
    const bytesMax = 2 * MIB
    await start({ queuedBytesMax: bytesMax })
    const payload = Buffer.alloc(64 * 1024, 'q')
    const packet = publishPacket(TOPIC, payload, { packetId: 1 })
    await freeze(20, 0)
    const publisher = await client('publisher')
    const publish = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) publisher.send(packet)
      await publisher.take(40)
    }
    // The kernel takes as much as it likes.
    const all = 20 * Math.floor(bytesMax / (payload.length + 1_024))
    while (door.counters.queuedMessages < all) await publish()
    const { sentMessages, droppedQos0, queuedBytes } = door.counters
    assert.ok(queuedBytes < 3 * bytesMax, `${queuedBytes} bytes for twenty clients`)
    for (let i = 0; i < 5; i++) await publish()
    assert.equal(door.counters.sentMessages, sentMessages)
    assert.equal(door.counters.droppedQos0, droppedQos0 + 20 * 50)
    const [line] = frozen as [MqttLine]
    line.resume()
    await eventually('one reads again', () => door.counters.sentMessages > sentMessages)
  })

  it('all together have a bound, which is told once, and who is slow for a moment still has room', async () => {
    const bytesMax = 2 * MIB
    await start({ queuedTotalBytesMax: bytesMax })
    const publisher = await client('publisher')
    // Each on a topic of its own: nothing can be shared.
    for (let i = 0; i < 40; i++) frozen.push(await client(`own-${i}`, `own/${i}`))
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < frozen.length; i++) {
        publisher.send(publishPacket(`own/${i}`, PAYLOAD, { packetId: 1 }))
      }
      await publisher.take(4 * frozen.length)
      assert.ok(door.counters.queuedBytes <= bytesMax, `${door.counters.queuedBytes}`)
    }
    const { droppedQueuesFull, droppedQos1 } = door.counters
    assert.ok(droppedQueuesFull > 1_000)
    assert.equal(droppedQos1, droppedQueuesFull)
    const warnings = core.log.lines.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, 1, JSON.stringify(warnings))
    const late = await client('late', TOPIC)
    for (let i = 0; i < 20; i++) publisher.send(PACKET)
    await publisher.take(4 * 20)
    for (let i = 0; i < 20; i++) await read(late, 1)
    assert.equal(door.counters.droppedQueuesFull, droppedQueuesFull, 'nothing of it was dropped')
  })
})
