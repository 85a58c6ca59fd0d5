import assert from 'node:assert/strict'
import { QOS1_HEADERS, QOS2_HEADERS, qosOfHeaders } from '../../../../bridge-mqtt/headers/index.ts'

const BLOCKS: readonly (readonly [string, number])[] = [
  ['', 0],
  ['NATS/1.0\r\n\r\n', 0],
  ['NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n', 1],
  ['NATS/1.0\r\nPetiole-Qos:1\r\n\r\n', 1],
  ['NATS/1.0\r\nA: b\r\nPetiole-Qos: 2\r\nC: d\r\n\r\n', 2],
  ['NATS/1.0\r\nNmqtt-Pub:1\r\n\r\n', 1],
  ['NATS/1.0\r\nNmqtt-Pub:0\r\n\r\n', 0],
  ['NATS/1.0\r\nPetiole-Qos: 3\r\n\r\n', 0],
  ['NATS/1.0\r\nPetiole-Qos:', 0],
  ['NATS/1.0\r\nX-Petiole-Qos: 1\r\n\r\n', 0],
]

describe('publish QoS in headers', () => {
  for (const [block, qos] of BLOCKS) {
    it(`${JSON.stringify(block)} tells ${qos}`, () => {
      assert.equal(qosOfHeaders(Buffer.from(block)), qos)
    })
  }

  it('reads what it writes', () => {
    assert.equal(qosOfHeaders(QOS1_HEADERS), 1)
    assert.equal(qosOfHeaders(Buffer.from(QOS1_HEADERS)), 1)
    assert.equal(qosOfHeaders(QOS2_HEADERS), 2)
    assert.equal(qosOfHeaders(Buffer.from(QOS2_HEADERS)), 2)
  })
})
