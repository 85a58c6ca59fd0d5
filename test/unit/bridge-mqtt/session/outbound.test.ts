import assert from 'node:assert/strict'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import { DELIVERY_PENDING_BYTES_MAX } from '../../../../bridge-mqtt/limits.ts'
import { Outbound } from '../../../../bridge-mqtt/session/outbound.ts'
import { allocate, release } from '../../../../shared/transport/index.ts'
import { publishPacket } from '../../../support/mqtt-packets.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

const ROOM = 64 * 1024
const LIMITS = { ackPendingMax: 3, queuedMessagesMax: 4, queuedBytesMax: 10_000 }
const TOPIC = Buffer.from('t')

describe('outbound', () => {
  let start: number
  let channel: RecordingChannel
  let counters: MqttCounters
  let outbound: Outbound

  beforeEach(() => {
    start = allocate(ROOM)
    channel = new RecordingChannel(start)
    counters = new MqttCounters()
    outbound = new Outbound(channel, LIMITS, counters)
  })

  afterEach(() => release(start, ROOM))

  function send(count: number, qos: number): void {
    for (let i = 0; i < count; i++) outbound.send(TOPIC, Buffer.from('x'), qos)
  }

  function packets(...packetIds: number[]): string {
    const bytes = packetIds.map((packetId) =>
      publishPacket('t', 'x', packetId === 0 ? {} : { packetId }),
    )
    return Buffer.concat(bytes).toString('hex')
  }

  it('keeps a window of unacknowledged deliveries, the rest waits in order', () => {
    send(5, 1)
    assert.equal(channel.text, packets(1, 2, 3))
    assert.equal(outbound.queued, 2)
    outbound.acknowledged(2)
    assert.equal(channel.text, packets(1, 2, 3, 4))
    outbound.acknowledged(99)
    outbound.acknowledged(2)
    assert.equal(channel.text, packets(1, 2, 3, 4))
    outbound.acknowledged(1)
    assert.equal(channel.text, packets(1, 2, 3, 4, 5))
    assert.equal(outbound.queued, 0)
  })

  it('drops the newest beyond its queue, by count', () => {
    send(9, 1)
    assert.equal(outbound.queued, 4)
    assert.equal(counters.droppedQos1, 2)
  })

  it('drops the newest beyond its queue, by bytes', () => {
    send(3, 1)
    outbound.send(TOPIC, Buffer.alloc(9_000), 1)
    outbound.send(TOPIC, Buffer.alloc(9_000), 1)
    outbound.send(TOPIC, Buffer.alloc(10), 1)
    assert.equal(outbound.queued, 2)
    assert.equal(counters.droppedQos1, 1)
  })

  it('drops QoS 0 and queues QoS 1 while the output is behind', () => {
    channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    send(2, 0)
    send(1, 1)
    assert.equal(channel.text, '')
    assert.equal(counters.droppedQos0, 2)
    channel.pendingBytes = 0
    send(1, 0)
    outbound.flushQueue()
    assert.equal(channel.text, packets(0, 1))
  })

  it('gives no packet identifier twice while it is in flight [MQTT-2.3.1-4]', () => {
    const ids: number[] = []
    const wide = new Outbound(channel, { ...LIMITS, ackPendingMax: 65_535 }, counters)
    wide.send(TOPIC, Buffer.from('x'), 1)
    for (let i = 0; i < 65_534; i++) {
      wide.send(TOPIC, Buffer.from('x'), 1)
      wide.acknowledged(channel.written.at(-1)?.readUInt16BE(5) ?? 0)
    }
    wide.send(TOPIC, Buffer.from('x'), 1)
    for (const packet of [channel.written[0], channel.written.at(-2), channel.written.at(-1)]) {
      ids.push(packet?.readUInt16BE(5) ?? 0)
    }
    assert.deepEqual(ids, [1, 65_535, 2])
  })

  it('copies the payload of what waits', () => {
    send(3, 1)
    const payload = Buffer.from('before')
    outbound.send(TOPIC, payload, 1)
    payload.fill('x')
    outbound.acknowledged(1)
    assert.equal(channel.written.at(-1)?.toString('latin1').slice(-6), 'before')
  })

  it('sends what is longer than a reservation', () => {
    channel.reserve = () => -1
    outbound.send(TOPIC, Buffer.alloc(400_000, 'y'), 1)
    const expected = publishPacket('t', Buffer.alloc(400_000, 'y'), { packetId: 1 })
    assert.ok(Buffer.concat(channel.written).equals(expected))
  })
})
