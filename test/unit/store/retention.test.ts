import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { codeOf, SeededRandom } from '../../../shared/runtime/index.ts'
import {
  type Eviction,
  openStore,
  type Store,
  type StreamStore,
} from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, noLimits, readAll } from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const MINUTE_MS = 60_000

describe('retention', () => {
  let disk: SimDisk
  let clock: StoreClock
  let store: Store

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
    store = await open()
  })
  afterEach(() => store.destroy())

  function open(): Promise<Store> {
    return openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes: 1_000,
    })
  }

  async function stream(limits: Partial<typeof noLimits>, count = 0): Promise<StreamStore> {
    const made = store.createStream('a', bytes(''), { ...noLimits, ...limits })
    for (let i = 1; i <= count; i++) await appendDurably(made, `s.${i % 2}`, `${i}`)
    return made
  }

  it('keeps the newest messages, says what went, and frees their segments', async () => {
    const evictions: Eviction[] = []
    const a = await stream({ messagesMax: 5 })
    a.onEvict((eviction) => evictions.push(eviction))
    for (let i = 1; i <= 100; i++) await appendDurably(a, 's', `${i}`)
    assert.equal(a.state.firstSeq, 96)
    assert.equal(
      evictions.reduce((total, { messages }) => total + messages, 0),
      95,
    )
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000)
      await settle(80)
    }
    assert.ok(store.stats.segments <= 3, `${store.stats.segments} segments`)
    await store.drain()
    store = await open()
    assert.equal(store.streams.get('a')?.state.firstSeq, 96)
  })

  const over: Record<string, Partial<typeof noLimits>> = {
    messages: { messagesMax: 3 },
    bytes: { bytesMax: 130 },
    subject: { messagesPerSubjectMax: 2, discard: 'new' },
    age: { ageMaxMs: MINUTE_MS },
  }
  for (const [cause, limits] of Object.entries(over)) {
    it(`lets nobody find again after a crash what the limit of ${cause} took`, async () => {
      const evictions: Eviction[] = []
      const a = await stream(limits, 20)
      a.onEvict((eviction) => evictions.push(eviction))
      // Ages alone take all; the others took what their last record had no room for.
      clock.wall += MINUTE_MS
      const held = cause === 'age' ? [] : await readAll(a)
      const { lastSeq } = a.state
      disk = disk.kill()
      store = await open()
      const again = store.streams.get('a')
      assert.ok(again)
      const { state } = again
      assert.deepEqual([await readAll(again), state.messages], [held, held.length])
      assert.equal(state.lastSeq, lastSeq)
      again.onEvict((eviction) => evictions.push(eviction))
      await settle(10)
      assert.ok(evictions.length > 0, 'who listens later is told')
      assert.ok(evictions.every((eviction) => eviction.cause === cause))
    })
  }

  it('frees the segments of what its owner purged, without waiting for the next one', async () => {
    const a = await stream({}, 100)
    assert.ok(store.stats.segments > 5)
    await a.purge({ throughSeq: 100 })
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000)
      await settle(80)
    }
    assert.ok(store.stats.segments <= 2, `${store.stats.segments} segments`)
  })

  it('keeps so many bytes', async () => {
    const a = await stream({ bytesMax: 500 }, 50)
    assert.ok(a.state.bytes <= 500 && a.state.bytes > 400)
    assert.equal(a.state.messages, (await readAll(a)).length)
  })

  it('keeps so many of each subject, also with discard new', async () => {
    const a = await stream({ messagesPerSubjectMax: 2, discard: 'new' }, 9)
    assert.deepEqual(await readAll(a), ['6 s.0 6', '7 s.1 7', '8 s.0 8', '9 s.1 9'])
  })

  it('refuses with discard new, and counts what waits for its commit', async () => {
    const a = await stream({ messagesMax: 3, discard: 'new' }, 2)
    a.append(bytes('s'), bytes(''), bytes('3'))
    assert.throws(() => a.append(bytes('s'), bytes(''), bytes('4')), {
      code: 'PETIOLE_STREAM_FULL',
    })
    await settle(10)
    a.remove(1)
    await settle(10)
    assert.equal(await appendDurably(a, 's', '4'), 4)
  })

  it('refuses a message that is too large for the stream', async () => {
    const a = await stream({ messageBytesMax: 3 })
    await assert.rejects(
      appendDurably(a, 's', 'four').catch((error: unknown) => {
        assert.equal(codeOf(error), 'PETIOLE_MESSAGE_TOO_LARGE')
        throw error
      }),
    )
  })

  it('lets messages go when they are too old', async () => {
    const a = await stream({ ageMaxMs: MINUTE_MS }, 3)
    clock.advance(MINUTE_MS / 2)
    await appendDurably(a, 's', 'young')
    clock.advance(MINUTE_MS / 2 + 100)
    assert.deepEqual(await readAll(a), ['4 s young'])
    clock.advance(MINUTE_MS)
    assert.equal(a.state.messages, 0)
    assert.equal(a.state.firstSeq, 5)
  })

  it('believes a jump of the clock only when it lasts', async () => {
    const a = await stream({ ageMaxMs: 24 * 60 * MINUTE_MS }, 3)
    clock.wall += 365 * 24 * 60 * MINUTE_MS
    clock.advance(MINUTE_MS)
    assert.equal(a.state.messages, 3)
    clock.wall -= 365 * 24 * 60 * MINUTE_MS
    clock.advance(20 * MINUTE_MS)
    assert.equal(a.state.messages, 3)
    clock.wall += 365 * 24 * 60 * MINUTE_MS
    clock.advance(20 * MINUTE_MS)
    assert.equal(a.state.messages, 0)
  })

  it('repairs the times of a boot that began in 1970, also after a restart', async () => {
    await store.drain()
    clock.wall = 5_000
    store = await open()
    const a = await stream({ ageMaxMs: 60 * MINUTE_MS }, 2)
    clock.advance(10_000)
    assert.equal(a.state.messages, 2)
    const nowMs = Date.UTC(2031, 0, 1)
    clock.wall = nowMs
    await appendDurably(a, 's', 'later')
    const first = await a.get(1)
    assert.equal(first?.timeMs, nowMs - 10_000)
    assert.equal(a.state.firstTimeMs, nowMs - 10_000)
    assert.equal(await a.seqAtTime(nowMs - 5_000), 3)
    await store.drain()
    store = await open()
    assert.equal((await store.streams.get('a')?.get(1))?.timeMs, nowMs - 10_000)
  })
})
