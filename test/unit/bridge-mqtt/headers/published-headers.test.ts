import assert from 'node:assert/strict'
import {
  encodeProperties,
  PLACE,
  type Place,
  type Properties,
  PublishProperties,
} from '../../../../bridge-mqtt/codec/index.ts'
import {
  headersOf,
  headersOfPublish,
  NO_HEADERS,
  PROPERTIES_TOO_LARGE,
  QOS1_HEADERS,
  QOS2_HEADERS,
} from '../../../../bridge-mqtt/headers/index.ts'
import {
  HEADER_BLOCK_BYTES_MAX,
  USER_PROPERTIES_MAX,
} from '../../../../bridge-mqtt/headers/limits.ts'

function headers(qos: number, properties: Properties, place: Place = PLACE.publishOfClient) {
  return headersOf(qos, properties, place)
}

/** The fields of the block, without its first and last line. */
function lines(properties: Properties, qos = 0): readonly string[] {
  const block = headers(qos, properties)
  assert.ok(block instanceof Uint8Array)
  const text = Buffer.from(block).toString()
  assert.match(text, /^NATS\/1\.0\r\n.*\r\n\r\n$/s)
  return text.split('\r\n').slice(1, -2)
}

function user(...pairs: readonly (readonly [string, string])[]): Properties {
  return { userProperties: pairs.map(([name, value]) => ({ name, value })) }
}

/** Name, value, and the line that they make. */
const USER_PROPERTIES: readonly (readonly [string, string, string])[] = [
  ['unit', 'C', 'unit: C'],
  ['unit', '', 'unit: '],
  ['a/b=c', 'x: y', 'a/b=c: x: y'],
  ['Größe', '1', 'Mqtt-User-Property: Größe=1'],
  ['größe', 'ü', 'Mqtt-User-Property: größe=ü'],
  ['size', 'größe', 'size: größe'],
  ['', 'v', 'Mqtt-User-Property: =v'],
  ['', '', 'Mqtt-User-Property: ='],
  ['a b', 'v', 'Mqtt-User-Property: a b=v'],
  ['a:b', 'v', 'Mqtt-User-Property: a:b=v'],
  ['a=b c', 'd=e', 'Mqtt-User-Property: a%3Db c=d=e'],
  ['a', ' v', 'Mqtt-User-Property: a=%20v'],
  ['a', 'v\t', 'Mqtt-User-Property: a=v%09'],
  ['a', 'x\r\nPetiole-Qos: 2', 'Mqtt-User-Property: a=x%0D%0APetiole-Qos: 2'],
  ['a\r\nb', '100%', 'Mqtt-User-Property: a%0D%0Ab=100%25'],
  ['Petiole-Qos', '2', 'Mqtt-User-Property: Petiole-Qos=2'],
  ['Petiole-', '2', 'Mqtt-User-Property: Petiole-=2'],
  ['Mqtt-User-Property', 'a=b', 'Mqtt-User-Property: Mqtt-User-Property=a=b'],
  ['Nmqtt-Pub', '1', 'Mqtt-User-Property: Nmqtt-Pub=1'],
  ['Nats-Trace-Dest', 'x', 'Mqtt-User-Property: Nats-Trace-Dest=x'],
  ['Nats-Trace-Dest-Only', 'x', 'Mqtt-User-Property: Nats-Trace-Dest-Only=x'],
  ['Nats-Msg-Id', '7', 'Nats-Msg-Id: 7'],
  ['Petiole', '7', 'Petiole: 7'],
  ['mqtt-user-property', '7', 'mqtt-user-property: 7'],
]

const OTHERS: readonly (readonly [Properties, string])[] = [
  [{ payloadFormat: 0 }, 'Mqtt-Payload-Format: 0'],
  [{ payloadFormat: 1 }, 'Mqtt-Payload-Format: 1'],
  [{ messageExpirySeconds: 0 }, 'Mqtt-Message-Expiry: 0'],
  [{ messageExpirySeconds: 0xffff_ffff }, 'Mqtt-Message-Expiry: 4294967295'],
  [{ contentType: 'text/plain; charset=utf-8' }, 'Mqtt-Content-Type: text/plain; charset=utf-8'],
  [{ contentType: '' }, 'Mqtt-Content-Type: '],
  [{ contentType: ' a\n' }, 'Mqtt-Content-Type: %20a%0A'],
  [{ responseTopic: 'a/b' }, 'Mqtt-Response-Topic: a/b'],
  [{ responseTopic: 'a/50%/ö' }, 'Mqtt-Response-Topic: a/50%25/ö'],
  [{ correlationData: Uint8Array.of(0, 255) }, 'Mqtt-Correlation-Data: AP8='],
  [{ correlationData: NO_HEADERS }, 'Mqtt-Correlation-Data: '],
]

describe('headers of a publish', () => {
  for (const [name, value, line] of USER_PROPERTIES) {
    it(`${JSON.stringify(name)} = ${JSON.stringify(value)} is ${JSON.stringify(line)}`, () => {
      assert.deepEqual(lines(user([name, value])), [line])
    })
  }

  for (const [properties, line] of OTHERS) {
    it(`${JSON.stringify(properties)} is ${JSON.stringify(line)}`, () => {
      assert.deepEqual(lines(properties), [line])
    })
  }

  it('keeps user properties in their order, repetitions too [MQTT-3.3.2-18]', () => {
    const properties = user(['b', '1'], ['a', '2'], ['b', '1'], ['Mqtt-a', '3'], ['b', '4'])
    assert.deepEqual(lines(properties), [
      'b: 1',
      'a: 2',
      'b: 1',
      'Mqtt-User-Property: Mqtt-a=3',
      'b: 4',
    ])
  })

  it('says QoS first, and nothing of QoS 0', () => {
    assert.deepEqual(lines({ contentType: 'a' }, 2), ['Petiole-Qos: 2', 'Mqtt-Content-Type: a'])
    assert.deepEqual(lines({ contentType: 'a' }, 0), ['Mqtt-Content-Type: a'])
  })

  it('is the same block for all publishes without properties, and none at QoS 0', () => {
    const expected = [NO_HEADERS, QOS1_HEADERS, QOS2_HEADERS]
    for (const [qos, block] of expected.entries()) {
      assert.equal(headersOf(qos, undefined), block)
      assert.equal(headersOf(qos, {}), block)
      assert.equal(headersOfPublish(qos, Buffer.from([9, 9]), 1, 1), block)
      assert.equal(headersOfPublish(qos, Buffer.from([9, 0]), 1, 2), block)
    }
  })

  it('leaves out what is for one connection only', () => {
    assert.equal(headers(1, { topicAlias: 3 }), QOS1_HEADERS)
    assert.equal(headers(0, { topicAlias: 3 }), NO_HEADERS)
    const { publishOfServer, will } = PLACE
    assert.equal(headers(1, { subscriptionIds: [3, 4] }, publishOfServer), QOS1_HEADERS)
    assert.equal(headers(1, { willDelaySeconds: 9 }, will), QOS1_HEADERS)
  })

  it('reads a section where it lies', () => {
    const section = new PublishProperties()
    section.shared = encodeProperties({ topicAlias: 1, ...user(['a', 'b']) }, PLACE.publishOfClient)
    const packet = Buffer.alloc(10 + section.sectionSize + 10, 0x26)
    const end = section.write(packet, 10)
    const block = headersOfPublish(1, packet, 10, end)
    assert.deepEqual(block, Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\na: b\r\n\r\n'))
  })

  it('takes as many user properties as the limit, and not one more', () => {
    const pairs = Array.from({ length: USER_PROPERTIES_MAX }, () => ['', ''] as const)
    assert.equal(lines(user(...pairs)).length, USER_PROPERTIES_MAX)
    assert.equal(headers(0, user(...pairs, ['', ''])), PROPERTIES_TOO_LARGE)
  })

  it('takes as many bytes as the limit, and not one more', () => {
    const around = Buffer.byteLength('NATS/1.0\r\na: \r\n\r\n')
    const room = HEADER_BLOCK_BYTES_MAX - around
    const block = headers(0, user(['a', 'v'.repeat(room)]))
    assert.equal((block as Uint8Array).length, HEADER_BLOCK_BYTES_MAX)
    assert.equal(headers(0, user(['a', 'v'.repeat(room + 1)])), PROPERTIES_TOO_LARGE)
    assert.equal(headers(0, user(['a', '\n'.repeat(room / 2)])), PROPERTIES_TOO_LARGE)
    assert.equal(headers(0, { correlationData: Buffer.alloc(65_535) }), PROPERTIES_TOO_LARGE)
    assert.equal(headers(0, { contentType: '%'.repeat(65_535) }), PROPERTIES_TOO_LARGE)
    assert.deepEqual(lines(user(['a', 'b'])), ['a: b'], 'and goes on with the next one')
  })
})
