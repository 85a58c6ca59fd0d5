import assert from 'node:assert/strict'
import { codeOf } from '../../../shared/runtime/index.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface PubAck {
  readonly stream: string
  readonly seq: number
  readonly duplicate?: boolean
  readonly error?: { readonly err_code: number; readonly description: string }
}

describe('Stream', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  async function create(config: Record<string, unknown> = {}): Promise<void> {
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], ...config })
    world.store.isAuto = false
  }

  /** Publishes without committing; the answer comes with the commit. */
  function publish(subject: string, headers: Record<string, string> = {}): Promise<PubAck> {
    const reply = world.port.newInbox()
    const answer = world.port.next(reply)
    world.port.send(subject, 'x', { reply, headers }).catch(assert.fail)
    return answer.then(({ payload }) => JSON.parse(payload) as PubAck)
  }

  it('acknowledges after the commit, not before', async () => {
    await create()
    let isAcknowledged = false
    const ack = publish('s.a').then((answer) => {
      isAcknowledged = true
      return answer
    })
    await world.pass(1_000)
    assert.equal(isAcknowledged, false)
    world.store.commit()
    assert.deepEqual(await ack, { stream: 'S', seq: 1 })
  })

  it('does not see what is on its way out when it checks expected sequences', async () => {
    await create()
    const first = publish('s.a')
    world.store.commit()
    await first
    let isRemoved = false
    world.store.streams.get('A/S')?.remove(1, () => {
      isRemoved = true
    })
    const header = 'Nats-Expected-Last-Subject-Sequence'
    const acks = [publish('s.a', { [header]: '1' }), publish('s.a', { [header]: '0' })]
    world.store.commit()
    const [late, early] = await Promise.all(acks)
    assert.ok(isRemoved)
    assert.deepEqual([late?.error?.err_code, early?.seq], [10071, 2])
  })

  it('acknowledges a roll-up of all that wildcards match when that is gone', async () => {
    await create({ allow_rollup_hdrs: true })
    world.store.isAuto = true
    for (const subject of ['s.a', 's.b.c', 's.b']) await publish(subject)
    assert.equal((await publish('s.*', { 'Nats-Rollup': 'sub' })).seq, 4)
    const { state } = await world.port.api<{ state: object }>('STREAM.INFO.S', {
      subjects_filter: '>',
    })
    assert.deepEqual(Reflect.get(state, 'subjects'), { 's.b.c': 1, 's.*': 1 })
  })

  it('sees what is staged when it checks for duplicates and expected sequences', async () => {
    await create()
    const id = { 'Nats-Msg-Id': 'one' }
    const none = { 'Nats-Expected-Last-Subject-Sequence': '0' }
    const acks = [
      publish('s.a', id),
      publish('s.a', id),
      publish('s.b', none),
      publish('s.b', none),
    ]
    world.store.commit()
    const [first, duplicate, third, refused] = await Promise.all(acks)
    assert.deepEqual(first, { stream: 'S', seq: 1 })
    assert.deepEqual(duplicate, { stream: 'S', seq: 1, duplicate: true })
    assert.deepEqual(third, { stream: 'S', seq: 2 })
    assert.equal(refused?.error?.err_code, 10071)
    assert.equal(refused?.error?.description, 'wrong last sequence: 2')
  })

  for (const header of ['Nats-Expected-Last-Subject-Sequence', 'Nats-Expected-Last-Sequence']) {
    it(`tells of a sequence that ${header} missed once it is on disk, not before`, async () => {
      await create()
      const answers: string[] = []
      const stored = publish('s.a').then(({ seq }) => answers.push(`stored ${seq}`))
      const refused = publish('s.a', { [header]: '0' }).then(({ error }) => {
        answers.push(`${error?.err_code} ${error?.description}`)
      })
      await world.pass(1_000)
      assert.deepEqual(answers, [])
      world.store.commit()
      await Promise.all([stored, refused])
      assert.deepEqual(answers, ['stored 1', '10071 wrong last sequence: 1'])
      const again = await publish('s.a', { [header]: '0' })
      assert.equal(again.error?.err_code, 10071, 'told at once of what is on disk')
    })
  }

  it('takes everything back when the commit fails', async () => {
    await create()
    const id = { 'Nats-Msg-Id': 'one' }
    const failing = [publish('s.a', id), publish('s.a', id)]
    world.store.failCommit()
    for (const { error } of await Promise.all(failing)) assert.equal(error?.err_code, 10023)
    const again = publish('s.a', { ...id, 'Nats-Expected-Last-Subject-Sequence': '0' })
    world.store.commit()
    assert.deepEqual(await again, { stream: 'S', seq: 1 })
  })

  it('tells the publisher that stands behind takeCommitted what happened', async () => {
    await create({ max_msg_size: 3 })
    const stored = world.port.send('s.a', 'ok')
    const refused = world.port.send('s.a', 'far too long')
    world.store.commit()
    assert.equal(await stored, undefined)
    assert.equal(codeOf(await refused), 'PETIOLE_JETSTREAM')
  })

  it('forgets a message id when its window is over, and not before', async () => {
    await create({ duplicate_window: 10e9 })
    const id = { 'Nats-Msg-Id': 'one' }
    world.store.isAuto = true
    assert.equal((await publish('s.a', id)).seq, 1)
    await world.pass(9_999)
    assert.equal((await publish('s.a', id)).duplicate, true)
    await world.pass(2)
    assert.deepEqual(await publish('s.a', id), { stream: 'S', seq: 2 })
  })

  it('learns message ids and the last id again after a crash', async () => {
    await create()
    world.store.isAuto = true
    await publish('s.a', { 'Nats-Msg-Id': 'one' })
    await world.crash()
    assert.equal((await publish('s.a', { 'Nats-Msg-Id': 'one' })).duplicate, true)
    const wrong = await publish('s.a', { 'Nats-Expected-Last-Msg-Id': 'two' })
    assert.equal(wrong.error?.description, 'wrong last msg ID: one')
    assert.equal((await publish('s.a', { 'Nats-Expected-Last-Msg-Id': 'one' })).seq, 2)
  })

  it('appends what its owner decided on, also inside a transaction that fails', async () => {
    await create()
    const stream = world.engine.stream('S')!
    const bytes = (text: string): Uint8Array => Buffer.from(text)
    const on = (text: string) => ({ text, bytes: bytes(text) })
    assert.throws(() =>
      world.store.transaction(() => {
        assert.equal(stream.append(on('s.a'), bytes(''), bytes('x')), 1)
        throw new Error('undone')
      }),
    )
    const none = { 'Nats-Expected-Last-Subject-Sequence': '0' }
    const published = publish('s.a', none)
    world.store.commit()
    assert.deepEqual(await published, { stream: 'S', seq: 1 })
    const timeMs = Date.UTC(2020, 1, 2)
    assert.equal(stream.append(on('s.b'), bytes(''), bytes('y'), undefined, timeMs), 2)
    world.store.commit()
    assert.equal((await stream.store.get(2))?.timeMs, timeMs)
  })

  it('remembers nothing of what a transaction around a publish takes back', async () => {
    await create()
    const id = { 'Nats-Msg-Id': 'one' }
    assert.throws(() =>
      world.store.transaction(() => {
        world.port.send('s.a', 'x', { headers: id }).catch(assert.fail)
        throw new Error('another one refuses it')
      }),
    )
    world.store.isAuto = true
    const first = { ...id, 'Nats-Expected-Last-Msg-Id': '' }
    assert.deepEqual(await publish('s.a', first), { stream: 'S', seq: 1 }, 'it is no repetition')
    assert.equal((await publish('s.a', id)).duplicate, true)
  })

  it('refuses what a sealed stream, or a feature that is off, refuses', async () => {
    await create({ discard: 'new', max_msgs_per_subject: 1, discard_new_per_subject: true })
    const acks = [publish('s.a'), publish('s.a'), publish('s.b', { 'Nats-TTL': '1s' })]
    world.store.commit()
    const [, second, third] = await Promise.all(acks)
    assert.equal(second?.error?.description, 'maximum messages per subject exceeded')
    assert.equal(third?.error?.err_code, 10166)
    world.store.isAuto = true
    await world.port.api('STREAM.UPDATE.S', { name: 'S', subjects: ['s.>'], sealed: true })
    assert.equal((await publish('s.c')).error?.err_code, 10109)
  })

  it('stores without an acknowledgement when the stream says so', async () => {
    await create({ no_ack: true })
    const reply = world.port.newInbox()
    const stored = world.port.send('s.a', 'x', { reply })
    world.store.commit()
    assert.equal(await stored, undefined)
    assert.equal(world.port.inboxes.get(reply), undefined)
  })

  it('counts on from the last sequence that it may be sent to, and is sent no further', async () => {
    await create()
    world.store.isAuto = true
    const last = 2 ** 52
    const { error } = await world.port.api('STREAM.PURGE.S', { seq: last + 1 })
    assert.equal(error?.err_code, 10110)
    assert.equal((await publish('s.a')).seq, 1)
    assert.equal((await world.port.api('STREAM.PURGE.S', { seq: last })).error, undefined)
    assert.deepEqual([(await publish('s.a')).seq, (await publish('s.a')).seq], [last, last + 1])
    assert.equal((await world.port.api('STREAM.PURGE.S', { seq: last + 1 }))['purged'], 1)
  })
})
