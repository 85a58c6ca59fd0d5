import assert from 'node:assert/strict'
import type { StreamRequest } from '../../../shared/stream/index.ts'
import { RecordingLog } from '../../support/link-node.ts'
import type { ApiAnswer } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface FeedInfo {
  readonly name: string
  readonly lag: number
  readonly active: number
  readonly error?: { readonly err_code: number }
}

interface Info extends ApiAnswer {
  readonly config: Readonly<Record<string, unknown>>
  readonly state: {
    readonly messages: number
    readonly first_seq: number
    readonly last_seq: number
  }
  readonly mirror?: FeedInfo
  readonly sources?: readonly FeedInfo[]
}

interface Stored {
  readonly seq: number
  readonly timeMs: number
  readonly subject: string
  readonly headers: string
  readonly payload: string
}

describe('mirrors and sources', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start(1, { serverVersion: '2.15.0' })
    world.port.hearsOnlyHandlers = true
  })

  async function api<Answer = ApiAnswer>(subject: string, request: unknown = ''): Promise<Answer> {
    const answer = world.port.api<Answer>(subject, request)
    await world.pass(1)
    return answer
  }

  async function create(config: StreamRequest): Promise<Info> {
    const info = await api<Info>(`STREAM.CREATE.${config.name}`, config)
    assert.equal(info.error, undefined)
    return info
  }

  const update = (config: StreamRequest) => api<Info>(`STREAM.UPDATE.${config.name}`, config)
  const info = (name: string) => api<Info>(`STREAM.INFO.${name}`)

  async function publish(
    subject: string,
    payloads: readonly string[],
    headers?: Record<string, string>,
  ): Promise<void> {
    for (const payload of payloads) {
      await world.port.send(subject, payload, headers === undefined ? {} : { headers })
    }
  }

  async function stored(name: string): Promise<Stored[]> {
    const store = world.store.streams.get(`A/${name}`)
    assert.ok(store)
    const { messages } = await store.read({ fromSeq: 1, messagesMax: 10_000, bytesMax: 1e9 })
    return messages.map(({ seq, timeMs, subject, headers, payload }) => ({
      seq,
      timeMs,
      subject,
      headers: Buffer.from(headers).toString(),
      payload: Buffer.from(payload).toString(),
    }))
  }

  const payloads = (all: readonly Stored[]): string[] => all.map(({ payload }) => payload)
  const sourceOf = ({ headers }: Stored): string =>
    /Nats-Stream-Source: (.*)\r\n/.exec(headers)?.[1] ?? ''

  it('mirror sequences, times and gaps, and go on as it grows', async () => {
    await create({ name: 'O', subjects: ['o.>'] })
    await publish('o.a', ['1', '2', '3', '4'])
    await api('STREAM.MSG.DELETE.O', { seq: 1 })
    await api('STREAM.MSG.DELETE.O', { seq: 3 })
    await world.pass(5_000)
    const made = await create({ name: 'M', mirror: { name: 'O' } })
    assert.deepEqual([made.mirror?.name, made.mirror?.active], ['O', -1])
    await world.pass(500)
    await publish('o.b', ['5'])
    await world.pass(1)
    const copy = await stored('M')
    assert.deepEqual(copy, await stored('O'))
    assert.deepEqual(
      copy.map(({ seq }) => seq),
      [2, 4, 5],
    )
    const { state, mirror } = await info('M')
    assert.deepEqual([state.first_seq, state.last_seq, mirror?.lag], [2, 5, 0])
    assert.ok((mirror?.active ?? -1) >= 0)
    assert.equal(mirror?.error, undefined)
  })

  it('begin where a mirror says, take what matches, and store it as it says', async () => {
    await create({ name: 'O', subjects: ['o.*'] })
    await publish('o.a', ['1', '2'])
    await publish('o.b', ['3'])
    await publish('o.a', ['4'])
    const subject_transforms = [{ src: 'o.a', dest: 'copy.a' }]
    await create({ name: 'M', mirror: { name: 'O', opt_start_seq: 2, subject_transforms } })
    await create({ name: 'F', mirror: { name: 'O', filter_subject: 'o.b' } })
    await world.pass(500)
    const all = await stored('M')
    assert.deepEqual(
      all.map(({ seq, subject }) => `${seq} ${subject}`),
      ['2 copy.a', '4 copy.a'],
    )
    assert.deepEqual(payloads(await stored('F')), ['3'])
    const { state } = await info('M')
    assert.deepEqual([state.first_seq, state.last_seq], [2, 4])
  })

  it('end as a mirror when its configuration says so, which takes messages then', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await publish('o', ['1', '2'])
    await create({ name: 'M', mirror: { name: 'O' } })
    await world.pass(500)
    const promoted = await update({ name: 'M', subjects: ['m'] })
    assert.equal(promoted.mirror, undefined)
    await publish('o', ['3'])
    await publish('m', ['own'])
    await world.pass(20_000)
    assert.deepEqual(payloads(await stored('M')), ['1', '2', 'own'])
  })

  it('answer direct reads of a mirrored stream that is elsewhere, once they have caught up', async () => {
    const get = async (): Promise<string> => {
      const answer = world.port.request('$JS.API.DIRECT.GET.O.o')
      await world.pass(1)
      return (await answer).payload
    }
    await create({ name: 'O', subjects: ['o'], allow_direct: true })
    await publish('o', ['1'])
    await create({ name: 'M', mirror: { name: 'O' }, mirror_direct: true })
    await api('STREAM.DELETE.O')
    assert.equal(await get(), '', 'nothing was heard of the origin')
    await create({ name: 'O', subjects: ['o'], allow_direct: true })
    await publish('o', ['1'])
    await world.pass(30_000)
    await api('STREAM.DELETE.O')
    assert.equal(await get(), '1')
  })

  it('say of each sourced message where it comes from, beside what is published', async () => {
    await create({ name: 'O', subjects: ['o.*'] })
    const headers = { 'X-Own': 'x', 'Nats-Expected-Stream': 'O' }
    await publish('o.a', ['1'], headers)
    await publish('o.b', ['2'])
    const sources = [
      { name: 'O', filter_subject: 'o.a' },
      { name: 'O', subject_transforms: [{ src: 'o.b', dest: 'x.b' }] },
    ]
    await create({ name: 'S', subjects: ['s'], sources })
    await world.pass(500)
    await publish('s', ['own'])
    const all = await stored('S')
    const a = all.find(({ payload }) => payload === '1')
    const b = all.find(({ payload }) => payload === '2')
    assert.ok(a && b)
    assert.match(sourceOf(a), /^O 1 o\.a > o\.a \w{8}$/)
    assert.match(sourceOf(b), /^O 2 o\.b x\.b o\.b \w{8}$/)
    assert.equal(b.subject, 'x.b')
    assert.match(a.headers, /^NATS\/1\.0\r\nX-Own: x\r\nNats-Stream-Source: /)
    assert.equal(payloads(all)[2], 'own')
    assert.equal((await info('S')).sources?.length, 2)
  })

  it('go on behind what they have, after a crash and when all of it is gone', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await create({ name: 'M', mirror: { name: 'O' } })
    await publish('o', ['1', '2'])
    await world.pass(500)
    await api('STREAM.PURGE.S')
    await world.crash()
    world.port.hearsOnlyHandlers = true
    await world.pass(100)
    await publish('o', ['3', '4'])
    await world.pass(500)
    assert.deepEqual(payloads(await stored('S')), ['3', '4'])
    assert.deepEqual(payloads(await stored('M')), ['1', '2', '3', '4'])
  })

  it('miss nothing when deliveries are lost', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await create({ name: 'M', mirror: { name: 'O' } })
    await publish('o', ['1'])
    await world.pass(3_000)
    const inboxes = [...world.port.flows.keys()].filter((to) => /^\$JS\.[MS]\./.test(to))
    assert.equal(inboxes.length, 2)
    for (const inbox of inboxes) world.port.lost.add(inbox)
    await publish('o', ['2', '3'])
    await world.pass(1)
    world.port.lost.clear()
    await publish('o', ['4'])
    await world.pass(500)
    // The last may be lost too: then the heartbeat tells.
    const again = [...world.port.flows.keys()].filter((to) => /^\$JS\.[MS]\./.test(to))
    for (const inbox of again) world.port.lost.add(inbox)
    await publish('o', ['5'])
    await world.pass(1)
    world.port.lost.clear()
    await world.pass(5_000)
    assert.deepEqual(payloads(await stored('S')), ['1', '2', '3', '4', '5'])
    assert.deepEqual(await stored('M'), await stored('O'))
  })

  it('say of an origin that is not there what it answered', async () => {
    const log = new RecordingLog()
    world = await StreamWorld.start(1, { serverVersion: '2.15.0', log })
    world.port.hearsOnlyHandlers = true
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await world.pass(3_000)
    const line = log.lines.find(({ message }) => message.startsWith('error response'))
    assert.equal(line?.message, 'error response for create source consumer')
    assert.equal(line?.fields['err'], 'stream not found (10059)')
  })

  it('find an origin that appears, and copy one that was made anew from its beginning', async () => {
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await world.pass(3_000)
    assert.equal((await info('S')).sources?.[0]?.error?.err_code, 10059)
    await create({ name: 'O', subjects: ['o'] })
    await publish('o', ['1', '2', '3'])
    await world.pass(300)
    assert.deepEqual(payloads(await stored('S')), ['1', '2', '3'])
    await api('STREAM.DELETE.O')
    await world.pass(3_000)
    await create({ name: 'O', subjects: ['o'] })
    await publish('o', ['new 1'])
    await world.pass(25_000)
    await publish('o', ['new 2'])
    await world.pass(1)
    assert.deepEqual(payloads(await stored('S')), ['1', '2', '3', 'new 1', 'new 2'])
  })

  it('come and go with updates, and go on when they are back', async () => {
    for (const name of ['a', 'b']) {
      await create({ name, subjects: [name] })
      await publish(name, [`${name}1`])
    }
    await create({ name: 'S', sources: [{ name: 'a' }] })
    await world.pass(500)
    await update({ name: 'S', sources: [{ name: 'a' }, { name: 'b' }] })
    await world.pass(500)
    assert.deepEqual(payloads(await stored('S')), ['a1', 'b1'])
    await update({ name: 'S', sources: [{ name: 'b' }] })
    await publish('a', ['a2'])
    await publish('b', ['b2'])
    await world.pass(20_000)
    assert.deepEqual(payloads(await stored('S')), ['a1', 'b1', 'b2'])
    await update({ name: 'S', sources: [{ name: 'a' }, { name: 'b' }] })
    await world.pass(500)
    assert.deepEqual(payloads(await stored('S')), ['a1', 'b1', 'b2', 'a2'])
  })

  it('leave out what they have by its id, when they are to remember ids', async () => {
    await create({ name: 'O', subjects: ['o'], duplicate_window: 100_000_000 })
    await publish('o', ['1'], { 'Nats-Msg-Id': 'x' })
    await world.pass(1_000)
    await publish('o', ['again'], { 'Nats-Msg-Id': 'x' })
    await publish('o', ['2'])
    await create({ name: 'W', sources: [{ name: 'O' }], duplicate_window: 60_000_000_000 })
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await world.pass(500)
    assert.deepEqual(payloads(await stored('W')), ['1', '2'])
    assert.deepEqual(payloads(await stored('S')), ['1', 'again', '2'])
  })

  it('take from a work queue what they have on disk, and no sooner', async () => {
    await create({ name: 'O', subjects: ['o'], retention: 'workqueue' })
    await publish('o', ['1', '2'])
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await world.pass(3_000)
    assert.deepEqual(payloads(await stored('S')), ['1', '2'])
    assert.equal((await info('O')).state.messages, 0)
    const { consumers } = await api<{ consumers: string[] }>('CONSUMER.NAMES.O')
    assert.match(consumers[0] ?? '', /^JS_SRC_\w{8}$/)
    await update({ name: 'S', subjects: ['s'] })
    await world.pass(1)
    assert.deepEqual(await api('CONSUMER.NAMES.O').then(({ consumers: left }) => left), [])
  })

  it('store what one of their limits refuses again and again, when there is room', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await publish('o', ['1', '2', '3', '4'])
    await create({
      name: 'S',
      sources: [{ name: 'O' }],
      max_msgs_per_subject: 2,
      discard: 'new',
      discard_new_per_subject: true,
    })
    await world.pass(500)
    assert.deepEqual(payloads(await stored('S')), ['1', '2'])
    await api('STREAM.PURGE.S')
    await world.pass(3_000)
    assert.deepEqual(payloads(await stored('S')), ['3', '4'])
  })

  it('answer flow control once all before it is on disk', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await world.pass(500)
    const answers: number[] = []
    world.port.subscribe('$JS.FC.>', ({ headers }) => {
      answers.push(Number(/Nats-Last-Stream: (\d+)/.exec(Buffer.from(headers).toString())?.[1]))
    })
    world.store.isAuto = false
    for (let i = 0; i < 40; i++) void world.port.send('o', 'x'.repeat(60_000))
    world.store.commit()
    await world.pass(5_000)
    assert.equal((await stored('O')).length, 40)
    assert.deepEqual([(await stored('S')).length, answers.length], [0, 0])
    world.store.isAuto = true
    world.store.commit()
    await world.pass(5_000)
    assert.equal((await stored('S')).length, 40)
    assert.ok(answers.length > 0 && (answers[0] ?? 0) > 15, `answers ${answers}`)
  })

  it('go on from what is on disk when the disk has refused the rest', async () => {
    await create({ name: 'O', subjects: ['o'] })
    await create({ name: 'S', sources: [{ name: 'O' }] })
    await create({ name: 'M', mirror: { name: 'O' } })
    await publish('o', ['1'])
    await world.pass(3_000)
    world.store.isAuto = false
    void world.port.send('o', '2')
    void world.port.send('o', '3')
    world.store.commit()
    await world.pass(1)
    world.store.failCommit()
    assert.deepEqual(payloads(await stored('S')), ['1'])
    world.store.isAuto = true
    await world.pass(3_000)
    await publish('o', ['4'])
    await world.pass(1)
    assert.deepEqual(payloads(await stored('S')), ['1', '2', '3', '4'])
    assert.deepEqual(await stored('M'), await stored('O'))
  })

  it('add up the counters of several origins, over a crash', async () => {
    for (const name of ['a', 'b']) {
      await create({ name, subjects: [`${name}.*`], allow_msg_counter: true, allow_direct: true })
    }
    const sources = ['a', 'b'].map((name) => ({
      name,
      subject_transforms: [{ src: `${name}.*`, dest: 'sum.$1' }],
    }))
    await create({ name: 'S', sources, allow_msg_counter: true, allow_direct: true })
    const count = async (subject: string, by: string): Promise<void> => {
      await world.port.send(subject, '', { headers: { 'Nats-Incr': by } })
    }
    await count('a.x', '+5')
    await count('b.x', '+7')
    await world.pass(500)
    await count('a.x', '+1')
    await world.pass(500)
    await world.crash()
    world.port.hearsOnlyHandlers = true
    await count('b.x', '-2')
    await world.pass(1_000)
    assert.equal((await stored('S')).at(-1)?.payload, '{"val":"11"}')
  })
})
