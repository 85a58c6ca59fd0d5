import assert from 'node:assert/strict'
import { codeOf } from '../../../shared/runtime/index.ts'
import { FastBatch } from '../../../shared/stream/batch/fast-batch.ts'
import { parseFastReply } from '../../../shared/stream/batch/fast-reply.ts'
import { ServerBatches } from '../../../shared/stream/batch/server-batches.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Answer {
  readonly error?: { readonly err_code: number; readonly description: string }
  readonly seq?: number
  readonly type?: string
  readonly batch?: string
  readonly count?: number
}

const ADVISORY = '$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S'

describe('batches', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await create('S')
  })

  async function create(name: string, config: object = {}): Promise<void> {
    const base = { name, subjects: [`${name}.>`], allow_atomic: true, allow_batched: true }
    await world.engine.ensure({ ...base, ...config })
  }

  /** One message of an atomic batch; undefined is the answer to one that is not the last. */
  async function part(
    id: string,
    seq: number,
    { end = '', payload = 'x', name = 'S', headers = {} } = {},
  ): Promise<Answer | undefined> {
    const reply = world.port.newInbox()
    const answered = world.port.next(reply)
    const all = {
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(seq),
      ...(end === '' ? {} : { 'Nats-Batch-Commit': end }),
      ...headers,
    }
    // Who stands behind a message hears of it with the commit only.
    world.port.send(`${name}.${seq}`, payload, { reply, headers: all }).catch(assert.fail)
    const answer = await answered
    return answer.payload === '' ? undefined : JSON.parse(answer.payload)
  }

  function told(): string[] {
    const advisories = world.port.inboxes.get(ADVISORY) ?? []
    return advisories.map(({ payload }) => {
      const { batch, reason } = JSON.parse(payload)
      return `${batch} ${reason}`
    })
  }

  const batches = (): ServerBatches => ServerBatches.of(world.store)
  const state = () => world.engine.stream('S')!.store.state

  it('stores nothing before the commit, and all with it', async () => {
    assert.equal(await part('a', 1), undefined)
    assert.equal(await part('a', 2), undefined)
    await world.pass(1_000)
    assert.equal(state().lastSeq, 0)
    assert.equal(batches().atomic, 1)
    const before = world.store.commits
    assert.deepEqual(await part('a', 3, { end: '1' }), {
      stream: 'S',
      seq: 3,
      batch: 'a',
      count: 3,
    })
    assert.equal(world.store.commits, before + 1)
    assert.equal(state().messages, 3)
    assert.deepEqual([batches().atomic, batches().stagedBytes], [0, 0])
  })

  it('keeps nothing of a batch whose commit fails, nor what it remembered', async () => {
    world.store.isAuto = false
    await part('a', 1, { headers: { 'Nats-Msg-Id': 'one' } })
    const answer = part('a', 2, { end: '1' })
    await world.pass(10)
    world.store.failCommit()
    assert.equal((await answer)?.error?.err_code, 10023)
    world.store.isAuto = true
    const again = await part('b', 1, { end: '1', headers: { 'Nats-Msg-Id': 'one' } })
    assert.equal(again?.seq, 1)
  })

  it('keeps nothing of a batch that is refused in its middle', async () => {
    await part('a', 1, { headers: { 'Nats-Msg-Id': 'one' } })
    await part('a', 2, { headers: { 'Nats-Expected-Last-Subject-Sequence': '9' } })
    assert.equal((await part('a', 3, { end: '1' }))?.error?.err_code, 10071)
    assert.deepEqual([state().lastSeq, batches().atomic], [0, 0])
    const headers = { 'Nats-Msg-Id': 'one', 'Nats-Expected-Last-Sequence': '0' }
    assert.equal((await part('b', 1, { end: '1', headers }))?.seq, 1)
  })

  it('is gone after a crash, when it was not committed', async () => {
    await part('a', 1)
    await world.crash()
    assert.equal((await part('a', 2, { end: '1' }))?.error?.err_code, 10176)
    assert.deepEqual([state().lastSeq, batches().atomic], [0, 0])
  })

  it('is abandoned when nobody adds to it, and says so', async () => {
    await part('a', 1)
    await world.pass(9_000)
    await part('a', 2)
    await world.pass(9_900)
    assert.deepEqual([told(), batches().atomic], [[], 1])
    await world.pass(200)
    assert.deepEqual([told(), batches().atomic], [['a timeout'], 0])
    assert.equal((await part('a', 3, { end: '1' }))?.error?.err_code, 10176)
  })

  it('ends with its stream, and with what allows it', async () => {
    await part('a', 1)
    await world.engine.ensure({ name: 'S', subjects: ['S.>'], allow_batched: true })
    assert.equal(batches().atomic, 0)
    assert.equal((await part('a', 2, { end: '1' }))?.error?.err_code, 10174)
    await create('S')
    await part('a', 1)
    await world.engine.remove('S')
    await create('S')
    assert.equal((await part('a', 2, { end: '1' }))?.error?.err_code, 10176)
    assert.deepEqual([told(), batches().atomic], [[], 0])
    await world.pass(20_000)
    assert.deepEqual(told(), [])
  })

  it('goes on over a purge', async () => {
    await part('a', 1)
    await world.port.api('STREAM.PURGE.S')
    assert.equal((await part('a', 2, { end: '1' }))?.seq, 2)
    assert.equal(state().messages, 2)
  })

  it('is one of so many of its server', async () => {
    for (let i = 0; i < 21; i++) {
      await create(`N${i}`)
      for (let n = 0; n < (i === 20 ? 1 : 50); n++) {
        const answer = await part(`b${n}`, 1, { name: `N${i}` })
        assert.equal(answer?.error?.err_code, i === 20 ? 10210 : undefined)
      }
    }
    assert.equal(batches().atomic, 1_000)
    await part('b0', 2, { name: 'N0', end: '1' })
    assert.equal(await part('b0', 1, { name: 'N20' }), undefined)
  })

  it('holds so many bytes in memory, by itself and with all others', async () => {
    const payload = 'x'.repeat(8 * 1024 * 1024)
    const fill = async (id: string): Promise<(number | undefined)[]> => {
      const codes: (number | undefined)[] = []
      for (let seq = 1; seq <= 4; seq++) {
        codes.push((await part(id, seq, { payload }))?.error?.err_code)
      }
      return codes
    }
    assert.deepEqual(await fill('a'), [undefined, undefined, undefined, 10023])
    assert.deepEqual([told(), batches().stagedBytes], [['a large'], 0])
    for (let i = 0; i < 5; i++) {
      for (let seq = 1; seq <= 3; seq++) await part(`b${i}`, seq, { payload })
    }
    assert.deepEqual((await part('c', 1, { payload }))?.error?.err_code, 10023)
    assert.ok(batches().stagedBytes <= 128 * 1024 * 1024)
    await world.pass(10_000)
    assert.deepEqual([batches().atomic, batches().stagedBytes], [0, 0])
  })

  it('tells who stands behind each message once, whatever becomes of it', async () => {
    const headers = (id: string, seq: number, end = '') => ({
      'Nats-Batch-Id': id,
      'Nats-Batch-Sequence': String(seq),
      ...(end === '' ? {} : { 'Nats-Batch-Commit': end }),
    })
    const stored = [1, 2].map((seq) =>
      world.port.send('S.a', 'x', { headers: headers('a', seq, seq === 2 ? '1' : '') }),
    )
    assert.deepEqual(await Promise.all(stored), [undefined, undefined])
    const abandoned = world.port.send('S.a', 'x', { headers: headers('b', 1) })
    const late = world.port.send('S.a', 'x', { headers: headers('b', 5) })
    assert.equal(codeOf(await abandoned), 'PETIOLE_JETSTREAM')
    assert.equal(codeOf(await late), 'PETIOLE_JETSTREAM')
  })

  describe('fast', () => {
    async function send(
      seq: number,
      operation: number,
      id = 'f',
      headers: Record<string, string> = {},
    ): Promise<void> {
      const reply = `in.${id}.2.fail.${seq}.${operation}.$FI`
      world.port.send('S.f', `${seq}`, { reply, headers }).catch(assert.fail)
    }

    function answers(): Answer[] {
      const all = [...world.port.inboxes].filter(([inbox]) => inbox.endsWith('.$FI'))
      return all.flatMap(([, messages]) => messages.map(({ payload }) => JSON.parse(payload)))
    }

    it('acknowledges what is on disk, not before', async () => {
      world.store.isAuto = false
      for (let seq = 1; seq <= 4; seq++) await send(seq, seq === 1 ? 0 : 1)
      await send(5, 2)
      await world.pass(100)
      assert.deepEqual(answers(), [{ type: 'ack', seq: 0, msgs: 2 }])
      world.store.commit()
      await world.pass(100)
      assert.deepEqual(answers().slice(1), [
        { type: 'ack', seq: 2, msgs: 2 },
        { type: 'ack', seq: 4, msgs: 2 },
        { stream: 'S', seq: 5, batch: 'f', count: 5 },
      ])
      assert.equal(batches().fast, 0)
    })

    it('answers an end once what came before it is on disk', async () => {
      world.store.isAuto = false
      await send(1, 0)
      await send(2, 3)
      await world.pass(100)
      assert.equal(answers().length, 1)
      world.store.commit()
      await world.pass(100)
      assert.deepEqual(answers()[1], { stream: 'S', seq: 1, batch: 'f', count: 1 })
      const asker = world.port.inboxes.get('in.f.2.fail.2.3.$FI') ?? []
      assert.equal(asker.length, 1, 'where the end is waited for')
    })

    it('answers who ended it, not who asked how far it is since', async () => {
      world.store.isAuto = false
      await send(1, 0)
      await send(2, 3)
      await send(5, 4)
      world.store.commit()
      await world.pass(100)
      const told = world.port.inboxes.get('in.f.2.fail.2.3.$FI') ?? []
      assert.deepEqual(JSON.parse(told[0]?.payload ?? ''), {
        stream: 'S',
        seq: 1,
        batch: 'f',
        count: 1,
      })
    })

    it('ends with the disk, and says so once', async () => {
      world.store.isAuto = false
      for (let seq = 1; seq <= 3; seq++) await send(seq, seq === 1 ? 0 : 1)
      world.store.failCommit()
      await world.pass(100)
      assert.deepEqual(
        answers().map(({ type, error }) => type ?? error?.err_code),
        ['ack', 10023],
      )
      assert.equal(batches().fast, 0)
    })

    it('acknowledges a repetition once what it repeats is on disk, and not where it did not get', async () => {
      for (const isWritten of [true, false]) {
        world.store.isAuto = false
        const id = `${isWritten}`
        const first = world.port.send('S.a', 'x', { headers: { 'Nats-Msg-Id': id } })
        await send(1, 2, `alone${id}`, { 'Nats-Msg-Id': id })
        await send(1, 0, `more${id}`, { 'Nats-Msg-Id': id })
        await send(2, 2, `more${id}`)
        await world.pass(100)
        const told = answers().length
        if (isWritten) world.store.commit()
        else world.store.failCommit()
        await first
        await world.pass(100)
        const [alone, more] = answers().slice(-2)
        if (isWritten) {
          assert.deepEqual(alone, {
            stream: 'S',
            seq: 1,
            duplicate: true,
            batch: 'alonetrue',
            count: 1,
          })
          assert.deepEqual(more, { stream: 'S', seq: 2, batch: 'moretrue', count: 2 })
        } else {
          assert.deepEqual([alone?.error?.err_code, more?.error?.err_code], [10023, 10023])
        }
        assert.equal(
          answers().length,
          told + (isWritten ? 3 : 2),
          'all but the pace after the disk',
        )
        assert.equal(batches().fast, 0)
      }
    })

    it('tells what a refusal says of the stream once that is on disk', async () => {
      world.store.isAuto = false
      world.port.send('S.a', 'x').catch(assert.fail)
      await send(1, 0)
      await send(2, 1, 'f', { 'Nats-Expected-Last-Sequence': '1' })
      await send(3, 1)
      await world.pass(100)
      assert.deepEqual(answers(), [{ type: 'ack', seq: 0, msgs: 2 }])
      world.store.commit()
      await world.pass(100)
      const [, refusal, end] = answers()
      assert.deepEqual([refusal?.type, refusal?.error?.err_code], ['err', 10071])
      assert.deepEqual(end, { stream: 'S', seq: 2, batch: 'f', count: 1 })
      assert.equal(batches().fast, 0)
    })

    it('is forgotten when nobody adds to it, and stands for little meanwhile', async () => {
      for (let i = 0; i < 1_000; i++) await send(1, 0, `f${i}`)
      await world.pass(100)
      await send(1, 0, 'more')
      await world.pass(100)
      assert.equal(answers().at(-1)?.error?.err_code, 10211)
      assert.equal(batches().fast, 1_000)
      await world.pass(10_000)
      assert.equal(batches().fast, 0)
      await send(2, 1)
      await world.pass(10)
      assert.equal(answers().at(-1)?.error?.err_code, 10208)
    })
  })
})

describe('fast batch', () => {
  it('reads what a reply says, and nothing from what says nothing', () => {
    assert.deepEqual(parseFastReply('_INBOX.a.id.7.fail.12.1.$FI'), {
      id: 'id',
      seq: 12,
      flow: 7,
      isGapOk: false,
      operation: 'append',
    })
    for (const bad of ['x.id.7.fail.1.1', 'x.id.7.no.2.1', 'x.id.7.ok.0.1', 'id.7.ok.1.0', '']) {
      assert.equal(parseFastReply(`${bad}.$FI`), undefined, bad)
    }
  })

  it('acknowledges more at once when it is alone, and less when it is not', () => {
    const batch = new FastBatch(true, 40, false)
    const every: number[] = []
    let told = 0
    for (let seq = 1; seq <= 200; seq++) {
      batch.lastSeq = seq
      batch.pending++
      batch.stored(seq, seq)
      if (!batch.advance(seq < 120 ? 1 : 50)) continue
      const { seq: now } = JSON.parse(batch.acknowledgement) as { seq: number }
      every.push(now - told)
      told = now
    }
    assert.deepEqual(every.slice(0, 7), [1, 2, 4, 8, 16, 32, 40])
    assert.equal(every.at(-1), 10)
  })
})
