import assert from 'node:assert/strict'
import { MqttCounters } from '../../../../bridge-mqtt/counters.ts'
import {
  ANSWERS_PENDING_BYTES_MAX,
  DEFAULT_LIMITS,
  PACKET_OVERHEAD_BYTES,
} from '../../../../bridge-mqtt/limits.ts'
import { Notices } from '../../../../bridge-mqtt/notices.ts'
import {
  type Applicant,
  Connection,
  KeptMessages,
  Scratch,
  sessionLimits,
  WillOwners,
} from '../../../../bridge-mqtt/session/index.ts'
import { Translator } from '../../../../bridge-mqtt/translator.ts'
import type { Expulsion, Identity } from '../../../../shared/account/index.ts'
import { AccountSpace } from '../../../../shared/broker/index.ts'
import { silentLog } from '../../../../shared/log/index.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'
import { allocate, arenaBytes, release } from '../../../../shared/transport/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { HeldCapture, RecordingLog } from '../../../support/mqtt-core.ts'
import { connectPacket, publishPacket } from '../../../support/mqtt-packets.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

const ROOM = 64 * 1024
const CONNACK = '20020000'
const ANYBODY: Identity = { user: '', account: '$G' }
const NOTHING_KEPT = { kept: {}, isSessionPresent: false }
const UNKNOWN = { returnCode: 5, reason: 0x87, text: 'unknown' }
const LIMITLESS = { connections: -1, subscriptions: -1, payloadBytes: -1, expiresMs: undefined }

describe('connection', () => {
  let outputStart: number
  let inputStart: number
  let clock: ManualClock
  let channel: RecordingChannel
  let capture: HeldCapture
  let counters: MqttCounters
  let log: RecordingLog
  let connection: Connection
  let limits: { inboundUnackedMax: number }
  let identity: () => Identity | undefined | Promise<Identity | undefined>
  let expulsion: Expulsion | undefined

  beforeEach(() => {
    identity = () => ANYBODY
    expulsion = undefined
    outputStart = allocate(ROOM)
    inputStart = allocate(ROOM)
    clock = new ManualClock()
    channel = new RecordingChannel(outputStart)
    counters = new MqttCounters()
    log = new RecordingLog()
    const space = new AccountSpace(new SeededRandom(1), '$G')
    capture = new HeldCapture(space, 'held')
    const serverLimits = { ...DEFAULT_LIMITS, inboundUnackedMax: 4 }
    limits = serverLimits
    const context = {
      clock,
      limits: serverLimits,
      counters,
      notices: new Notices(clock, log),
      translator: new Translator(),
      scratch: new Scratch(),
      kept: new KeptMessages({
        counters,
        bytesMax: () => Number.POSITIVE_INFINITY,
        filled: () => {},
      }),
      store: undefined,
      retainedOf: () => undefined,
      replaySource: () => ({
        replay: () => ({ next: () => Promise.resolve([]), isNewest: () => false }),
      }),
      payloadBytesMax: 1024,
      packetBytesMax: 1024 + PACKET_OVERHEAD_BYTES,
      ackPendingMax: 10,
      nextPeerId: () => 1,
      authenticate: () => identity(),
      enhanced: () => undefined,
      current: (who: Identity) => who,
      admit: ({ identity: who }: Applicant) =>
        who === undefined
          ? ({ kind: 'refused', refusal: UNKNOWN } as const)
          : ({ kind: 'admitted', clientId: 'c', identity: who, space, ...NOTHING_KEPT } as const),
      recheck: () => expulsion,
      limitsOf: (who: Identity) =>
        sessionLimits({ payloadBytesMax: 1024, filtersMax: 100 }, LIMITLESS, who),
      left: () => {},
      willOwners: new WillOwners(),
      closed: () => {},
    }
    connection = new Connection(context, channel, silentLog)
    connection.start()
  })

  afterEach(() => {
    release(outputStart, ROOM)
    release(inputStart, ROOM)
  })

  function receive(...packets: Uint8Array[]): number {
    const bytes = Buffer.concat(packets)
    arenaBytes.set(bytes, inputStart)
    return connection.onChunk(inputStart, inputStart + bytes.length) - inputStart
  }

  function held(...packetIds: number[]): Uint8Array[] {
    return packetIds.map((packetId) => publishPacket('held', 'x', { packetId }))
  }

  it('stops reading at the limit of unacknowledged publishes, reads on at half of it', () => {
    receive(connectPacket('c'), ...held(1, 2, 3))
    assert.equal(channel.isPaused, false)
    receive(...held(4))
    assert.equal(channel.isPaused, true)
    capture.commit(1)
    assert.equal(channel.isPaused, true)
    capture.commit(1)
    assert.equal(channel.isPaused, false)
    assert.equal(channel.text, `${CONNACK}4002000140020002`)
  })

  it('reads on by the limit that it stopped by, whatever later ones are told', () => {
    receive(connectPacket('c'), ...held(1, 2, 3, 4))
    limits.inboundUnackedMax = 1
    capture.commit(2)
    assert.equal(channel.isPaused, false)
  })

  it('says who is refused and why, and who could not be secured', () => {
    identity = () => undefined
    receive(connectPacket('c', { username: 'ada', password: Buffer.from('secret') }))
    connection.onClose(undefined)
    const error = new PetioleError('PETIOLE_TLS_FAILED', 'certificate has expired')
    const reset = new PetioleError('PETIOLE_CONNECTION_LOST', 'read ECONNRESET')
    connection.onClose(reset)
    connection.onClose(error)
    const remote = '192.0.2.1:1'
    assert.deepEqual(
      log.lines.map(({ message, fields }) => ({ message, ...fields })),
      [
        {
          message: 'client is refused: unknown',
          ...{ client: 'c', user: 'ada', remote, code: 5 },
        },
        { message: 'client could not be secured', remote, reason: 'certificate has expired' },
      ],
    )
  })

  it('tells all who wait for it to settle', async () => {
    receive(connectPacket('c'), ...held(1))
    const settled = Promise.all([connection.settle(), connection.settle()])
    capture.commit(1)
    await settled
    assert.equal(channel.text, `${CONNACK}40020001`)
  })

  it('takes a chunk that comes although reading was stopped', () => {
    receive(connectPacket('c'), ...held(1, 2, 3, 4))
    receive(...held(5, 6))
    assert.equal(capture.held.length, 6)
    capture.commit(4)
    assert.equal(channel.isPaused, false)
  })

  it('stops reading from a client that never reads its answers, until it does', () => {
    receive(connectPacket('c'))
    channel.pendingBytes = ANSWERS_PENDING_BYTES_MAX
    receive(Buffer.from('c000', 'hex'))
    assert.equal(channel.isPaused, true)
    channel.pendingBytes = 0
    connection.onDrain()
    assert.equal(channel.isPaused, false)
  })

  it('after a publish that was not stored: nothing overtakes it, closes a while later', () => {
    receive(connectPacket('c'), ...held(1, 2))
    capture.refuse(new PetioleError('PETIOLE_STORE_FULL', 'no room'))
    capture.commit(1)
    assert.equal(receive(...held(3)), held(3)[0]?.length)
    assert.equal(capture.held.length, 2)
    assert.equal(channel.isClosed, false)
    clock.advance(DEFAULT_LIMITS.refusedCloseMs)
    assert.equal(channel.isClosed, true)
    assert.equal(channel.text, CONNACK)
    assert.equal(counters.uncommitted, 1)
  })

  it('closes a connection without CONNECT in time, and disarms the timer by CONNECT', () => {
    clock.advance(DEFAULT_LIMITS.connectTimeoutMs - 1)
    assert.equal(channel.isClosed, false)
    receive(connectPacket('c'))
    clock.advance(DEFAULT_LIMITS.connectTimeoutMs * 10)
    assert.equal(channel.isClosed, false)
    assert.equal(clock.timers, 0)
  })

  it('closes at exactly one and a half keep-alive intervals after the last packet', () => {
    receive(connectPacket('c', { keepalive: 60 }))
    clock.advance(89_999)
    assert.equal(receive(Buffer.from('c000', 'hex')), 2)
    clock.advance(89_999)
    assert.equal(channel.isClosed, false)
    clock.advance(1)
    assert.equal(channel.isClosed, true)
    assert.equal(clock.timers, 0)
  })

  for (const keepalive of [0, 60]) {
    it(`tells operators when the last packet came, with a keep-alive of ${keepalive}`, () => {
      receive(connectPacket('c', { keepalive }))
      clock.advance(50_000)
      receive(Buffer.from('c000', 'hex'))
      clock.advance(3_000)
      const { startedMs = 0, lastActivityMs } = connection.facts ?? {}
      assert.equal(lastActivityMs, startedMs + 50_000)
    })
  }

  it('does not blame a client for silence while it is not read', () => {
    receive(connectPacket('c', { keepalive: 1 }), ...held(1, 2, 3, 4))
    clock.advance(60_000)
    assert.equal(channel.isClosed, false)
    capture.commit(4)
    clock.advance(1_500)
    assert.equal(channel.isClosed, true)
  })

  it('leaves the begun packet for the next chunk', () => {
    const packet = publishPacket('free', 'x', { packetId: 9 })
    const cut = Buffer.concat([connectPacket('c'), packet.subarray(0, 5)])
    assert.equal(receive(cut), cut.length - 5)
    assert.equal(receive(packet), packet.length)
    assert.equal(channel.text, `${CONNACK}40020009`)
  })

  it('names the first rule that is broken, whatever of the packet has come', () => {
    receive(connectPacket('c'))
    receive(Buffer.from('83ffffffff7f', 'hex'))
    assert.equal(channel.isClosed, true)
    assert.deepEqual(
      log.lines.map(({ fields }) => fields['rule']),
      ['MQTT-2.2.2-2'],
    )
  })

  it('closes a client that uses up more than all packet identifiers', () => {
    receive(connectPacket('c'))
    const packet = publishPacket('held', '', { packetId: 1 })
    const many = Buffer.concat(Array.from({ length: 4_000 }, () => packet))
    for (let i = 0; i < 17 && !channel.isClosed; i++) receive(many)
    assert.equal(channel.isClosed, true)
    assert.equal(capture.held.length, 65_536)
  })

  it('logs the reason of a close once in an interval, with what was left out', () => {
    const notices = new Notices(clock, log)
    for (let i = 0; i < 5; i++) notices.warn({ i }, 'odd')
    clock.advance(10_000)
    notices.warn({ i: 9 }, 'odd')
    assert.deepEqual(
      log.lines.map(({ fields }) => fields),
      [{ i: 0 }, { i: 9, suppressed: 4 }],
    )
  })

  it('answers nothing and reads nothing on before it is known who that is', async () => {
    const asked = deferred()
    identity = () => asked.promise
    const connect = connectPacket('c')
    assert.equal(receive(connect, ...held(1)), connect.length)
    assert.equal(channel.isPaused, true)
    assert.equal(channel.text, '')
    asked.resolve(ANYBODY)
    await asked.promise
    assert.equal(channel.isPaused, false)
    assert.equal(channel.text, CONNACK)
    receive(...held(1))
    assert.equal(capture.held.length, 1)
  })

  it('refuses whom somebody else refuses, and forgets who did not wait for the answer', async () => {
    const asked = deferred()
    identity = () => asked.promise
    receive(connectPacket('c'))
    asked.resolve(undefined)
    await asked.promise
    assert.equal(channel.text, '20020005')
    assert.equal(channel.isClosed, true)
  })

  it('does not let in who has gone meanwhile', async () => {
    const asked = deferred()
    identity = () => asked.promise
    receive(connectPacket('c'))
    connection.onClose(undefined)
    asked.resolve(ANYBODY)
    await asked.promise
    assert.equal(channel.text, '')
    assert.equal(connection.facts, undefined)
  })

  it('ends when the user expires, and when the user may stay no longer', () => {
    identity = () => ({ ...ANYBODY, expiresMs: clock.wallMs() + 5_000 })
    receive(connectPacket('c'))
    clock.advance(4_000)
    assert.equal(channel.isClosed, false)
    connection.recheck()
    assert.equal(channel.isClosed, false)
    expulsion = 'user_revoked'
    connection.recheck('ANOTHER')
    assert.equal(channel.isClosed, false)
    connection.recheck(ANYBODY.account)
    assert.equal(channel.isClosed, true)
  })

  it('ends at the moment at which the user expires', () => {
    identity = () => ({ ...ANYBODY, expiresMs: clock.wallMs() + 5_000 })
    receive(connectPacket('c'))
    clock.advance(5_000)
    assert.equal(channel.isClosed, true)
  })
})

function deferred(): {
  readonly promise: Promise<Identity | undefined>
  resolve(identity: Identity | undefined): void
} {
  let resolve: (identity: Identity | undefined) => void = () => {}
  const promise = new Promise<Identity | undefined>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
