import assert from 'node:assert/strict'
import type { ApiAnswer } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

/** What a client asks for is on disk when it is told so, and was never there when it is refused. */
describe('changes that the disk refuses', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.>'] })
  })

  const create = { stream_name: 'S', config: { durable_name: 'c', ack_policy: 'explicit' } }

  async function commit(how: 'commit' | 'failCommit'): Promise<void> {
    await world.pass(10)
    world.store[how]()
  }

  /** Makes the request while the disk takes nothing, and resolves with the answer. */
  async function refused(subject: string, payload: unknown = ''): Promise<ApiAnswer> {
    world.store.isAuto = false
    const answer = world.port.api(subject, payload)
    await commit('failCommit')
    world.store.isAuto = true
    return answer
  }

  it('a durable consumer that was not written is not there, and can be made again', async () => {
    const first = await refused('CONSUMER.CREATE.S.c', create)
    assert.notEqual(first.error, undefined)
    assert.equal((await world.port.api('CONSUMER.INFO.S.c')).error?.err_code, 10014)
    assert.equal((await world.port.api('CONSUMER.CREATE.S.c', create)).error, undefined)
    await world.crash()
    assert.equal((await world.port.api('CONSUMER.INFO.S.c')).error, undefined)
  })

  it('a retry of a creation that is under way is not answered before the disk is', async () => {
    world.store.isAuto = false
    const answers: ApiAnswer[] = []
    for (let i = 0; i < 2; i++) {
      world.port.api('CONSUMER.CREATE.S.c', create).then((answer) => answers.push(answer))
    }
    await world.pass(10)
    assert.equal(answers.length, 0)
    await commit('failCommit')
    await world.pass(10)
    assert.equal(answers.length, 1)
    assert.notEqual(answers[0]?.error, undefined)
    await commit('commit')
    await world.pass(10)
    assert.equal(answers.length, 2, 'the retry is a creation of its own')
    assert.equal(answers[1]?.error, undefined)
  })

  it('what two ask for at the same time happens once, and is announced once', async () => {
    const twice = (subject: string, payload: unknown = ''): Promise<ApiAnswer[]> =>
      Promise.all([world.port.api(subject, payload), world.port.api(subject, payload)])
    const errors = (answers: ApiAnswer[]): unknown[] =>
      answers.map(({ error }) => error?.err_code).sort()
    assert.deepEqual(errors(await twice('CONSUMER.CREATE.S.c', create)), [undefined, undefined])
    const advisories = world.port.inboxes.get('$JS.EVENT.ADVISORY.CONSUMER.CREATED.S.c')
    assert.equal(advisories?.length, 1)
    assert.deepEqual(errors(await twice('CONSUMER.DELETE.S.c')), [10014, undefined])
    assert.deepEqual(errors(await twice('STREAM.DELETE.S')), [10059, undefined])
  })

  it('a consumer keeps its configuration when a change of it fails', async () => {
    await world.port.api('CONSUMER.CREATE.S.c', create)
    const config = { ...create.config, max_ack_pending: 7 }
    const answer = await refused('CONSUMER.CREATE.S.c', { ...create, config })
    assert.notEqual(answer.error, undefined)
    assert.notEqual(world.engine.stream('S')?.consumers.get('c')?.config.max_ack_pending, 7)
    const again = await world.port.api('CONSUMER.CREATE.S.c', { ...create, config })
    assert.equal(again.error, undefined)
    await world.crash()
    assert.equal(world.engine.stream('S')?.consumers.get('c')?.config.max_ack_pending, 7)
  })

  it('a consumer whose removal fails goes on', async () => {
    await world.port.api('CONSUMER.CREATE.S.c', create)
    assert.notEqual((await refused('CONSUMER.DELETE.S.c')).error, undefined)
    await world.port.send('s.1', 'x')
    const message = await world.port.request('$JS.API.CONSUMER.MSG.NEXT.S.c', '1')
    assert.equal(message.payload, 'x')
    assert.equal((await world.port.api('CONSUMER.DELETE.S.c')).error, undefined)
    await world.pass(1_000)
    await world.crash()
    assert.equal((await world.port.api('CONSUMER.INFO.S.c')).error?.err_code, 10014)
    assert.deepEqual([...(world.engine.stream('S')?.store.states.entries() ?? [])], [])
  })

  it('an unused consumer whose removal fails is removed later', async () => {
    const config = { ack_policy: 'none', inactive_threshold: 2e9 }
    await world.port.api('CONSUMER.CREATE.S', { stream_name: 'S', config })
    world.store.isAuto = false
    await world.pass(2_100)
    await commit('failCommit')
    world.store.isAuto = true
    const { consumers } = world.engine.stream('S')!
    assert.equal(consumers.size, 1)
    await world.pass(5_000)
    assert.equal(consumers.size, 0)
  })

  it('a stream whose removal fails goes on, and can be removed later', async () => {
    assert.notEqual((await refused('STREAM.DELETE.S')).error, undefined)
    assert.equal((await world.port.api('STREAM.INFO.S')).error, undefined)
    assert.equal(await world.port.send('s.1', 'x'), undefined)
    assert.equal(world.engine.stream('S')?.store.state.messages, 1)
    assert.equal((await world.port.api('STREAM.DELETE.S')).error, undefined)
    const again = await world.port.api('STREAM.CREATE.S', { name: 'S', subjects: ['s.>'] })
    assert.equal(again.error, undefined)
  })

  it('a stream whose change fails keeps its configuration and its subjects', async () => {
    const changed = { name: 'S', subjects: ['s.>', 't.>'], max_msgs: 3 }
    assert.notEqual((await refused('STREAM.UPDATE.S', changed)).error, undefined)
    assert.deepEqual(world.engine.stream('S')?.config.subjects, ['s.>'])
    await world.port.send('t.1', 'x')
    assert.equal(world.engine.stream('S')?.store.state.messages, 0)
    assert.equal(world.engine.streamFor('t.1'), undefined)
    assert.equal((await world.port.api('STREAM.UPDATE.S', changed)).error, undefined)
    await world.port.send('t.1', 'x')
    assert.equal(world.engine.stream('S')?.store.state.messages, 1)
  })

  it('subjects of a change that is under way are taken already', async () => {
    world.store.isAuto = false
    const update = world.port.api('STREAM.UPDATE.S', { name: 'S', subjects: ['t.>'] })
    await world.pass(10)
    const other = await world.port.api('STREAM.CREATE.O', { name: 'O', subjects: ['t.1'] })
    assert.equal(other.error?.err_code, 10065)
    await commit('commit')
    assert.equal((await update).error, undefined)
  })

  it('a stream that is being created is not said to exist before it is on disk', async () => {
    world.store.isAuto = false
    const request = { name: 'N', subjects: ['n'] }
    const answers: ApiAnswer[] = []
    for (let i = 0; i < 2; i++) {
      world.port.api('STREAM.CREATE.N', request).then((answer) => answers.push(answer))
    }
    await commit('failCommit')
    await world.pass(10)
    assert.equal(answers.length, 1)
    assert.notEqual(answers[0]?.error, undefined)
    await commit('commit')
    await world.pass(10)
    assert.equal(answers[1]?.error, undefined)
  })
})
