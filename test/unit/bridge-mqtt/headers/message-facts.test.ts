import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  decodeProperties,
  PLACE,
  type Properties,
  PublishProperties,
} from '../../../../bridge-mqtt/codec/index.ts'
import {
  headersOf,
  headersOfPublish,
  MessageFacts,
  QOS1_HEADERS,
  QOS2_HEADERS,
  qosOfHeaders,
} from '../../../../bridge-mqtt/headers/index.ts'
import { USER_PROPERTIES_MAX } from '../../../../bridge-mqtt/headers/limits.ts'

const facts = new MessageFacts()

/** What a client gets, decoded as a client decodes it: a malformed section fails here. */
function received(shared: Uint8Array): Properties {
  const section = new PublishProperties()
  section.shared = shared
  const bytes = Buffer.alloc(section.sectionSize)
  section.write(bytes, 0)
  const decoded = decodeProperties(bytes, 0, bytes.length, PLACE.publishOfServer)
  if ('rule' in decoded) assert.fail(decoded.text)
  return decoded.properties
}

/** A block as a NATS client sends it, and what an MQTT client gets of it. */
function ofBlock(block: string | Uint8Array, replyTopic?: string): Properties {
  facts.read(Buffer.from(block), replyTopic === undefined ? undefined : Buffer.from(replyTopic))
  return received(facts.shared)
}

function ofLines(...lines: readonly string[]): Properties {
  return ofBlock(['NATS/1.0', ...lines, '', ''].join('\r\n'))
}

function omittedBy(run: () => Properties): { omitted: number; properties: Properties } {
  const before = facts.omitted
  const properties = run()
  return { omitted: facts.omitted - before, properties }
}

const SPECIAL = [
  '%',
  '%41',
  '=',
  ' ',
  '\t',
  '\r',
  '\n',
  '\r\n',
  ':',
  ': ',
  '\u00a0',
  '\ufeff',
  'é',
  '😀',
  '\u007f',
  '\u0001',
  'Petiole-',
  'Petiole-Qos',
  'Mqtt-',
  'Mqtt-User-Property',
  'Nmqtt-Pub',
  'Nats-Trace-Dest',
  'Nats-Msg-Id',
  'a',
  'B-c',
]
const character = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 1 })
  .filter((each) => each !== '\0' && !/\p{Surrogate}/u.test(each))
const text = fc
  .array(fc.oneof(fc.constantFrom(...SPECIAL), character), { maxLength: 6 })
  .map((parts) => parts.join(''))
const topic = text.map((each) => `a${each.replace(/[+#]/g, '')}`)
const published: fc.Arbitrary<Properties> = fc.record(
  {
    payloadFormat: fc.constantFrom(0, 1),
    messageExpirySeconds: fc.nat({ max: 0xffff_ffff }),
    contentType: text,
    responseTopic: topic,
    correlationData: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    userProperties: fc.array(fc.record({ name: text, value: text }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 8,
    }),
  },
  { requiredKeys: [] },
)

describe('facts of a message', () => {
  it('are those of the publish, whatever its properties are', () => {
    fc.assert(
      fc.property(published, fc.constantFrom(0, 1, 2), (properties, qos) => {
        const block = headersOf(qos, properties)
        assert.ok(block instanceof Uint8Array)
        facts.read(block)
        const { messageExpirySeconds = -1, ...rest } = properties
        assert.equal(facts.qos, qos)
        assert.equal(qosOfHeaders(block), qos)
        assert.equal(facts.messageExpiry, messageExpirySeconds)
        assert.deepEqual(received(facts.shared), rest)
        assert.equal(facts.omitted, 0)
        assert.equal(facts.isRetain, false)
        assert.equal(facts.from, '')
      }),
      { numRuns: 2_000 },
    )
  })

  it('are the same when the next server makes headers of them again', () => {
    fc.assert(
      fc.property(published, (properties) => {
        const first = headersOf(1, properties) as Uint8Array
        facts.read(first)
        const section = new PublishProperties()
        section.shared = facts.shared
        section.messageExpiry = facts.messageExpiry
        const bytes = Buffer.alloc(section.sectionSize)
        const again = headersOfPublish(1, bytes, 0, section.write(bytes, 0), PLACE.publishOfServer)
        facts.read(again as Uint8Array)
        const { messageExpirySeconds = -1, ...rest } = properties
        assert.equal(facts.messageExpiry, messageExpirySeconds)
        assert.deepEqual(received(facts.shared), rest)
      }),
    )
  })

  it('are a good packet, whatever bytes are in the headers', () => {
    const piece = fc.oneof(
      fc
        .constantFrom(
          ...SPECIAL,
          'Mqtt-Content-Type: ',
          'Mqtt-Response-Topic: ',
          '#',
          '\0',
          '%00',
          '%ff',
        )
        .map((each) => Buffer.from(each)),
      fc
        .constantFrom(
          'Mqtt-Correlation-Data: ',
          'Mqtt-Payload-Format: ',
          'Mqtt-User-Property: ',
          '1',
        )
        .map((each) => Buffer.from(each)),
      fc.uint8Array({ maxLength: 3 }).map((each) => Buffer.from(each)),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, hasVersion) => {
        const block = Buffer.concat([Buffer.from(hasVersion ? 'NATS/1.0\r\n' : ''), ...pieces])
        facts.read(block, hasVersion ? Buffer.from('reply') : undefined)
        assert.equal(facts.qos, qosOfHeaders(block))
        received(facts.shared)
      }),
      { numRuns: 3_000 },
    )
    facts.omitted = 0
  })

  it('of no headers are none, and nothing is made for them', () => {
    facts.read(Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\nMqtt-Message-Expiry: 3\r\na: b\r\n\r\n'))
    const empty: readonly (readonly [Uint8Array, number])[] = [
      [new Uint8Array(0), 0],
      [QOS1_HEADERS, 1],
      [Buffer.from(QOS2_HEADERS), 2],
    ]
    for (const [block, qos] of empty) {
      facts.read(block)
      assert.equal(facts.qos, qos)
      assert.equal(facts.messageExpiry, -1)
      assert.equal(facts.shared.length, 0)
    }
  })

  it('show headers of a NATS client as user properties in their order', () => {
    const { userProperties } = ofLines(
      'b: 1',
      'A:2',
      'b:   1 \t',
      'Nats-Msg-Id: x: y',
      'empty:',
      'größe: ü',
    )
    assert.deepEqual(
      userProperties?.map(({ name, value }) => [name, value]),
      [
        ['b', '1'],
        ['A', '2'],
        ['b', '1'],
        ['Nats-Msg-Id', 'x: y'],
        ['empty', ''],
        ['größe', 'ü'],
      ],
    )
  })

  it('hide what is between servers', () => {
    const names = ['Petiole-Time', 'Petiole-From', 'Mqtt-Other', 'Nmqtt-Subject', 'Nats-Trace-Dest']
    assert.deepEqual(ofLines(...names.map((name) => `${name}: x`), 'a: b'), {
      userProperties: [{ name: 'a', value: 'b' }],
    })
  })

  it('are not taken from a status line, nor from lines without a name', () => {
    assert.deepEqual(ofBlock('NATS/1.0 503 No Responders: x\r\n\r\n'), {})
    assert.deepEqual(ofBlock('NATS/1.0\r\n: x\r\nnothing\r\n\r\n'), {})
    assert.deepEqual(ofBlock('a: b'), {})
    assert.deepEqual(ofBlock('NATS/1.0\na: b\nc: d'), {
      userProperties: [
        { name: 'a', value: 'b' },
        { name: 'c', value: 'd' },
      ],
    })
  })

  it('leave out and count what no packet can carry', () => {
    const blocks: readonly (string | Buffer)[] = [
      'a\0b: c',
      'a: \0',
      Buffer.from('a: \xff', 'latin1'),
      Buffer.from('\xc0\x80: b', 'latin1'),
      `a: ${'v'.repeat(65_536)}`,
      `${'n'.repeat(65_536)}: v`,
      'Mqtt-User-Property: %00=a',
      'Mqtt-User-Property: a=%ff',
      'Mqtt-Content-Type: %c0',
      'Mqtt-Response-Topic: a/#',
      'Mqtt-Response-Topic:',
      'Mqtt-Correlation-Data: =AA=',
      'Mqtt-Correlation-Data: AAA',
      'Mqtt-Payload-Format: 2',
      'Mqtt-Payload-Format: 01',
    ]
    for (const line of blocks) {
      const block = Buffer.concat([
        Buffer.from('NATS/1.0\r\nx: y\r\n'),
        Buffer.from(line),
        Buffer.from('\r\n\r\n'),
      ])
      const { omitted, properties } = omittedBy(() => ofBlock(block))
      assert.equal(omitted, 1, String(line).slice(0, 40))
      assert.deepEqual(properties, { userProperties: [{ name: 'x', value: 'y' }] })
    }
  })

  it('carry fields of the greatest length', () => {
    const [name, value] = ['n'.repeat(65_535), 'v'.repeat(65_535)]
    assert.deepEqual(ofLines(`${name}: ${value}`), { userProperties: [{ name, value }] })
  })

  it('are of a limited number', () => {
    const lines = Array.from({ length: USER_PROPERTIES_MAX + 5 }, (_, i) => `n: ${i}`)
    const { omitted, properties } = omittedBy(() => ofLines(...lines, 'Mqtt-Content-Type: a'))
    assert.equal(omitted, 5)
    assert.equal(properties.userProperties?.length, USER_PROPERTIES_MAX)
    assert.equal(properties.userProperties?.at(-1)?.value, `${USER_PROPERTIES_MAX - 1}`)
    assert.equal(properties.contentType, 'a')
  })

  it('say each property once, the first that is good', () => {
    assert.deepEqual(
      ofLines(
        'Mqtt-Content-Type: %ff',
        'Mqtt-Content-Type: a',
        'Mqtt-Content-Type: b',
        'Mqtt-Payload-Format: 1',
        'Mqtt-Payload-Format: 0',
        'Mqtt-Response-Topic: r',
        'Mqtt-Response-Topic: s',
        'Mqtt-Correlation-Data: AA==',
        'Mqtt-Correlation-Data: AQ==',
      ),
      { contentType: 'a', payloadFormat: 1, responseTopic: 'r', correlationData: Buffer.from([0]) },
    )
  })

  it('answer to the reply subject rather than to the topic that came with the message', () => {
    const block = 'NATS/1.0\r\nMqtt-Response-Topic: stored\r\n\r\n'
    assert.deepEqual(ofBlock(block), { responseTopic: 'stored' })
    assert.deepEqual(ofBlock(block, 'live/reply'), { responseTopic: 'live/reply' })
    assert.deepEqual(ofBlock('', 'live/reply'), { responseTopic: 'live/reply' })
    assert.deepEqual(ofBlock(QOS1_HEADERS, 'r'), { responseTopic: 'r' })
  })

  it('understand percent-encoding as others write it', () => {
    assert.deepEqual(
      ofLines('Mqtt-User-Property: %c3%a9%3d=100%, %4 %zz', 'Mqtt-User-Property: bare'),
      {
        userProperties: [
          { name: 'é=', value: '100%, %4 %zz' },
          { name: 'bare', value: '' },
        ],
      },
    )
  })

  it('take no time of expiry that is none', () => {
    const values: readonly (readonly [string, number])[] = [
      ['0', 0],
      ['60', 60],
      ['4294967295', 4294967295],
      ['4294967296', -1],
      ['', -1],
      ['-1', -1],
      ['1.5', -1],
      ['00000000001', -1],
      ['1e3', -1],
    ]
    for (const [value, expiry] of values) {
      facts.read(Buffer.from(`NATS/1.0\r\nMqtt-Message-Expiry: ${value}\r\n\r\n`))
      assert.equal(facts.messageExpiry, expiry, value)
    }
  })

  it('stay what they were when the next message is read', () => {
    facts.read(Buffer.from('NATS/1.0\r\na: b\r\n\r\n'))
    const first = facts.shared
    facts.read(Buffer.from('NATS/1.0\r\nc: d\r\n\r\n'))
    assert.deepEqual(received(facts.shared), { userProperties: [{ name: 'c', value: 'd' }] })
    assert.deepEqual(received(first), { userProperties: [{ name: 'a', value: 'b' }] })
  })

  it('are read once of a block that stays what it is', () => {
    const block = Buffer.from(
      'NATS/1.0\r\nPetiole-Group: g\r\nMqtt-Message-Expiry: 9\r\na: b\r\n\r\n',
    )
    facts.readUnchanging(block)
    const first = facts.shared
    facts.readUnchanging(block)
    assert.equal(facts.shared, first)
    assert.deepEqual([facts.group, facts.messageExpiry], ['g', 9])
    facts.readUnchanging(QOS2_HEADERS)
    assert.deepEqual([facts.qos, facts.group, facts.messageExpiry], [2, '', -1])
    assert.deepEqual(received(facts.shared), {})
    facts.readUnchanging(block)
    assert.deepEqual(received(facts.shared), { userProperties: [{ name: 'a', value: 'b' }] })
  })

  it('have no topic of the reply to an earlier message with the same block', () => {
    const block = Buffer.from('NATS/1.0\r\na: b\r\n\r\n')
    facts.read(block, Buffer.from('r'))
    assert.equal(facts.responseTopic(9), 'r')
    facts.readUnchanging(block)
    assert.equal(facts.responseTopic(9), undefined)
  })
})
