import assert from 'node:assert/strict'
import { generate } from 'mqtt-packet'
import {
  AckReader,
  Frame,
  LEVEL,
  PACKET,
  PublishReader,
  publishHeadSize,
  VIOLATIONS,
  writeAck,
  writePublishHead,
} from '../../../../bridge-mqtt/codec/index.ts'

/** Body violations of a PUBLISH: first byte, body, and the rule broken. */
const MALFORMED: readonly (readonly [string, string, string])[] = [
  ['QoS 3', '36 06 0001 61 0001 00', VIOLATIONS.publishQos.rule],
  ['DUP at QoS 0', '38 03 0001 61', VIOLATIONS.publishDup.rule],
  ['no topic length', '30 00', VIOLATIONS.truncated.rule],
  ['half a topic length', '30 01 00', VIOLATIONS.truncated.rule],
  ['topic beyond the packet', '30 03 0002 61', VIOLATIONS.truncated.rule],
  ['no packet identifier', '32 03 0001 61', VIOLATIONS.truncated.rule],
  ['half a packet identifier', '32 04 0001 61 00', VIOLATIONS.truncated.rule],
  ['packet identifier 0', '32 05 0001 61 0000', VIOLATIONS.packetIdZero.rule],
  ['empty topic', '30 02 0000', VIOLATIONS.emptyTopic.rule],
]

describe('publish codec', () => {
  for (const [name, hex, rule] of MALFORMED) {
    it(`refuses ${name} [${rule}]`, () => {
      const { violation } = readPublish(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
      assert.equal(violation?.rule, rule)
    })
  }

  it('reads what mqtt-packet writes, and writes the same bytes', () => {
    for (const size of [0, 1, 121, 122, 200, 16_384, 70_000]) {
      for (const qos of [0, 1] as const) {
        const payload = Buffer.alloc(size, 'x')
        const topic = Buffer.from('plant/größe')
        const packet = generate({
          cmd: 'publish',
          topic: topic.toString(),
          payload,
          qos,
          dup: false,
          retain: false,
          ...(qos === 1 ? { messageId: 0x1234 } : {}),
        })
        const { reader, violation } = readPublish(packet)
        assert.equal(violation, undefined)
        assert.equal(reader.qos, qos)
        assert.equal(reader.packetId, qos === 1 ? 0x1234 : 0)
        assert.deepEqual(packet.subarray(reader.topicStart, reader.topicEnd), topic)
        assert.deepEqual(packet.subarray(reader.payloadStart, reader.payloadEnd), payload)
        const written = Buffer.alloc(packet.length)
        const body = writePublishHead(written, 0, topic, size, qos === 1 ? 0x1234 : 0)
        assert.equal(body, publishHeadSize(topic.length, size, qos))
        payload.copy(written, body)
        assert.ok(written.equals(packet))
      }
    }
  })

  it('reads and writes PUBACK', () => {
    const bytes = Buffer.alloc(4)
    assert.equal(writeAck(bytes, 0, PACKET.puback, 0xabcd, 0), 4)
    assert.equal(bytes.toString('hex'), '4002abcd')
    const frame = new Frame()
    frame.read(bytes, 0, 4)
    const reader = new AckReader()
    assert.equal(reader.read(bytes, frame, LEVEL.v311, 'client'), undefined)
    assert.equal(reader.packetId, 0xabcd)
  })

  for (const [hex, rule] of [
    ['40020000', VIOLATIONS.packetIdZero.rule],
    ['400101', VIOLATIONS.truncated.rule],
    ['4003000100', VIOLATIONS.trailingBytes.rule],
  ] as const) {
    it(`refuses the PUBACK ${hex} [${rule}]`, () => {
      const bytes = Buffer.from(hex, 'hex')
      const frame = new Frame()
      frame.read(bytes, 0, bytes.length)
      const violation = new AckReader().read(bytes, frame, LEVEL.v311, 'client')
      assert.equal(violation?.rule, rule)
    })
  }
})

function readPublish(packet: Buffer) {
  const frame = new Frame()
  assert.equal(frame.read(packet, 0, packet.length), 'whole')
  const reader = new PublishReader()
  return { reader, violation: reader.read(packet, frame, LEVEL.v311, 'client') }
}
