/**
 * What a stream takes of the room that accounts and servers have, over a real store: whatever becomes of
 * what is published, what counts in the end is what is stored.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store } from '../../../shared/store/index.ts'
import { NO_TIER_LIMITS, UNLIMITED } from '../../../shared/stream/account-limits.ts'
import { type Stream, StreamEngine } from '../../../shared/stream/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { MemoryPort } from '../../support/memory-port.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

interface Answer {
  readonly error?: { readonly err_code: number }
  readonly seq?: number
  readonly duplicate?: boolean
  readonly type?: string
}

type Options = Readonly<{ headers?: Record<string, string>; reply?: string }>

const LARGE = 'x'.repeat(500)
const MOST_BYTES = 20_000

describe('room that a stream takes', () => {
  let disk: SimDisk
  let clock: StoreClock
  let port: MemoryPort
  let store: Store
  let engine: StreamEngine
  let server: typeof UNLIMITED.server & { bufferedBytesMax: number }

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    clock = new StoreClock()
    port = new MemoryPort()
    const parts = { clock, random: new SeededRandom(2), log: silentLog }
    store = await openStore({ ...parts, directory: '/data', disk, reserveBytes: 3_000 })
    server = { ...UNLIMITED.server, held: { memory: 0 } }
    const limits = {
      tiers: new Map([['', { ...NO_TIER_LIMITS, max_memory: MOST_BYTES }]]),
      server,
    }
    const names = { account: 'A', domain: '', serverName: 'room' }
    engine = new StreamEngine({ ...parts, ...names, store, port, limits })
    await engine.start()
  })

  afterEach(async () => {
    await engine.destroy()
    await store.destroy()
  })

  function create(name: string, config: object = {}): Promise<Stream> {
    const base = { name, subjects: [`${name}.>`], storage: 'memory' as const }
    return patiently(engine.ensure({ ...base, ...config }))
  }

  /** Turns pass, and time, until it is done. */
  async function patiently<T>(work: Promise<T>): Promise<T> {
    let isDone = false
    const over = (): void => {
      isDone = true
    }
    work.then(over, over)
    for (let i = 0; i < 100 && !isDone; i++) {
      await settle(5)
      if (i % 8 === 7) clock.advance(300)
    }
    assert.ok(isDone, 'it is done')
    return work
  }

  /** Its answer comes when there is one. */
  function begin(subject: string, payload = LARGE, { headers, reply }: Options = {}) {
    const inbox = reply ?? port.newInbox()
    const answered = port.next(inbox)
    const all = headers === undefined ? { reply: inbox } : { reply: inbox, headers }
    port.send(subject, payload, all).catch(() => {})
    return answered.then(({ payload: text }) => (text === '' ? {} : JSON.parse(text)) as Answer)
  }

  function publish(subject: string, payload = LARGE, options: Options = {}): Promise<Answer> {
    return patiently(begin(subject, payload, options))
  }

  async function refused(code: number, answer: Promise<Answer>): Promise<void> {
    assert.equal((await answer).error?.err_code, code)
  }

  const part = (id: string, seq: number, more: Record<string, string> = {}): Options => ({
    headers: { 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': String(seq), ...more },
  })
  const END = { 'Nats-Batch-Commit': '1' }

  const held = (): number => server.held.memory

  /** Nothing counts but what is stored, and all room beside that can be taken. */
  async function assertExact(...streams: Stream[]): Promise<void> {
    await patiently(Promise.all(streams.map((stream) => stream.settled())))
    const stored = streams.reduce((sum, stream) => sum + stream.store.state.bytes, 0)
    assert.deepEqual(
      [held(), ...streams.map(({ store: { stage } }) => stage.bytes)],
      [stored, ...streams.map(() => 0)],
    )
    const other = await create('OTHER')
    await refused(10002, publish('OTHER.1', 'x'.repeat(MOST_BYTES - stored)))
    const { error } = await publish('OTHER.1', 'x'.repeat(MOST_BYTES - stored - 100))
    assert.equal(error, undefined)
    assert.equal(held(), stored + other.store.state.bytes)
  }

  it('counts at once what waits for the disk, and the same behind the commit', async () => {
    const stream = await create('S')
    const answers = [begin('S.1'), begin('S.2')]
    const waiting = stream.store.stage.bytes
    assert.equal(held(), waiting)
    assert.ok(waiting > 2 * LARGE.length)
    await patiently(Promise.all(answers))
    assert.equal(stream.store.state.bytes, waiting)
    await assertExact(stream)
  })

  it('is none for what a full stream refuses, however much that is', async () => {
    const stream = await create('S', { discard: 'new', max_msgs: 1 })
    assert.equal((await publish('S.1')).seq, 1)
    for (let i = 0; i < 100; i++) await refused(10077, publish('S.2'))
    await assertExact(stream)
  })

  it('is none for what a full stream refuses in a roll-up', async () => {
    const config = { discard: 'new', max_bytes: 700, allow_rollup_hdrs: true }
    const stream = await create('S', config)
    await publish('S.1')
    for (let i = 0; i < 100; i++) {
      await refused(10077, publish('S.1', LARGE, { headers: { 'Nats-Rollup': 'sub' } }))
    }
    await assertExact(stream)
  })

  it('is none for what is refused by its headers, or stored already', async () => {
    const stream = await create('S')
    const headers = { 'Nats-Msg-Id': 'one' }
    await publish('S.1', LARGE, { headers })
    for (let i = 0; i < 50; i++) {
      assert.equal((await publish('S.1', LARGE, { headers })).duplicate, true)
      const expected = { headers: { 'Nats-Expected-Last-Sequence': '9' } }
      await refused(10071, publish('S.1', LARGE, expected))
    }
    await assertExact(stream)
  })

  it('is none for what has a sequence and nobody wants', async () => {
    const stream = await create('S', { retention: 'interest' })
    for (let i = 1; i <= 100; i++) assert.equal((await publish('S.1')).seq, i)
    await assertExact(stream)
  })

  it('is there again when an atomic batch is refused behind what it has appended', async () => {
    const stream = await create('S', { discard: 'new', max_msgs: 2, allow_atomic: true })
    await publish('S.1')
    for (let i = 0; i < 40; i++) {
      const id = `full${i}`
      await publish('S.2', LARGE, part(id, 1))
      await refused(10077, publish('S.2', LARGE, part(id, 2, END)))
    }
    for (let i = 0; i < 40; i++) {
      const id = `wrong${i}`
      await publish('S.2', LARGE, part(id, 1))
      const wrong = { ...END, 'Nats-Expected-Last-Subject-Sequence': '9' }
      await refused(10071, publish('S.3', LARGE, part(id, 2, wrong)))
    }
    await assertExact(stream)
  })

  it('is none for a batch that does not come to its end', async () => {
    const stream = await create('S', { allow_atomic: true })
    for (let i = 0; i < 40; i++) {
      await publish('S.1', LARGE, part(`gap${i}`, 1))
      await refused(10176, publish('S.1', LARGE, part(`gap${i}`, 3)))
    }
    for (let i = 0; i < 40; i++) await publish('S.1', LARGE, part(`late${i}`, 1))
    clock.advance(11_000)
    await settle(5)
    await assertExact(stream)
  })

  it('is none for what a fast batch is refused', async () => {
    const stream = await create('S', { discard: 'new', max_msgs: 1, allow_batched: true })
    await publish('S.1')
    for (let i = 0; i < 60; i++) {
      await refused(10077, publish('S.1', LARGE, { reply: `_INBOX.f.b${i}.10.fail.1.2.$FI` }))
    }
    await assertExact(stream)
  })

  it('is there again when the disk is full, for all that waited', async () => {
    const [one, two] = [await create('S', { allow_atomic: true }), await create('T')]
    await publish('S.1')
    disk.quotaBytes = 0
    const answers = [begin('S.2'), begin('S.3'), begin('T.1')]
    assert.equal(held(), one.store.state.bytes + one.store.stage.bytes + two.store.stage.bytes)
    for (const answer of answers) await refused(10023, patiently(answer))
    await publish('S.4', LARGE, part('a', 1))
    await refused(10023, publish('S.4', LARGE, part('a', 2, END)))
    // A store that knows that it is full refuses before anything has a sequence.
    for (let i = 0; i < 50; i++) await refused(10023, publish('S.5'))
    assert.equal(held(), one.store.state.bytes)
    disk.quotaBytes = Number.POSITIVE_INFINITY
    for (let i = 0; i < 20 && store.condition.name !== 'open'; i++) {
      clock.advance(1_000)
      await settle(60)
    }
    await assertExact(one, two)
  })

  it('is there again when a sync fails, for all that waited', async () => {
    const stream = await create('S')
    await publish('S.1')
    disk.faults.syncs = 1
    const answers = [begin('S.2'), begin('S.3')]
    for (const answer of answers) assert.ok((await patiently(answer)).error !== undefined)
    for (let i = 0; i < 50; i++) assert.ok((await publish('S.4')).error !== undefined)
    assert.deepEqual([held(), stream.store.stage.bytes], [stream.store.state.bytes, 0])
  })

  it('is there again when the stream is deleted while something waits', async () => {
    await create('S', { allow_atomic: true })
    await publish('S.1')
    await publish('S.2', LARGE, part('a', 1))
    const removed = engine.remove('S')
    for (let i = 0; i < 3; i++) port.send(`S.${i}`, LARGE).catch(() => {})
    assert.equal(await patiently(removed), true)
    await assertExact()
  })

  it('lets wait what may, whatever was refused before', async () => {
    server.bufferedBytesMax = 2_000
    await engine.destroy()
    const parts = { clock, random: new SeededRandom(2), log: silentLog }
    const limits = { ...UNLIMITED, server }
    const names = { account: 'B', domain: '', serverName: 'room' }
    engine = new StreamEngine({ ...parts, ...names, store, port, limits })
    await engine.start()
    await create('S', { discard: 'new', max_msgs: 5 })
    for (let i = 0; i < 5; i++) assert.equal((await publish('S.1')).error, undefined)
    for (let i = 0; i < 20; i++) await refused(10077, publish('S.1'))
    await patiently(engine.stream('S')?.purge({}) ?? Promise.reject())
    const answers = Array.from({ length: 5 }, () => begin('S.1'))
    const codes: (number | undefined)[] = []
    for (const answer of answers) codes.push((await patiently(answer)).error?.err_code)
    assert.deepEqual(codes, [undefined, undefined, undefined, undefined, 10167])
  })
})
