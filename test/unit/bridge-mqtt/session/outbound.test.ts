import assert from 'node:assert/strict'
import { PACKET, VIOLATIONS } from '../../../../bridge-mqtt/codec/index.ts'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import { DELIVERY_PENDING_BYTES_MAX, OUTBOUND_ALIASES_MAX } from '../../../../bridge-mqtt/limits.ts'
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

  describe('QoS 2', () => {
    beforeEach(() => {
      outbound = make({ level: 5 })
    })

    function answer(type: keyof typeof PACKET, packetId: number, reason = 0): unknown {
      channel.written.length = 0
      return outbound.acknowledged(PACKET[type], packetId, reason)
    }

    it('is over with PUBCOMP, and has room in the window until then [MQTT-4.3.3-1]', () => {
      send(4, 2)
      assert.equal(channel.text, [1, 2, 3].map((id) => `340700017400${`0${id}`}0078`).join(''))
      answer('pubrec', 1)
      assert.equal(channel.text, '62020001')
      answer('pubrec', 1)
      assert.equal(channel.text, '62020001', 'said again')
      answer('pubcomp', 1)
      assert.equal(channel.text, '340700017400040078', 'the next one follows at once')
    })

    it('ends with a PUBREC that refuses it [MQTT-4.3.3-4]', () => {
      send(4, 2)
      answer('pubrec', 2, 0x97)
      assert.equal(channel.text, '340700017400040078')
      answer('pubcomp', 2)
      assert.equal(channel.text, '')
    })

    it('answers a PUBREC for what it does not know', () => {
      assert.equal(answer('pubrec', 7), undefined)
      assert.equal(channel.text, '6203000792')
      assert.equal(answer('pubrec', 7, 0x80), undefined)
      assert.equal(channel.text, '')
      assert.equal(answer('puback', 7), undefined)
      assert.equal(answer('pubcomp', 7), undefined)
      outbound = make({ level: 4 })
      answer('pubrec', 7)
      assert.equal(channel.text, '62020007')
    })

    it('takes an answer of another kind for a violation', () => {
      send(1, 1)
      send(2, 2)
      answer('pubrec', 2)
      for (const [type, packetId] of [
        ['pubrec', 1],
        ['pubcomp', 1],
        ['puback', 2],
        ['puback', 3],
        ['pubcomp', 3],
      ] as const) {
        assert.equal(answer(type, packetId), VIOLATIONS.ackKind, `${type} ${packetId}`)
      }
      assert.equal(answer('puback', 1), undefined)
    })

    it('frees an identifier of a connection that is gone when the client has forgotten it', () => {
      const window = new SendWindow(10)
      outbound = make({ level: 5, window, isWindowShared: true })
      send(1, 1)
      send(2, 2)
      answer('pubrec', 3)
      // What the log sent to the same client.
      const ofLog = window.take()
      assert.equal(answer('puback', ofLog), VIOLATIONS.ackKind)
      outbound.close()
      assert.deepEqual([...window.orphans], [2, 3])
      assert.equal(window.inflight, 3)
      channel.written.length = 0
      outbound = make({ level: 5, window, isWindowShared: true })
      outbound.resume()
      assert.equal(channel.text, '6202000262020003')
      answer('pubcomp', 2)
      answer('pubcomp', 3)
      assert.equal(window.inflight, 1)
      assert.equal(window.orphans.size, 0)
    })
  })

  describe('topic aliases', () => {
    const topics = ['one', 'two', 'three'].map((name) => Buffer.from(name))

    function sendTo(...indexes: number[]): string {
      channel.written.length = 0
      for (const i of indexes) outbound.send(message({ topic: topics[i] ?? TOPIC }))
      return channel.text
    }

    it('stand for topics from the first message on, as many as the client takes', () => {
      outbound = make({ level: 5, topicAliasMax: 2 })
      assert.equal(sendTo(0, 1), '300a00036f6e650323000178' + '300a000374776f0323000278')
      assert.equal(sendTo(0, 1, 0), [1, 2, 1].map((alias) => `300700000323000${alias}78`).join(''))
      assert.equal(sendTo(2), '300c000574687265650323000178', 'the eldest is given away')
      assert.equal(sendTo(0), '300a00036f6e650323000278')
    })

    it('are not set by a packet that is not sent, and left out where they make it too large', () => {
      const size = 2 + 2 + 3 + 1 + 1
      outbound = make({ level: 5, topicAliasMax: 2, packetSizeMax: size })
      assert.equal(sendTo(0), '300700036f6e650078')
      assert.equal(sendTo(2), '')
      assert.equal(counters.droppedTooLarge, 1)
    })

    it('are of MQTT 5, within a limit of ours', () => {
      outbound = make({ level: 4, topicAliasMax: 2 })
      assert.equal(sendTo(0), '300600036f6e6578')
      outbound = make({ level: 5, topicAliasMax: 65_535 })
      const many = Array.from({ length: OUTBOUND_ALIASES_MAX + 1 }, (_, i) => Buffer.from(`${i}`))
      for (const topic of many) outbound.send(message({ topic }))
      assert.match(channel.text, /0323000178$/)
    })
  })

  it('sends nothing that is larger than the client takes; it counts as done [MQTT-3.1.2-25]', () => {
    outbound = make({ packetSizeMax: 20 })
    for (const size of [14, 13, 13]) {
      outbound.send(message({ payload: Buffer.alloc(size, 'x'), qos: 1 }))
    }
    const text = 'x'.repeat(13)
    const expected = [2, 3].map((packetId) => publishPacket('t', text, { packetId }))
    assert.equal(channel.text, Buffer.concat(expected).toString('hex'))
    assert.equal(counters.droppedTooLarge, 1)
    // As one of many that are laid out once.
    for (let i = 0; i < 3; i++) {
      outbound.send(message({ payload: Buffer.alloc(19, 'x'), serial: 5 }))
    }
    assert.equal(counters.droppedTooLarge, 4)
    assert.equal(counters.sentMessages, 2)
  })
})
