import assert from 'node:assert/strict'
import {
  type AccountLimits,
  checkReservation,
  checkStreamCount,
  NO_TIER_LIMITS,
  tierOf,
  UNLIMITED,
} from '../../../shared/stream/account-limits.ts'
import { AccountRoom, StreamRoom } from '../../../shared/stream/account-room.ts'
import { streamConfig } from '../../../shared/stream/config/stream-checks.ts'
import type { CapturedMessage } from '../../../shared/stream/port.ts'
import { StreamJudge } from '../../../shared/stream/stream-judge.ts'

const limitsOf = (tiers: Record<string, object>): AccountLimits => ({
  ...UNLIMITED,
  tiers: new Map(
    Object.entries(tiers).map(([name, tier]) => [name, { ...NO_TIER_LIMITS, ...tier }]),
  ),
})

describe('limits of an account', () => {
  it('are those of one tier for all, or of the number of copies', () => {
    assert.equal(tierOf(UNLIMITED, 3)[0], '')
    assert.equal(tierOf(limitsOf({ R1: { max_streams: 2 } }), 0)[0], 'R1')
    assert.throws(() => tierOf(limitsOf({ R3: {} }), 1), { errCode: 10120 })
  })

  it('count other streams of the tier only', () => {
    const limits = limitsOf({ R1: { max_streams: 2, max_storage: 100 } })
    const others = ['A', 'B'].map((name) => streamConfig({ name, max_bytes: 40 }))
    const asked = { name: 'C', num_replicas: 1, max_bytes: 21, max_consumers: 0 }
    assert.throws(() => checkStreamCount(limits, asked, others), { errCode: 10027 })
    checkStreamCount(limits, { ...asked, name: 'A' }, others)
    checkReservation(limits, asked, others)
    const onDisk = { ...asked, storage: 'file' as const }
    assert.throws(() => checkReservation(limits, onDisk, others), { errCode: 10047 })
    checkReservation(limits, { ...onDisk, max_bytes: 20 }, others)
    checkReservation(limits, { ...onDisk, storage: 'memory' }, others)
  })

  it('bind streams that a configuration names as well', () => {
    const most = (tiers: Record<string, object>): number =>
      new StreamJudge(limitsOf(tiers), new Map()).streamsMax
    assert.equal(most({ '': { max_streams: 3 } }), 3)
    assert.equal(most({ R1: { max_streams: 0 } }), 10_000)
    assert.throws(() => most({ R3: {} }), { errCode: 10120 })
  })

  it('let a stream grow by what is left, and shrink', () => {
    const limits = limitsOf({ '': { max_storage: 100 } })
    const others = [streamConfig({ name: 'A', max_bytes: 40 })]
    const grown = (max_bytes: number) => () =>
      checkReservation(
        limits,
        { name: 'B', num_replicas: 1, max_bytes, max_consumers: 0, storage: 'file' },
        others,
        50,
      )
    grown(60)()
    grown(10)()
    grown(-1)()
    assert.throws(grown(61), { errCode: 10047 })
  })
})

describe('room of an account', () => {
  const message = (bytes: number) =>
    ({
      subjectBytes: new Uint8Array(2),
      headers: new Uint8Array(0),
      payload: new Uint8Array(bytes),
    }) as unknown as CapturedMessage

  it('is shared by streams, and counts what is not on disk yet', () => {
    const room = new AccountRoom(limitsOf({ '': { max_storage: 300 } }))
    const [a, b] = [new StreamRoom(room, 'file'), new StreamRoom(room, 'file')]
    a.take(message(100))
    b.take(message(100))
    assert.throws(() => a.take(message(1)), { errCode: 10002 })
    a.settle(0)
    a.take(message(100))
    assert.throws(() => b.take(message(1)), { errCode: 10002 })
    new StreamRoom(room, 'memory').take(message(10_000))
  })

  it('follows limits that change, from the next commit on', () => {
    const tiers = new Map([['', { ...NO_TIER_LIMITS, max_storage: 10 }]])
    const room = new StreamRoom(new AccountRoom({ ...UNLIMITED, tiers }), 'file')
    assert.throws(() => room.take(message(1)), { errCode: 10002 })
    tiers.set('', NO_TIER_LIMITS)
    room.settle(0)
    room.take(message(1_000))
    tiers.set('', { ...NO_TIER_LIMITS, max_storage: 1_100 })
    room.settle(1_050)
    assert.throws(() => room.take(message(1)), { errCode: 10002 })
  })

  it('are those of the server too, for what all accounts hold in memory', () => {
    const server = { ...UNLIMITED.server, memoryBytesMax: 100, held: { memory: 0 } }
    const [one, other] = [1, 2].map(() => new AccountRoom({ ...UNLIMITED, server }))
    one?.take('memory', 60)
    other?.take('memory', 60)
    assert.throws(() => one?.take('memory', 1), { errCode: 10023 })
    one?.take('file', 1_000)
    // Raised by a reload, without anything stored in between.
    server.memoryBytesMax = 200
    one?.take('memory', 1)
    server.memoryBytesMax = 50
    other?.settle('memory', -60)
    assert.throws(() => other?.take('memory', 1), { errCode: 10023 })
    one?.settle('memory', -61)
    other?.take('memory', 1)
    assert.equal(server.held.memory, 1)
  })

  it('let nothing be added once there are none for such streams, until there are again', () => {
    let tiers = limitsOf({ R1: {} }).tiers
    const room = new AccountRoom({
      ...UNLIMITED,
      get tiers() {
        return tiers
      },
    })
    room.take('file', 10)
    tiers = limitsOf({ R3: {} }).tiers
    room.settle('file', 0)
    assert.throws(() => room.take('file', 10), { errCode: 10120 })
    tiers = limitsOf({ R1: {} }).tiers
    room.take('file', 10)
  })
})
