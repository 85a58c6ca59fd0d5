import assert from 'node:assert/strict'
import {
  type AckType,
  answerTo,
  type ConnectPacket,
  decodeProperties,
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeConnect,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
  encodeWithin,
  Frame,
  InboundAliases,
  LEVEL,
  NO_PROPERTIES,
  OutboundAliases,
  PACKET,
  PLACE,
  type Properties,
  PublishProperties,
  parseShared,
  propertySection,
  publishHeadSize,
  REASON,
  VIOLATIONS,
  writeAck,
  writePublishHead,
} from '../../../bridge-mqtt/codec/index.ts'
import { filterToSubjects } from '../../../bridge-mqtt/topic-map.ts'
import { packetOf, readPacket } from '../../support/mqtt-codec.ts'

/** What the codec does that is no packet to be read: statements of MQTT 5, of MQTT 3.1.1, and the proof. */
export interface Proof {
  readonly of5: string
  readonly of3: string
  readonly name: string
  readonly prove: () => void
}

const WORDS = 'r'.repeat(40)
const TALKATIVE: Properties = {
  reasonString: WORDS,
  userProperties: [{ name: 'n'.repeat(20), value: 'v'.repeat(20) }],
}
const AUTH: Properties = { authenticationMethod: 'SCRAM-SHA-256' }

type Sized = (properties: Properties) => Uint8Array

/** The packets that may carry words for people: the statements of both kinds, and how they are made. */
const TALKERS: readonly (readonly [string, string, Properties, Sized])[] = [
  [
    'CONNACK',
    '3.2.2-19 3.2.2-20',
    NO_PROPERTIES,
    (properties) => encodeConnack({ code: 0x87, isSessionPresent: false, properties }, LEVEL.v5),
  ],
  ['PUBACK', '3.4.2-2 3.4.2-3', NO_PROPERTIES, acknowledging(PACKET.puback)],
  ['PUBREC', '3.5.2-2 3.5.2-3', NO_PROPERTIES, acknowledging(PACKET.pubrec)],
  ['PUBREL', '3.6.2-2 3.6.2-3', NO_PROPERTIES, acknowledging(PACKET.pubrel)],
  ['PUBCOMP', '3.7.2-2 3.7.2-3', NO_PROPERTIES, acknowledging(PACKET.pubcomp)],
  [
    'SUBACK',
    '3.9.2-1 3.9.2-2',
    NO_PROPERTIES,
    (properties) => encodeSuback({ packetId: 1, codes: [0, 0x87], properties }, LEVEL.v5),
  ],
  [
    'UNSUBACK',
    '3.11.2-1 3.11.2-2',
    NO_PROPERTIES,
    (properties) => encodeUnsuback({ packetId: 1, codes: [0x11], properties }, LEVEL.v5),
  ],
  [
    'DISCONNECT',
    '3.14.2-3 3.14.2-4',
    NO_PROPERTIES,
    (properties) => encodeDisconnect({ reason: 0x8b, properties }, LEVEL.v5, 'server'),
  ],
  [
    'AUTH',
    '3.15.2-2 3.15.2-3',
    AUTH,
    (properties) => encodeAuth({ reason: 0x18, properties }, 'server'),
  ],
]

function acknowledging(type: AckType): Sized {
  const reason = type === PACKET.puback || type === PACKET.pubrec ? 0x97 : 0x92
  return (properties) => encodeAck({ type, packetId: 1, reason, properties })
}

/** At each maximum from too little to all: what fits, what is left out, and in which order. */
function proveTalker(needed: Properties, encode: Sized): void {
  const full: Properties = { ...needed, ...TALKATIVE }
  const { userProperties: _, ...brief } = full
  const sizes = [needed, brief, full].map((properties) => encode(properties).length)
  const [bareSize = 0, briefSize = 0, fullSize = 0] = sizes
  for (let max = bareSize - 1; max <= fullSize + 1; max++) {
    const made = encodeWithin(max, { properties: full }, ({ properties }) => encode(properties))
    const size = max >= fullSize ? fullSize : max >= briefSize ? briefSize : bareSize
    if (max < bareSize) assert.equal(made, undefined, `at ${max}`)
    else assert.equal(made?.length, size, `at ${max}`)
  }
}

export const PROOFS: readonly Proof[] = [
  ...TALKERS.map(([name, of5, needed, encode]) => ({
    of5: `${of5} 3.1.2-24`,
    of3: '',
    name: `${name} goes without what does not fit, user properties first, or not at all`,
    prove: () => proveTalker(needed, encode),
  })),
  {
    of5: '3.1.2-24',
    of3: '',
    name: 'the size of a PUBLISH is known before it is written',
    prove: () => {
      const properties = new PublishProperties()
      properties.topicAlias = 7
      properties.messageExpiry = 0xffff_ffff
      properties.subscriptionIds = [1, 0x0fff_ffff]
      properties.shared = Buffer.from('0101', 'hex')
      const size = publishHeadSize(5, 3, 1, properties)
      const bytes = new Uint8Array(size + 3)
      const topic = Buffer.from('topic')
      assert.equal(writePublishHead(bytes, 0, topic, 3, 9, undefined, properties), size)
      assert.equal(
        Buffer.from(bytes).toString('hex'),
        '321e0005746f7069630009' +
          '11' +
          '230007' +
          '02ffffffff' +
          '0b01' +
          '0bffffff7f' +
          '0101' +
          '000000',
      )
    },
  },
  {
    of5: '1.5.5-1',
    of3: '',
    name: 'a remaining length of more bytes than it needs is for MQTT 3.1.1 only',
    prove: () => {
      const padded = Buffer.from('c08000', 'hex')
      assert.deepEqual(readPacket(padded, LEVEL.v5), {
        violation: VIOLATIONS.remainingLengthPadded,
        level: LEVEL.v5,
      })
      assert.deepEqual(readPacket(padded, LEVEL.v311), { packet: { type: 12 }, end: 3 })
    },
  },
  {
    of5: '3.2.2-15',
    of3: '',
    name: 'a packet above the maximum is refused by its header, the largest is not',
    prove: () => {
      const frame = new Frame()
      const header = Buffer.from('30e807', 'hex')
      assert.equal(frame.read(header, 0, 3), 'partial')
      assert.equal(frame.violation(LEVEL.v5, 1_003), undefined)
      const violation = frame.violation(LEVEL.v5, 1_002)
      assert.deepEqual([violation?.rule5, violation?.reason], ['MQTT-3.2.2-15', 0x95])
    },
  },
  {
    of5: '3.1.3-10 3.3.2-18 2.2.2-1',
    of3: '',
    name: 'user properties keep their order, names may come again; none are one byte',
    prove: () => {
      const userProperties = ['b', 'a', 'b', '__proto__'].map((name, i) => ({
        name,
        value: `${i}`,
      }))
      const will = {
        topic: Buffer.from('w'),
        payload: Buffer.from('x'),
        qos: 1,
        isRetain: true,
        properties: { userProperties },
        section: Buffer.from(propertySection({ userProperties }, PLACE.will)),
      }
      const packet = {
        level: LEVEL.v5,
        clientId: 'c',
        isClean: true,
        keepAliveSeconds: 1,
        user: undefined,
        password: undefined,
        will,
        properties: NO_PROPERTIES,
      }
      const bytes = encodeConnect(packet)
      assert.equal(bytes[12], 0)
      assert.deepEqual(readPacket(bytes, LEVEL.v5), {
        packet: { kind: 'connect', level: LEVEL.v5, packet },
        end: bytes.length,
      })
    },
  },
  {
    of5: '3.1.2-26 3.1.2-27 3.3.2-11',
    of3: '',
    name: 'aliases go up to the maximum of the client and are used again; without one there are none',
    prove: () => {
      const topics = ['a', 'b', 'c'].map((name) => ({ name }))
      const [a = {}, b = {}, c = {}] = topics
      const aliases = new OutboundAliases(2)
      const told = [a, b, a, c, b, a, c].map((topic) => ({ ...aliases.of(topic) }))
      assert.deepEqual(
        told.map(({ alias, isKnown }) => (isKnown ? alias : -alias)),
        [-1, -2, 1, -1, 2, -2, 1],
      )
      assert.deepEqual({ ...new OutboundAliases(0).of(a) }, { alias: 0, isKnown: false })
    },
  },
  {
    of5: '3.3.2-9 3.3.2-12',
    of3: '',
    name: 'aliases of a client: each up to the maximum, none above, none that was not set',
    prove: () => {
      const aliases = new InboundAliases<{ name: string }>(3)
      assert.equal(aliases.get(3), VIOLATIONS.topicAliasUnknown)
      assert.equal(aliases.set(3, { name: 'x' }), undefined)
      assert.equal(aliases.get(1), VIOLATIONS.topicAliasUnknown)
      assert.equal(aliases.set(1, { name: 'y' }), undefined)
      assert.equal(aliases.set(3, { name: 'z' }), undefined)
      assert.deepEqual([aliases.get(3), aliases.get(1)], [{ name: 'z' }, { name: 'y' }])
      assert.equal(aliases.set(4, { name: 'x' }), VIOLATIONS.topicAliasTooHigh)
      assert.equal(aliases.get(65_535), VIOLATIONS.topicAliasTooHigh)
      assert.equal(VIOLATIONS.topicAliasTooHigh.reason, REASON.topicAliasInvalid)
      assert.equal(VIOLATIONS.topicAliasUnknown.reason, REASON.protocolError)
    },
  },
  {
    of5: '3.14.0-1 4.13.1-1 3.1.4-1',
    of3: '4.8.0-1 3.1.4-1',
    name: 'a code goes in CONNACK before the session, in DISCONNECT after, and nowhere before MQTT 5',
    prove: () => {
      const { truncated, topicAliasZero, protocolName } = VIOLATIONS
      const answers = [0, 3, 4, 5].flatMap((level) => [
        answerTo(truncated, level, false),
        answerTo(truncated, level, true),
      ])
      assert.deepEqual(
        answers.slice(0, 6),
        Array.from({ length: 6 }, () => 'close'),
      )
      assert.deepEqual(answers.slice(6), ['connack', 'disconnect'])
      assert.equal(answerTo(topicAliasZero, LEVEL.v5, false), 'close')
      for (const violation of Object.values(VIOLATIONS)) {
        const expected = violation === protocolName ? 'close' : 'disconnect'
        assert.equal(answerTo(violation, LEVEL.v5, true), expected, violation.text)
      }
    },
  },
  {
    of5: '4.7.1-1 4.7.1-2',
    of3: '4.7.1-2 4.7.1-3',
    name: 'wildcards in filters',
    prove: () => {
      for (const filter of ['#', 'a/#', '+', '+/a', 'a/+/b', '+/+', '/+']) {
        assert.ok(filterToSubjects(filter) !== undefined, filter)
      }
      for (const filter of ['a#', '#/a', 'a/#/b', '##', 'a+', '+a', 'a/b+', '++', '+#']) {
        assert.equal(filterToSubjects(filter), undefined, filter)
      }
    },
  },
  {
    of5: '4.7.3-3',
    of3: '4.7.3-3',
    name: 'no string of more than 65,535 bytes',
    prove: () => {
      const longest = encodeConnectOf('x'.repeat(65_535))
      assert.equal(readPacket(longest, LEVEL.v311) === 'partial', false)
      assert.throws(() => encodeConnectOf('x'.repeat(65_536)))
    },
  },
  {
    of5: '4.8.2-1 4.8.2-2',
    of3: '',
    name: 'filters of shared subscriptions',
    prove: () => {
      assert.deepEqual(parseShared('$share/g/a/#'), { group: 'g', filter: 'a/#' })
      assert.deepEqual(parseShared('$share/ü b//'), { group: 'ü b', filter: '/' })
      for (const filter of [
        '$share',
        '$share/',
        '$share/g',
        '$share/g/',
        '$share//a',
        '$share/+/a',
        '$share/g#/a',
        'share/g/a',
      ]) {
        assert.equal(parseShared(filter), undefined, filter)
      }
    },
  },
  {
    of5: '3.14.2-2',
    of3: '',
    name: 'the server cannot be made to say what is not its to say',
    prove: () => {
      const packet = { reason: 0, properties: { sessionExpirySeconds: 1 } }
      assert.throws(() => encodeDisconnect(packet, LEVEL.v5, 'server'))
      assert.ok(encodeDisconnect(packet, LEVEL.v5, 'client').length > 0)
    },
  },
  {
    of5: '3.2.2-6 3.2.2-8 3.4.2-1 3.5.2-1 3.6.2-1 3.7.2-1 3.9.3-2 3.11.3-2 3.14.2-1 3.15.2-1',
    of3: '3.2.2-4 3.2.2-6 3.9.3-2',
    name: 'nor can it be made to send a code that a packet has not',
    prove: () => {
      const properties = NO_PROPERTIES
      const bytes = new Uint8Array(8)
      const refused = { isSessionPresent: false, properties }
      for (const make of [
        () => encodeConnack({ ...refused, code: 5 }, LEVEL.v5),
        () => encodeConnack({ ...refused, code: 0x87 }, LEVEL.v311),
        () => encodeConnack({ ...refused, code: 0x87, isSessionPresent: true }, LEVEL.v5),
        () => encodeConnack({ ...refused, code: 5, isSessionPresent: true }, LEVEL.v311),
        () => writeAck(bytes, 0, PACKET.puback, 1, 0x92),
        () => writeAck(bytes, 0, PACKET.pubrec, 1, 0x01),
        () => writeAck(bytes, 0, PACKET.pubrel, 1, 0x80),
        () => encodeAck({ type: PACKET.pubcomp, packetId: 1, reason: 0x91, properties }),
        () => encodeSuback({ packetId: 1, codes: [3], properties }, LEVEL.v5),
        () => encodeSuback({ packetId: 1, codes: [0x87], properties }, LEVEL.v311),
        () => encodeUnsuback({ packetId: 1, codes: [0x80, 1], properties }, LEVEL.v5),
        () => encodeDisconnect({ reason: 4, properties }, LEVEL.v5, 'server'),
        () => encodeAuth({ reason: 0x19, properties: AUTH }, 'server'),
      ]) {
        assert.throws(make, /no code|session present/)
      }
      assert.equal(writeAck(bytes, 0, PACKET.pubrel, 0x0102, 0x92), 5)
      assert.equal(Buffer.from(bytes.subarray(0, 5)).toString('hex'), '6203010292')
    },
  },
  {
    of5: '6.0.0-2',
    of3: '6.0.0-2',
    name: 'a packet is the same in whatever pieces it comes',
    prove: () => {
      const packet = packetOf('30', '0001 61 0e 26000161000162 26000161000163 7061')
      for (let end = 0; end < packet.length; end++) {
        assert.equal(readPacket(packet, LEVEL.v5, 'client', { end }), 'partial')
      }
      const whole = readPacket(packet, LEVEL.v5)
      const followed = readPacket(Buffer.concat([packet, packet]), LEVEL.v5)
      assert.deepEqual(followed, whole)
    },
  },
  {
    of5: '3.1.3-1 3.1.2-17 3.1.2-19 3.1.2-9',
    of3: '3.1.3-1 3.1.2-9 3.1.2-19 3.1.2-21',
    name: 'the fields of a CONNECT are read in their order',
    prove: () => {
      const fields = { clientId: 'i', willTopic: 't', willPayload: 'p', user: 'u', password: 's' }
      const name = '0004 4d515454'
      const [id, will, people] = ['0001 69', '0001 74 0001 70', '0001 75 0001 73']
      assert.deepEqual(connectFields(`${name} 05 ee 0000 00 ${id} 00 ${will} ${people}`), fields)
      assert.deepEqual(connectFields(`${name} 04 ee 0000 ${id} ${will} ${people}`), fields)
    },
  },
  {
    of5: '1.5.4-3',
    of3: '1.5.3-3',
    name: 'U+FEFF is not taken away, in front neither',
    prove: () => {
      for (const head of ['05 02 0000 00', '04 02 0000']) {
        const { clientId } = connectFields(`0004 4d515454 ${head} 0007 efbbbf61efbbbf`)
        assert.equal(clientId, '\ufeffa\ufeff')
      }
      for (const [level, none] of [
        [LEVEL.v5, '00'],
        [LEVEL.v311, ''],
      ] as const) {
        const verdict = readPacket(packetOf('30', `0007 efbbbf61efbbbf ${none}`), level)
        assert.ok(verdict !== 'partial' && 'packet' in verdict)
        assert.equal((verdict.packet as { topic: string }).topic, '\ufeffa\ufeff')
      }
    },
  },
  {
    of5: '2.2.1-2',
    of3: '2.3.1-5',
    name: 'at QoS 0 the payload is where an identifier would be, read and written',
    prove: () => {
      const topic = Buffer.from('61', 'hex')
      for (const [level, properties, none] of [
        [LEVEL.v5, new PublishProperties(), '00'],
        [LEVEL.v311, undefined, ''],
      ] as const) {
        const verdict = readPacket(packetOf('30', `0001 61 ${none} 0102`), level)
        assert.ok(verdict !== 'partial' && 'packet' in verdict)
        const { packetId, payload } = verdict.packet as { packetId: number; payload: string }
        assert.deepEqual([packetId, payload], [0, '0102'])
        const bytes = new Uint8Array(16)
        const end = writePublishHead(bytes, 0, topic, 2, 0, undefined, properties)
        assert.equal(
          Buffer.from(bytes.subarray(0, end)).toString('hex'),
          packetOf('30', `0001 61 ${none} 0102`).toString('hex').slice(0, -4),
        )
      }
    },
  },
  {
    of5: '2.2.2-1',
    of3: '',
    name: 'properties end where their length says, whatever is behind them',
    prove: () => {
      const section = decodeProperties(Buffer.from('0101', 'hex'), 0, 2, PLACE.publishOfClient)
      assert.equal(section, VIOLATIONS.propertyOverrun)
    },
  },
]

/** What a CONNECT with this body says, by its fields. */
function connectFields(body: string): Record<string, string | undefined> {
  const verdict = readPacket(packetOf('10', body), LEVEL.v311)
  assert.ok(verdict !== 'partial' && 'packet' in verdict)
  const { packet } = verdict.packet as { packet: ConnectPacket }
  const { clientId, will, user, password } = packet
  return {
    clientId,
    ...(will === undefined
      ? {}
      : {
          willTopic: Buffer.from(will.topic).toString(),
          willPayload: Buffer.from(will.payload).toString(),
        }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password: Buffer.from(password).toString() }),
  }
}

function encodeConnectOf(clientId: string): Uint8Array {
  return encodeConnect({
    level: LEVEL.v311,
    clientId,
    isClean: true,
    keepAliveSeconds: 0,
    user: undefined,
    password: undefined,
    will: undefined,
    properties: NO_PROPERTIES,
  })
}
