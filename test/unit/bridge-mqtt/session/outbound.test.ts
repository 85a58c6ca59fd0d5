import assert from 'node:assert/strict'
import { PACKET } from '../../../../bridge-mqtt/codec/index.ts'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import { DELIVERY_PENDING_BYTES_MAX } from '../../../../bridge-mqtt/limits.ts'
import { SendWindow } from '../../../../bridge-mqtt/send-window.ts'
import { Outbound, type OutboundOptions } from '../../../../bridge-mqtt/session/outbound.ts'
import { OutboundMessage } from '../../../../bridge-mqtt/session/outbound-message.ts'
import { allocate, release } from '../../../../shared/transport/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { publishPacket } from '../../../support/mqtt-packets.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

const ROOM = 64 * 1024
const LIMITS = { queuedMessagesMax: 4, queuedBytesMax: 10_000 }
const TOPIC = Buffer.from('t')
const UNLIMITED = Number.POSITIVE_INFINITY

describe('outbound', () => {
  let start: number
  let channel: RecordingChannel
  let counters: MqttCounters
  let outbound: Outbound
  let clock: ManualClock

  beforeEach(() => {
    start = allocate(ROOM)
    channel = new RecordingChannel(start)
    counters = new MqttCounters()
    clock = new ManualClock()
    outbound = make()
  })

  afterEach(() => release(start, ROOM))

  function make(options: Partial<OutboundOptions> = {}): Outbound {
    const defaults: OutboundOptions = {
      ...LIMITS,
      level: 4,
      packetSizeMax: UNLIMITED,
      topicAliasMax: 0,
      window: new SendWindow(3),
      isWindowShared: false,
    }
    return new Outbound(channel, { ...defaults, ...options }, counters, clock)
  }

  function message(parts: Partial<OutboundMessage> = {}): OutboundMessage {
    return Object.assign(new OutboundMessage(), { topic: TOPIC, payload: Buffer.from('x') }, parts)
  }

  function send(count: number, qos: number): void {
    for (let i = 0; i < count; i++) outbound.send(message({ qos }))
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
    outbound.acknowledged(PACKET.puback, 2, 0)
    assert.equal(channel.text, packets(1, 2, 3, 4))
    outbound.acknowledged(PACKET.puback, 99, 0)
    outbound.acknowledged(PACKET.puback, 2, 0)
    assert.equal(channel.text, packets(1, 2, 3, 4))
    outbound.acknowledged(PACKET.puback, 1, 0)
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
    outbound.send(message({ payload: Buffer.alloc(9_000), qos: 1 }))
    outbound.send(message({ payload: Buffer.alloc(9_000), qos: 1 }))
    outbound.send(message({ payload: Buffer.alloc(10), qos: 1 }))
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
    const wide = make({ window: new SendWindow(65_535) })
    wide.send(message({ payload: Buffer.from('x'), qos: 1 }))
    for (let i = 0; i < 65_534; i++) {
      wide.send(message({ payload: Buffer.from('x'), qos: 1 }))
      wide.acknowledged(PACKET.puback, channel.written.at(-1)?.readUInt16BE(5) ?? 0, 0)
    }
    wide.send(message({ payload: Buffer.from('x'), qos: 1 }))
    for (const packet of [channel.written[0], channel.written.at(-2), channel.written.at(-1)]) {
      ids.push(packet?.readUInt16BE(5) ?? 0)
    }
    assert.deepEqual(ids, [1, 65_535, 2])
  })

  it('copies the payload of what waits', () => {
    send(3, 1)
    const payload = Buffer.from('before')
    outbound.send(message({ payload, qos: 1 }))
    payload.fill('x')
    outbound.acknowledged(PACKET.puback, 1, 0)
    assert.equal(channel.written.at(-1)?.toString('latin1').slice(-6), 'before')
  })

  it('sends what is longer than a reservation', () => {
    channel.reserve = () => -1
    outbound.send(message({ payload: Buffer.alloc(400_000, 'y'), qos: 1 }))
    const expected = publishPacket('t', Buffer.alloc(400_000, 'y'), { packetId: 1 })
    assert.ok(Buffer.concat(channel.written).equals(expected))
  })
})
