import { VARINT_MAX } from './varint.ts'
import { VIOLATIONS, type Violation } from './violation.ts'

/** Where properties stand. What a side must not send is a place of its own. */
export const PLACE = {
  connect: 0,
  will: 1,
  connack: 2,
  publishOfClient: 3,
  publishOfServer: 4,
  puback: 5,
  pubrec: 6,
  pubrel: 7,
  pubcomp: 8,
  subscribe: 9,
  suback: 10,
  unsubscribe: 11,
  unsuback: 12,
  disconnectOfClient: 13,
  disconnectOfServer: 14,
  auth: 15,
} as const

export type Place = (typeof PLACE)[keyof typeof PLACE]

export const KIND = {
  byte: 0,
  uint16: 1,
  uint32: 2,
  varint: 3,
  string: 4,
  binary: 5,
  pair: 6,
} as const

export type Kind = (typeof KIND)[keyof typeof KIND]

export interface UserProperty {
  readonly name: string
  readonly value: string
}

/** The properties of a packet of MQTT 5 by name. Flags are 0 or 1, as on the wire. */
export interface Properties {
  readonly payloadFormat?: number
  readonly messageExpirySeconds?: number
  readonly contentType?: string
  readonly responseTopic?: string
  readonly correlationData?: Uint8Array
  /** A PUBLISH to a client has one for each of its subscriptions that match. */
  readonly subscriptionIds?: readonly number[]
  readonly sessionExpirySeconds?: number
  readonly assignedClientId?: string
  readonly serverKeepAliveSeconds?: number
  readonly authenticationMethod?: string
  readonly authenticationData?: Uint8Array
  readonly requestsProblems?: number
  readonly willDelaySeconds?: number
  readonly requestsResponse?: number
  readonly responseInformation?: string
  readonly serverReference?: string
  readonly reasonString?: string
  readonly receiveMaximum?: number
  readonly topicAliasMaximum?: number
  readonly topicAlias?: number
  readonly maximumQos?: number
  readonly retainAvailable?: number
  /** In their order; names may come again [MQTT-3.3.2-18]. */
  readonly userProperties?: readonly UserProperty[]
  readonly maximumPacketSize?: number
  readonly wildcardSubscriptionAvailable?: number
  readonly subscriptionIdAvailable?: number
  readonly sharedSubscriptionAvailable?: number
}

export type PropertyName = keyof Properties

export interface PropertyRule {
  readonly id: number
  readonly name: PropertyName
  readonly kind: Kind
  /** Bits of the places where it may stand. */
  readonly places: number
  /** Bits of those where it may stand more than once. */
  readonly repeats: number
  readonly min: number
  readonly max: number
  /** What a value outside of min and max is. */
  readonly outside: Violation
  /** A place of the other side, and what it is to put it there. */
  readonly misplaced: { readonly place: Place; readonly violation: Violation } | undefined
}

export const PROPERTY = {
  payloadFormat: 0x01,
  messageExpiry: 0x02,
  contentType: 0x03,
  responseTopic: 0x08,
  correlationData: 0x09,
  subscriptionId: 0x0b,
  topicAlias: 0x23,
  userProperty: 0x26,
} as const

const { connect, will, connack, publishOfClient, publishOfServer, auth, subscribe } = PLACE
const { disconnectOfClient, disconnectOfServer } = PLACE
const PUBLISHED = [publishOfClient, publishOfServer, will]
const EVERYWHERE = Object.values(PLACE)
const REQUESTS: readonly Place[] = [connect, will, publishOfClient, publishOfServer, subscribe]
const ANSWERS: readonly Place[] = EVERYWHERE.filter(
  (place) => place !== PLACE.unsubscribe && !REQUESTS.includes(place),
)
const FLAG = { kind: KIND.byte, max: 1 }
const UINT32 = { kind: KIND.uint32, max: 0xffff_ffff }
const UINT16 = { kind: KIND.uint16, max: 0xffff }
const STRING = { kind: KIND.string }
const BINARY = { kind: KIND.binary }

type Options = Partial<Omit<PropertyRule, 'places' | 'repeats'>> & {
  readonly kind: Kind
  readonly repeatsIn?: readonly Place[]
}

function property(
  id: number,
  name: PropertyName,
  options: Options,
  ...places: readonly Place[]
): PropertyRule {
  const { repeatsIn = [], ...rest } = options
  return {
    min: 0,
    max: Number.POSITIVE_INFINITY,
    outside: VIOLATIONS.propertyValue,
    misplaced: undefined,
    ...rest,
    id,
    name,
    places: bits(places),
    repeats: bits(repeatsIn),
  }
}

function bits(places: readonly Place[]): number {
  return places.reduce<number>((mask, place) => mask | (1 << place), 0)
}

/**
 * MQTT 5, table 2-4, with what each packet's section says of values and repetition. Properties are written
 * in this order, which is by identifier but for two of CONNACK: where mosquitto writes them, whose suite
 * compares bytes.
 */
export const PROPERTIES: readonly PropertyRule[] = [
  property(0x22, 'topicAliasMaximum', UINT16, connect, connack),
  property(0x01, 'payloadFormat', FLAG, ...PUBLISHED),
  property(0x02, 'messageExpirySeconds', UINT32, ...PUBLISHED),
  property(0x03, 'contentType', STRING, ...PUBLISHED),
  property(0x08, 'responseTopic', STRING, ...PUBLISHED),
  property(0x09, 'correlationData', BINARY, ...PUBLISHED),
  property(
    0x0b,
    'subscriptionIds',
    {
      kind: KIND.varint,
      min: 1,
      max: VARINT_MAX,
      repeatsIn: [publishOfServer],
      misplaced: { place: publishOfClient, violation: VIOLATIONS.subscriptionIdInPublish },
    },
    publishOfServer,
    subscribe,
  ),
  property(
    0x11,
    'sessionExpirySeconds',
    {
      ...UINT32,
      misplaced: { place: disconnectOfServer, violation: VIOLATIONS.sessionExpiryOfServer },
    },
    connect,
    connack,
    disconnectOfClient,
  ),
  property(0x12, 'assignedClientId', STRING, connack),
  property(0x13, 'serverKeepAliveSeconds', UINT16, connack),
  property(0x15, 'authenticationMethod', STRING, connect, connack, auth),
  property(0x16, 'authenticationData', BINARY, connect, connack, auth),
  property(0x17, 'requestsProblems', FLAG, connect),
  property(0x18, 'willDelaySeconds', UINT32, will),
  property(0x19, 'requestsResponse', FLAG, connect),
  property(0x1a, 'responseInformation', STRING, connack),
  property(
    0x1c,
    'serverReference',
    {
      ...STRING,
      misplaced: { place: disconnectOfClient, violation: VIOLATIONS.serverReferenceOfClient },
    },
    connack,
    disconnectOfServer,
  ),
  property(0x1f, 'reasonString', STRING, ...ANSWERS),
  property(
    0x23,
    'topicAlias',
    { ...UINT16, min: 1, outside: VIOLATIONS.topicAliasZero },
    publishOfClient,
    publishOfServer,
  ),
  property(0x24, 'maximumQos', FLAG, connack),
  property(0x25, 'retainAvailable', FLAG, connack),
  property(0x26, 'userProperties', { kind: KIND.pair, repeatsIn: EVERYWHERE }, ...EVERYWHERE),
  property(0x27, 'maximumPacketSize', { ...UINT32, min: 1 }, connect, connack),
  property(0x28, 'wildcardSubscriptionAvailable', FLAG, connack),
  property(0x29, 'subscriptionIdAvailable', FLAG, connack),
  property(0x2a, 'sharedSubscriptionAvailable', FLAG, connack),
  property(0x21, 'receiveMaximum', { ...UINT16, min: 1 }, connect, connack),
]

/** By identifier; all of them are below 0x40. */
export const PROPERTY_BY_ID: readonly (PropertyRule | undefined)[] = Array.from(
  { length: 0x40 },
  (_, id) => PROPERTIES.find((rule) => rule.id === id),
)
