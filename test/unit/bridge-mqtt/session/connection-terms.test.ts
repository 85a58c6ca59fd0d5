import assert from 'node:assert/strict'
import { type ConnectPacket, LEVEL, type Properties } from '../../../../bridge-mqtt/codec/index.ts'
import { DEFAULT_LIMITS } from '../../../../bridge-mqtt/limits.ts'
import {
  termsOf as agree,
  connackProperties,
  SESSION_NEVER_EXPIRES,
} from '../../../../bridge-mqtt/session/connection-terms.ts'

const PACKET_BYTES_MAX = 1_000_000

function connect(rest: Partial<ConnectPacket> = {}): ConnectPacket {
  return {
    level: LEVEL.v5,
    clientId: 'c',
    isClean: true,
    keepAliveSeconds: 60,
    user: undefined,
    password: undefined,
    will: undefined,
    properties: {},
    ...rest,
  }
}

function termsOf(packet: ConnectPacket, limits = DEFAULT_LIMITS, bytesMax = PACKET_BYTES_MAX) {
  return agree(packet, limits, bytesMax)
}

function told(packet: ConnectPacket, limits = DEFAULT_LIMITS, bytesMax?: number): Properties {
  return connackProperties(termsOf(packet, limits, bytesMax), packet, limits, 0)
}

describe('terms of a connection', () => {
  it('are the client’s where it says something, and the widest where it does not', () => {
    const bare = termsOf(connect(), DEFAULT_LIMITS)
    assert.equal(bare.receiveMaximum, 65_535)
    assert.equal(bare.packetBytesMax, Number.POSITIVE_INFINITY)
    assert.equal(bare.topicAliasMaximum, 0)
    assert.equal(bare.wantsReasons, false)
    const properties = {
      receiveMaximum: 7,
      maximumPacketSize: 100,
      topicAliasMaximum: 3,
      requestsProblems: 1,
    }
    const said = termsOf(connect({ properties }), DEFAULT_LIMITS)
    assert.deepEqual(
      [said.receiveMaximum, said.packetBytesMax, said.topicAliasMaximum, said.wantsReasons],
      [7, 100, 3, true],
    )
  })

  it('say of a session before MQTT 5 that it ends with its connection, or never', () => {
    const expiryOf = (isClean: boolean) =>
      termsOf(connect({ level: LEVEL.v311, isClean }), DEFAULT_LIMITS).sessionExpirySeconds
    assert.deepEqual([expiryOf(true), expiryOf(false)], [0, SESSION_NEVER_EXPIRES])
  })

  it('bound the session expiry, and only a session that was to end may not last', () => {
    const limits = { ...DEFAULT_LIMITS, sessionExpiryMaxMs: 5_000 }
    const forEver = { sessionExpirySeconds: SESSION_NEVER_EXPIRES }
    const terms = termsOf(connect({ properties: forEver }), limits)
    assert.deepEqual([terms.sessionExpirySeconds, terms.asksNoExpiry], [5, false])
    assert.equal(termsOf(connect(), limits).asksNoExpiry, true)
  })

  it('hold to the server’s keep alive who asks for more, or for none', () => {
    const limits = { ...DEFAULT_LIMITS, keepAliveMaxMs: 60_000 }
    for (const [asked, granted, isTold] of [
      [30, 30, false],
      [60, 60, false],
      [61, 60, true],
      [0, 60, true],
    ] as const) {
      const packet = connect({ keepAliveSeconds: asked })
      assert.equal(termsOf(packet, limits).keepAliveSeconds, granted)
      const { serverKeepAliveSeconds } = told(packet, limits)
      assert.equal(serverKeepAliveSeconds, isTold ? granted : undefined, `asked ${asked}`)
    }
  })

  it('are told where they are not what a client takes for granted', () => {
    assert.deepEqual(told(connect()), {
      receiveMaximum: DEFAULT_LIMITS.inboundUnackedMax,
      maximumPacketSize: 1_000_000,
      topicAliasMaximum: DEFAULT_LIMITS.topicAliasMax,
    })
    const widest = { ...DEFAULT_LIMITS, inboundUnackedMax: 65_535, topicAliasMax: 0 }
    const unbounded = 256 * 1024 * 1024
    assert.deepEqual(told(connect(), widest, unbounded), {})
    const narrow = { ...widest, publishQosMax: 1, retainedMax: 0 } as const
    assert.deepEqual(told(connect(), narrow, unbounded), { maximumQos: 1, retainAvailable: 0 })
    const lasting = connect({ properties: { sessionExpirySeconds: 60 } })
    assert.deepEqual(told(lasting, widest, unbounded), { sessionExpirySeconds: 0 })
    assert.deepEqual(told(connect({ level: LEVEL.v311 })), {})
  })
})
