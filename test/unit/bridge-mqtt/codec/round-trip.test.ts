import assert from 'node:assert/strict'
import * as peer from 'mqtt-packet'
import {
  type AckType,
  encodeAck,
  encodeAuth,
  encodeConnack,
  encodeConnect,
  encodeDisconnect,
  encodeProperties,
  encodeSuback,
  encodeSubscribe,
  encodeUnsuback,
  encodeUnsubscribe,
  LEVEL,
  type Level,
  PACKET,
  PLACE,
  type Properties,
  PUBLISH_FLAG,
  PublishProperties,
  propertySection,
  publishHeadSize,
  type Side,
  type UserProperty,
  writePublishHead,
} from '../../../../bridge-mqtt/codec/index.ts'
import { type Random, SeededRandom } from '../../../../shared/runtime/index.ts'
import { readPacket } from '../../../support/mqtt-codec.ts'

const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 150)
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Our names of properties and the library's. Where it wants a boolean, we have 0 and 1. */
const NAMES: readonly (readonly [keyof Properties, string, Draw])[] = [
  ['payloadFormat', 'payloadFormatIndicator', flag],
  ['messageExpirySeconds', 'messageExpiryInterval', uint32],
  ['contentType', 'contentType', text],
  ['responseTopic', 'responseTopic', topic],
  ['correlationData', 'correlationData', data],
  ['sessionExpirySeconds', 'sessionExpiryInterval', uint32],
  ['assignedClientId', 'assignedClientIdentifier', text],
  ['serverKeepAliveSeconds', 'serverKeepAlive', uint16],
  ['authenticationMethod', 'authenticationMethod', text],
  ['authenticationData', 'authenticationData', data],
  ['requestsProblems', 'requestProblemInformation', flag],
  ['willDelaySeconds', 'willDelayInterval', uint32],
  ['requestsResponse', 'requestResponseInformation', flag],
  ['responseInformation', 'responseInformation', text],
  ['serverReference', 'serverReference', text],
  ['reasonString', 'reasonString', text],
  ['receiveMaximum', 'receiveMaximum', uint16],
  ['topicAliasMaximum', 'topicAliasMaximum', uint16],
  ['topicAlias', 'topicAlias', uint16],
  ['maximumQos', 'maximumQoS', (random) => random.below(2)],
  ['retainAvailable', 'retainAvailable', flag],
  ['maximumPacketSize', 'maximumPacketSize', uint32],
  ['wildcardSubscriptionAvailable', 'wildcardSubscriptionAvailable', flag],
  ['subscriptionIdAvailable', 'subscriptionIdentifiersAvailable', flag],
  ['sharedSubscriptionAvailable', 'sharedSubscriptionAvailable', flag],
]

type Draw = (random: Random) => number | boolean | string | Buffer

function flag(random: Random): boolean {
  return random.below(2) === 1
}

function uint16(random: Random): number {
  return random.below(0xffff) + 1
}

function uint32(random: Random): number {
  return random.below(2) === 0 ? random.below(100) + 1 : 0xffff_ffff - random.below(100)
}

function text(random: Random): string {
  const alphabet = ['a', 'B', '7', ' ', 'ü', '温', '🌡', '\ufeff', '/', '$']
  const size = random.below(random.below(10) === 0 ? 300 : 12)
  return Array.from({ length: size }, () => alphabet[random.below(alphabet.length)]).join('')
}

function topic(random: Random): string {
  return `t${text(random)}`
}

function data(random: Random): Buffer {
  return Buffer.from(random.bytes(random.below(40)))
}

interface Drawn {
  readonly ours: Properties
  readonly theirs: Record<string, unknown>
}

/** Some of the properties of one kind of packet, and user properties with each name once: the library merges names. */
function drawProperties(random: Random, names: readonly (keyof Properties)[]): Drawn {
  const ours: Record<string, unknown> = {}
  const theirs: Record<string, unknown> = {}
  for (const [own, other, draw] of NAMES) {
    if (!names.includes(own) || random.below(2) === 0) continue
    const value = draw(random)
    ours[own] = typeof value === 'boolean' ? Number(value) : value
    theirs[other] = value
  }
  if (random.below(2) === 0) {
    const pairs = Array.from({ length: random.below(4) + 1 }, (_, i) => ({
      name: `${i}k${text(random)}`,
      value: text(random),
    })) satisfies UserProperty[]
    // Names that look like numbers come first in an object; these do not.
    ours['userProperties'] = pairs
    theirs['userProperties'] = Object.fromEntries(pairs.map(({ name, value }) => [name, value]))
  }
  return { ours: ours as Properties, theirs }
}

const TALK: readonly (keyof Properties)[] = ['reasonString']
const AUTHENTICATING: readonly (keyof Properties)[] = ['authenticationMethod', 'authenticationData']
const PUBLISHED: readonly (keyof Properties)[] = [
  'payloadFormat',
  'messageExpirySeconds',
  'contentType',
  'responseTopic',
  'correlationData',
]
const CONNECTING: readonly (keyof Properties)[] = [
  'sessionExpirySeconds',
  'receiveMaximum',
  'maximumPacketSize',
  'topicAliasMaximum',
  'requestsResponse',
  'requestsProblems',
]

/** One packet of each kind: what our side makes of the library's bytes, and the library of ours. */
type Drawer = (random: Random, level: Level) => Pair

interface Pair {
  readonly from: Side
  readonly bytes: Uint8Array
  readonly packet: unknown
  readonly theirs: peer.Packet
}

const optional = <T>(random: Random, draw: () => T): T | undefined =>
  random.below(2) === 0 ? draw() : undefined

function props(level: Level, drawn: Drawn): { properties?: Record<string, unknown> } {
  return level === LEVEL.v5 && Object.keys(drawn.theirs).length > 0
    ? { properties: drawn.theirs }
    : {}
}

function own(level: Level, drawn: Drawn): Properties {
  return level === LEVEL.v5 ? drawn.ours : {}
}

const connect: Drawer = (random, level) => {
  const drawn = drawProperties(random, CONNECTING)
  const user = optional(random, () => text(random))
  const password = user === undefined ? undefined : optional(random, () => data(random))
  const will = optional(random, () => drawWill(random, level))
  const packet = {
    level,
    clientId: `c${text(random)}`,
    isClean: flag(random),
    keepAliveSeconds: uint16(random),
    user,
    password,
    will: will?.ours,
    properties: own(level, drawn),
  }
  return {
    from: 'client',
    bytes: encodeConnect(packet),
    packet: { kind: 'connect', level, packet },
    theirs: {
      cmd: 'connect',
      protocolId: level === LEVEL.v31 ? 'MQIsdp' : 'MQTT',
      protocolVersion: level,
      clean: packet.isClean,
      keepalive: packet.keepAliveSeconds,
      clientId: packet.clientId,
      ...(user === undefined ? {} : { username: user }),
      ...(password === undefined ? {} : { password }),
      ...(will === undefined ? {} : { will: will.theirs }),
      ...props(level, drawn),
    } as peer.IConnectPacket,
  }
}

function drawWill(random: Random, level: Level) {
  const drawn = drawProperties(random, [...PUBLISHED, 'willDelaySeconds'])
  const name = topic(random)
  const payload = data(random)
  const qos = random.below(3) as peer.QoS
  const isRetain = flag(random)
  const properties = own(level, drawn)
  const section = Buffer.from(level === LEVEL.v5 ? propertySection(properties, PLACE.will) : [])
  return {
    ours: { topic: Buffer.from(name), payload, qos, isRetain, properties, section },
    theirs: { topic: name, payload, qos, retain: isRetain, ...props(level, drawn) },
  }
}

const connack: Drawer = (random, level) => {
  const drawn = drawProperties(random, [
    ...TALK,
    ...CONNECTING.slice(0, 4),
    'maximumQos',
    'retainAvailable',
    'assignedClientId',
    'wildcardSubscriptionAvailable',
    'subscriptionIdAvailable',
    'sharedSubscriptionAvailable',
    'serverKeepAliveSeconds',
    'responseInformation',
    'serverReference',
    ...AUTHENTICATING,
  ])
  const code = random.below(2) === 0 ? 0 : level === LEVEL.v5 ? 0x87 : 5
  const isSessionPresent = code === 0 && flag(random)
  const packet = { code, isSessionPresent, properties: own(level, drawn) }
  return {
    from: 'server',
    bytes: encodeConnack(packet, level),
    packet,
    theirs: {
      cmd: 'connack',
      sessionPresent: isSessionPresent,
      ...(level === LEVEL.v5 ? { reasonCode: code } : { returnCode: code }),
      ...props(level, drawn),
    },
  }
}

const subscribe: Drawer = (random, level) => {
  const drawn = drawProperties(random, [])
  const subscriptions = Array.from({ length: random.below(4) + 1 }, () => ({
    topic: topic(random),
    qos: random.below(3) as peer.QoS,
    nl: level === LEVEL.v5 && flag(random),
    rap: level === LEVEL.v5 && flag(random),
    rh: level === LEVEL.v5 ? random.below(3) : 0,
  }))
  const packet = {
    packetId: uint16(random),
    filters: subscriptions.map(({ topic: filter, qos, nl, rap, rh }) => ({
      filter,
      qos,
      isNoLocal: nl,
      isRetainAsPublished: rap,
      retainHandling: rh,
    })),
    properties: own(level, drawn),
  }
  const told = subscriptions.map(({ topic: name, qos, ...rest }) =>
    level === LEVEL.v5 ? { topic: name, qos, ...rest } : { topic: name, qos },
  )
  return {
    from: 'client',
    bytes: encodeSubscribe(packet, level),
    packet,
    theirs: {
      cmd: 'subscribe',
      messageId: packet.packetId,
      subscriptions: told,
      ...props(level, drawn),
    },
  }
}

const unsubscribe: Drawer = (random, level) => {
  const drawn = drawProperties(random, [])
  const filters = Array.from({ length: random.below(4) + 1 }, () => topic(random))
  const packet = { packetId: uint16(random), filters, properties: own(level, drawn) }
  return {
    from: 'client',
    bytes: encodeUnsubscribe(packet, level),
    packet,
    theirs: {
      cmd: 'unsubscribe',
      messageId: packet.packetId,
      unsubscriptions: filters,
      ...props(level, drawn),
    },
  }
}

const suback: Drawer = (random, level) => {
  const drawn = drawProperties(random, TALK)
  const codes = Array.from({ length: random.below(5) + 1 }, () => [0, 1, 2, 0x80][random.below(4)]!)
  const packet = { packetId: uint16(random), codes, properties: own(level, drawn) }
  return {
    from: 'server',
    bytes: encodeSuback(packet, level),
    packet,
    theirs: { cmd: 'suback', messageId: packet.packetId, granted: codes, ...props(level, drawn) },
  }
}

const unsuback: Drawer = (random, level) => {
  const drawn = drawProperties(random, TALK)
  const codes = level === LEVEL.v5 ? [0, 0x11, 0x87].slice(random.below(3)) : []
  const packet = { packetId: uint16(random), codes, properties: own(level, drawn) }
  return {
    from: 'server',
    bytes: encodeUnsuback(packet, level),
    packet,
    theirs: {
      cmd: 'unsuback',
      messageId: packet.packetId,
      ...(level === LEVEL.v5 ? { granted: codes } : {}),
      ...props(level, drawn),
    } as peer.IUnsubackPacket,
  }
}

function acknowledgement(cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', bad: number): Drawer {
  return (random, level) => {
    const drawn = drawProperties(random, TALK)
    const reason = level === LEVEL.v5 && flag(random) ? bad : 0
    const packetId = uint16(random)
    const packet = {
      type: PACKET[cmd] as AckType,
      packetId,
      reason,
      properties: own(level, drawn),
    }
    const code = level === LEVEL.v5 ? { reasonCode: reason } : {}
    return {
      from: 'server',
      bytes: encodeAck(packet),
      packet,
      theirs: { cmd, messageId: packetId, ...code, ...props(level, drawn) },
    }
  }
}

const disconnect: Drawer = (random, level) => {
  const drawn = drawProperties(random, [...TALK, 'serverReference'])
  const reason = level === LEVEL.v5 && flag(random) ? 0x8b : 0
  const packet = { reason, properties: own(level, drawn) }
  const code = level === LEVEL.v5 ? { reasonCode: reason } : {}
  return {
    from: 'server',
    bytes: encodeDisconnect(packet, level, 'server'),
    packet,
    theirs: { cmd: 'disconnect', ...code, ...props(level, drawn) },
  }
}

const auth: Drawer = (random) => {
  const { ours, theirs } = drawProperties(random, [...TALK, 'authenticationData'])
  const method = text(random)
  const packet = { reason: 0x18, properties: { ...ours, authenticationMethod: method } }
  return {
    from: 'client',
    bytes: encodeAuth(packet, 'client'),
    packet,
    theirs: {
      cmd: 'auth',
      reasonCode: 0x18,
      properties: { ...theirs, authenticationMethod: method },
    } as peer.IAuthPacket,
  }
}

const publish: Drawer = (random, level) => {
  const drawn = drawProperties(
    random,
    PUBLISHED.filter((name) => name !== 'messageExpirySeconds'),
  )
  const isNew = level === LEVEL.v5
  const outgoing = new PublishProperties()
  outgoing.shared = isNew ? encodeProperties(drawn.ours, PLACE.publishOfServer) : new Uint8Array(0)
  outgoing.topicAlias = isNew && flag(random) ? uint16(random) : 0
  outgoing.messageExpiry = isNew && flag(random) ? uint32(random) : -1
  outgoing.subscriptionIds = isNew ? [1, 0x0fff_ffff, 300].slice(random.below(4)) : []
  const { topicAlias, messageExpiry, subscriptionIds } = outgoing
  const extra = {
    ...(topicAlias === 0 ? {} : { topicAlias }),
    ...(messageExpiry < 0 ? {} : { messageExpirySeconds: messageExpiry }),
    ...(subscriptionIds.length === 0 ? {} : { subscriptionIds }),
  }
  const { subscriptionIds: ids, messageExpirySeconds: seconds, ...alias } = extra
  const told = {
    ...alias,
    ...drawn.theirs,
    ...(seconds === undefined ? {} : { messageExpiryInterval: seconds }),
    ...(ids === undefined ? {} : { subscriptionIdentifier: ids.length === 1 ? ids[0] : ids }),
  }
  const [name, payload, qos] = [topic(random), data(random), random.below(3) as peer.QoS]
  const packetId = qos === 0 ? 0 : uint16(random)
  const [isDup, isRetain] = [qos > 0 && flag(random), flag(random)]
  const flags = (isDup ? PUBLISH_FLAG.dup : 0) | (qos << 1) | (isRetain ? PUBLISH_FLAG.retain : 0)
  const bytes = Buffer.alloc(
    publishHeadSize(Buffer.byteLength(name), payload.length, qos, isNew ? outgoing : undefined) +
      payload.length,
  )
  const at = writePublishHead(
    bytes,
    0,
    Buffer.from(name),
    payload.length,
    packetId,
    flags,
    isNew ? outgoing : undefined,
  )
  payload.copy(bytes, at)
  assert.equal(at + payload.length, bytes.length)
  const properties = isNew ? { ...drawn.ours, ...extra } : {}
  return {
    from: 'server',
    bytes,
    packet: {
      topic: name,
      payload: payload.toString('hex'),
      qos,
      isDup,
      isRetain,
      packetId,
      topicAlias,
      messageExpiry,
      properties,
    },
    theirs: {
      cmd: 'publish',
      topic: name,
      payload,
      qos,
      dup: isDup,
      retain: isRetain,
      ...(qos === 0 ? {} : { messageId: packetId }),
      ...props(level, { ours: properties, theirs: isNew ? told : {} }),
    },
  }
}

const DRAWERS: Readonly<Record<string, Drawer>> = {
  connect,
  connack,
  publish,
  subscribe,
  unsubscribe,
  suback,
  unsuback,
  puback: acknowledgement('puback', 0x97),
  pubrec: acknowledgement('pubrec', 0x83),
  pubrel: acknowledgement('pubrel', 0x92),
  pubcomp: acknowledgement('pubcomp', 0x92),
  disconnect,
}

describe(`MQTT codec and mqtt-packet understand each other (seed ${seed})`, () => {
  const random = new SeededRandom(seed)
  for (const level of [3, 4, 5] as const) {
    const kinds = level === LEVEL.v5 ? { ...DRAWERS, auth } : DRAWERS
    for (const [kind, draw] of Object.entries(kinds)) {
      it(`${kind} of level ${level}`, () => {
        for (let round = 0; round < ROUNDS; round++) check(draw(random, level), level)
      })
    }
  }
})

function check({ from, bytes, packet, theirs }: Pair, level: Level): void {
  const written = peer.generate(theirs, { protocolVersion: level })
  for (const source of [written, bytes]) {
    const verdict = readPacket(source, level, from)
    assert.deepEqual(verdict, { packet, end: source.length }, Buffer.from(source).toString('hex'))
  }
  // The library has its own order of properties, and writes a length of none that may be left out.
  assert.ok(bytes.length <= written.length && bytes.length >= written.length - 2)
  assert.deepEqual(parse(Buffer.from(bytes), level), parse(written, level))
}

function parse(bytes: Buffer, level: Level): peer.Packet {
  const packets: peer.Packet[] = []
  const parser = peer.parser({ protocolVersion: level })
  parser.on('packet', (packet) => packets.push(packet))
  parser.on('error', (error) => {
    throw error
  })
  parser.parse(bytes)
  assert.equal(packets.length, 1)
  const { length: _, ...packet } = packets[0]!
  return packet
}
