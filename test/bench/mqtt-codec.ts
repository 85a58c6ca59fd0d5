/**
 * `node --import=tsx test/bench/mqtt-codec.ts`: what the hot packets cost the codec, in nanoseconds each, and
 * the same bytes in `mqtt-packet`. No sockets, no routing; the best of many short runs, so that a busy machine
 * does not count.
 */
import { parser } from 'mqtt-packet'
import {
  AckReader,
  encodeProperties,
  Frame,
  LEVEL,
  type Level,
  PACKET,
  PLACE,
  PublishProperties,
  PublishReader,
  publishHeadSize,
  writeAck,
  writePublishHead,
} from '../../bridge-mqtt/codec/index.ts'

const PACKETS = 400
const PAYLOAD_BYTES = 128
const SIZE_MAX = 1 << 20
const WARM_UP_RUNS = 300
const RUNS = 1_000
const TOPIC = Buffer.from('bench/sensor-7/temp')
const NANOSECONDS = 1e6

const frame = new Frame()
const publish = new PublishReader()
const ack = new AckReader()
const output = new Uint8Array(4_096)
const properties = new PublishProperties()
properties.messageExpiry = 3_600
properties.shared = encodeProperties(
  { contentType: 'text/plain', userProperties: [{ name: 'unit', value: 'C' }] },
  PLACE.publishOfClient,
)

function write(packetId: number, level: Level): Uint8Array {
  const extra = level === LEVEL.v5 ? properties : undefined
  const size = publishHeadSize(TOPIC.length, PAYLOAD_BYTES, packetId === 0 ? 0 : 1, extra)
  writePublishHead(output, 0, TOPIC, PAYLOAD_BYTES, packetId, undefined, extra)
  return output.subarray(0, size + PAYLOAD_BYTES)
}

function stream(qos: number, level: Level): Buffer {
  const packets = Array.from({ length: PACKETS }, (_, i) =>
    Buffer.from(write(qos === 0 ? 0 : i + 1, level)),
  )
  return Buffer.concat(packets)
}

function readAll(bytes: Buffer, level: Level): void {
  for (let at = 0; at < bytes.length; at = frame.bodyEnd) {
    frame.read(bytes, at, bytes.length)
    const isPublish = frame.type === PACKET.publish
    const wrong =
      frame.violation(level, SIZE_MAX) ??
      (isPublish
        ? publish.read(bytes, frame, level, 'client')
        : ack.read(bytes, frame, level, 'client'))
    if (wrong !== undefined) throw new Error(wrong.text)
    if (isPublish && publish.qos === 1) writeAck(output, 0, PACKET.puback, publish.packetId, 0)
  }
}

function best(run: () => void): string {
  for (let i = 0; i < WARM_UP_RUNS; i++) run()
  let leastMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) {
    const startMs = performance.now()
    run()
    leastMs = Math.min(leastMs, performance.now() - startMs)
  }
  return `${((leastMs * NANOSECONDS) / PACKETS).toFixed(1)} ns`
}

const acks = Buffer.concat(
  Array.from({ length: PACKETS }, (_, i) => {
    const bytes = Buffer.alloc(4)
    writeAck(bytes, 0, PACKET.puback, i + 1, 0)
    return bytes
  }),
)

const rows: Record<string, string>[] = []
for (const level of [LEVEL.v311, LEVEL.v5]) {
  for (const qos of [0, 1]) {
    const bytes = stream(qos, level)
    const library = parser({ protocolVersion: level })
    library.on('packet', () => {})
    rows.push({
      packet: `PUBLISH, QoS ${qos}, level ${level}`,
      read: best(() => readAll(bytes, level)),
      'mqtt-packet reads': best(() => library.parse(bytes)),
      write: best(() => {
        for (let i = 1; i <= PACKETS; i++) write(qos === 0 ? 0 : i, level)
      }),
    })
  }
}
rows.push({ packet: 'PUBACK', read: best(() => readAll(acks, LEVEL.v311)) })
console.table(rows)
