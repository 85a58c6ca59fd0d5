import assert from 'node:assert/strict'
import type { StagedBytes } from '../../../shared/store/index.ts'
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
import { StreamTotals } from '../../../shared/stream/stream-totals.ts'
import type { ApiAnswer } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

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
    const others = new StreamTotals(['A', 'B'].map((name) => streamConfig({ name, max_bytes: 40 })))
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
      new StreamJudge(limitsOf(tiers), new Map(), new StreamTotals()).streamsMax
    assert.equal(most({ '': { max_streams: 3 } }), 3)
    assert.equal(most({ R1: { max_streams: 0 } }), 10_000)
    assert.throws(() => most({ R3: {} }), { errCode: 10120 })
  })

  it('let a stream grow by what is left, and shrink', () => {
    const limits = limitsOf({ '': { max_storage: 100 } })
    const others = new StreamTotals([streamConfig({ name: 'A', max_bytes: 40 })])
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

  /** What a store would say that it holds. */
  class Held implements StagedBytes {
    readonly bytes = 0
    heldBytes = 0
    readonly isAwaited = () => false
    readonly isLeaving = () => false
    readonly leavingThrough = 0
    readonly isClearing = false
    #listener = (): void => {}

    onTakenBack(listener: () => void): () => void {
      this.#listener = listener
      return () => {
        this.#listener = () => {}
      }
    }

    takeBack(bytes: number): void {
      this.heldBytes -= bytes
      this.#listener()
    }
  }

  function append(room: StreamRoom, held: Held, bytes: number): void {
    room.check(message(bytes))
    held.heldBytes += bytes + 50
    room.update()
  }

  it('is shared by streams, and counts what is not on disk yet', () => {
    const room = new AccountRoom(limitsOf({ '': { max_storage: 300 } }))
    const [one, other] = [new Held(), new Held()]
    const [a, b] = [new StreamRoom(room, 'file', one), new StreamRoom(room, 'file', other)]
    append(a, one, 100)
    append(b, other, 100)
    assert.throws(() => a.check(message(1)), { errCode: 10002 })
    one.heldBytes = 0
    a.settle()
    append(a, one, 100)
    assert.throws(() => b.check(message(1)), { errCode: 10002 })
    new StreamRoom(room, 'memory', new Held()).check(message(10_000))
  })

  it('is taken by what is appended only, and there again when that is taken back', () => {
    const room = new AccountRoom(limitsOf({ '': { max_storage: 300 } }))
    const held = new Held()
    const stream = new StreamRoom(room, 'file', held)
    for (let i = 0; i < 100; i++) stream.check(message(200))
    append(stream, held, 200)
    assert.throws(() => stream.check(message(21)), { errCode: 10002 })
    held.takeBack(250)
    append(stream, held, 250)
  })

  it('is there again, once, when a stream is gone with what waited in it', () => {
    const room = new AccountRoom(limitsOf({ '': { max_storage: 300 } }))
    const [gone, held] = [new Held(), new Held()]
    const stream = new StreamRoom(room, 'file', gone)
    append(stream, gone, 250)
    stream.close()
    gone.takeBack(300)
    stream.update()
    stream.settle()
    stream.close()
    const next = new StreamRoom(room, 'file', held)
    append(next, held, 250)
    assert.throws(() => next.check(message(0)), { errCode: 10002 })
  })

  it('follows limits that change, from the next commit on', () => {
    const tiers = new Map([['', { ...NO_TIER_LIMITS, max_storage: 10 }]])
    const held = new Held()
    const room = new StreamRoom(new AccountRoom({ ...UNLIMITED, tiers }), 'file', held)
    assert.throws(() => room.check(message(1)), { errCode: 10002 })
    tiers.set('', NO_TIER_LIMITS)
    room.settle()
    append(room, held, 1_000)
    tiers.set('', { ...NO_TIER_LIMITS, max_storage: 1_100 })
    room.settle()
    assert.throws(() => room.check(message(21)), { errCode: 10002 })
  })

  function take(room: AccountRoom | undefined, storage: 'file' | 'memory', bytes: number): void {
    room?.check(storage, bytes)
    room?.count(storage, bytes)
  }

  it('are those of the server too, for what all accounts hold in memory', () => {
    const server = { ...UNLIMITED.server, memoryBytesMax: 100, held: { memory: 0 } }
    const [one, other] = [1, 2].map(() => new AccountRoom({ ...UNLIMITED, server }))
    take(one, 'memory', 60)
    take(other, 'memory', 60)
    assert.throws(() => one?.check('memory', 1), { errCode: 10023 })
    take(one, 'file', 1_000)
    // Raised by a reload, without anything stored in between.
    server.memoryBytesMax = 200
    take(one, 'memory', 1)
    server.memoryBytesMax = 50
    other?.settle('memory', -60)
    assert.throws(() => other?.check('memory', 1), { errCode: 10023 })
    one?.settle('memory', -61)
    take(other, 'memory', 1)
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
    take(room, 'file', 10)
    tiers = limitsOf({ R3: {} }).tiers
    room.settle('file', 0)
    assert.throws(() => room.check('file', 10), { errCode: 10120 })
    tiers = limitsOf({ R1: {} }).tiers
    take(room, 'file', 10)
  })
  it('leave consumers to the server where neither stream nor account says', async () => {
    const server = { ...UNLIMITED.server, consumersMax: 2 }
    const most = async (ofStream: number, ofAccount: number): Promise<number> => {
      const { tiers } = limitsOf({ '': { max_consumers: ofAccount } })
      const world = await StreamWorld.start(1, { limits: { tiers, server } })
      const ask = async (subject: string, body: object): Promise<number | undefined> => {
        const answer = world.port.api<ApiAnswer>(subject, body)
        await world.pass(1)
        return (await answer).error?.err_code
      }
      assert.equal(await ask('STREAM.CREATE.S', { name: 'S', max_consumers: ofStream }), undefined)
      for (let n = 0; ; n++) {
        const config = { name: `c${n}`, ack_policy: 'explicit', mem_storage: true }
        const request = { stream_name: 'S', config }
        const refused = await ask(`CONSUMER.CREATE.S.c${n}`, request)
        if (refused === 10026 || n > 9) return n
        assert.equal(refused, undefined)
      }
    }
    const found = [await most(-1, -1), await most(4, -1), await most(-1, 3), await most(1, 3)]
    assert.deepEqual(found, [2, 4, 3, 1])
  })
})
