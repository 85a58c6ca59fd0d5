import assert from 'node:assert/strict'
import { PACKET, VIOLATIONS } from '../../../../bridge-mqtt/codec/index.ts'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import {
  DELIVERY_PENDING_BYTES_MAX,
  FLIGHT_BYTES_MAX,
  FLIGHT_BYTES_MIN,
  FLIGHT_PATIENCE_MS,
  OUTBOUND_ALIASES_MAX,
} from '../../../../bridge-mqtt/limits.ts'
import { SendWindow } from '../../../../bridge-mqtt/send-window.ts'
import { Outbound, type OutboundOptions } from '../../../../bridge-mqtt/session/outbound.ts'
import { KeptMessages } from '../../../../bridge-mqtt/session/outbound-kept.ts'
import { OutboundMessage } from '../../../../bridge-mqtt/session/outbound-message.ts'
import { allocate, release } from '../../../../shared/transport/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { publishPacket } from '../../../support/mqtt-packets.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

const ROOM = 64 * 1024
const LIMITS = { queuedMessagesMax: 4, queuedBytesMax: 10_000 }
const TOPIC = Buffer.from('t')
const UNLIMITED = Number.POSITIVE_INFINITY
/** Permissions do not change here. */
const ALLOWING = { mayReceive: () => true, passOn: () => {} }

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
      kept: new KeptMessages({ counters, bytesMax: () => UNLIMITED, filled: () => {} }),
      window: new SendWindow(3),
      isWindowShared: false,
      host: { ...ALLOWING, flushQueue: () => outbound.flushQueue() },
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

  it('lets both wait while the output is behind, QoS 0 in front', () => {
    channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    send(1, 1)
    send(2, 0)
    assert.equal(channel.text, '')
    assert.equal(outbound.queued, 1)
    outbound.flushQueue()
    assert.equal(channel.text, '', 'nothing is written to an output that is behind')
    channel.pendingBytes = 0
    send(1, 0)
    assert.equal(channel.text, '', 'it does not overtake what waits')
    outbound.flushQueue()
    assert.equal(channel.text, packets(0, 0, 0, 1))
    assert.deepEqual([counters.droppedQos0, counters.droppedQos1], [0, 0])
    assert.deepEqual([counters.queuedMessages, counters.queuedBytes], [0, 0])
  })

  it('drops QoS 0 beyond what waits of it, by bytes', () => {
    channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    const payload = Buffer.alloc(LIMITS.queuedBytesMax / 4)
    for (let i = 0; i < 6; i++) outbound.send(message({ payload }))
    assert.equal(counters.droppedQos0, 3, 'beside the payloads others count too')
    assert.ok(counters.queuedBytes > 3 * payload.length)
    assert.ok(counters.queuedBytes < LIMITS.queuedBytesMax)
  })

  it('lets a message of QoS 0 expire that waits [MQTT-3.3.2-5]', () => {
    channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    outbound.send(message({ messageExpiry: 1 }))
    outbound.send(message({ messageExpiry: 3 }))
    clock.advance(2_000)
    channel.pendingBytes = 0
    outbound.flushQueue()
    assert.equal(channel.text, packets(0))
    assert.equal(counters.expired, 1)
  })

  it('what has room in the window waits beside those that are behind it', () => {
    channel.pendingBytes = DELIVERY_PENDING_BYTES_MAX
    send(9, 1)
    assert.equal(outbound.queued, LIMITS.queuedMessagesMax + 3)
    assert.ok(outbound.isFull)
    assert.equal(counters.droppedQos1, 2)
  })

  describe('bytes in flight', () => {
    const payload = Buffer.alloc(FLIGHT_BYTES_MIN / 4)
    let window: SendWindow

    beforeEach(() => {
      window = new SendWindow(1_000)
      outbound = make({ window, queuedMessagesMax: 1_000, queuedBytesMax: UNLIMITED })
    })

    function flood(count: number): void {
      for (let i = 0; i < count; i++) outbound.send(message({ payload, qos: 1 }))
    }

    it('are few to who never acknowledges: nothing is written for what comes then', () => {
      flood(100)
      assert.equal(window.inflight, 4)
      assert.equal(outbound.queued, 96)
      const { length } = channel.written
      flood(100)
      outbound.flushQueue()
      assert.equal(channel.written.length, length)
      assert.equal(outbound.windowRoom, 0)
    })

    it('double with each round trip of who does', () => {
      flood(500)
      const rounds: number[] = []
      for (let next = 1; rounds.length < 5; ) {
        const { inflight } = window
        rounds.push(inflight)
        for (let i = 0; i < inflight; i++) outbound.acknowledged(PACKET.puback, next++, 0)
      }
      assert.deepEqual(rounds, [4, 8, 16, 32, 64])
    })

    it('grow by and by to who acknowledges by the batch, after ever longer waits', () => {
      flood(1_000)
      for (const [i, inflight] of [8, 12, 16].entries()) {
        clock.advance(FLIGHT_PATIENCE_MS * 2 ** i - 1)
        assert.equal(window.inflight, inflight - 4)
        clock.advance(1)
        assert.equal(window.inflight, inflight)
      }
      for (let id = 1; id <= 16; id++) outbound.acknowledged(PACKET.puback, id, 0)
      assert.equal(window.inflight, 32, 'the next batch is there at once')
      clock.advance(FLIGHT_PATIENCE_MS * 8)
      assert.equal(window.inflight, 36 + 4 + 4)
    })

    it('grow by a message at least, however long that is', () => {
      outbound = make({ window, queuedMessagesMax: 1_000, queuedBytesMax: UNLIMITED })
      const long = Buffer.alloc(5 * FLIGHT_BYTES_MIN)
      for (let i = 0; i < 4; i++) outbound.send(message({ payload: long, qos: 1 }))
      for (const inflight of [1, 2, 3, 4]) {
        assert.equal(window.inflight, inflight)
        clock.advance(FLIGHT_PATIENCE_MS * 2 ** (inflight - 1))
      }
    })

    it('grow up to a limit', () => {
      flood(1_000)
      for (let i = 0; i < 1_000; i++) clock.advance(FLIGHT_PATIENCE_MS * 2 ** i)
      assert.equal(window.inflight, FLIGHT_BYTES_MAX / payload.length)
    })

    it('begin anew with the next connection, whatever the last has left', () => {
      outbound = make({ window, isWindowShared: true, level: 5 })
      for (let i = 0; i < 4; i++) outbound.send(message({ payload, qos: 2 }))
      assert.equal(window.hasRoom, false)
      outbound.close()
      assert.equal(window.inflight, 4)
      assert.equal(window.hasRoom, true)
      clock.advance(FLIGHT_PATIENCE_MS)
    })

    it('are those of the log too', () => {
      outbound = make({ window, isWindowShared: true })
      const host = { ...ALLOWING, flushed: 0, flushQueue: () => host.flushed++ }
      outbound = make({ window, isWindowShared: true, host })
      for (let i = 0; i < 4; i++) {
        assert.ok(outbound.publishLogged(message({ payload, qos: 1 }), window.take(), false))
      }
      assert.equal(window.take(), 0)
      clock.advance(FLIGHT_PATIENCE_MS)
      assert.equal(host.flushed, 1, 'the log is told that there is room')
      assert.notEqual(window.take(), 0)
    })
  })

  it('gives no packet identifier twice while it is in flight [MQTT-2.3.1-4]', () => {
    const ids = new Set<number>()
    const wide = make({ window: new SendWindow(65_535) })
    wide.send(message({ payload: Buffer.from('x'), qos: 1 }))
    let wraps = 0
    let last = 1
    while (wraps < 2) {
      wide.send(message({ payload: Buffer.from('x'), qos: 1 }))
      const id = channel.written.pop()?.readUInt16BE(5) ?? 0
      ids.add(id)
      if (id < last) wraps++
      last = id
      wide.acknowledged(PACKET.puback, id, 0)
    }
    assert.equal(ids.has(0) || ids.has(1), false)
    assert.ok(ids.has(65_535))
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
      assert.equal(window.inflight, 3)
      channel.written.length = 0
      outbound = make({ level: 5, window, isWindowShared: true })
      outbound.resume()
      assert.equal(channel.text, '6202000262020003')
      answer('pubcomp', 2)
      answer('pubcomp', 3)
      assert.equal(window.inflight, 1)
      assert.deepEqual([...window.adopt()], [])
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
