import assert from 'node:assert/strict'
import { NO_BYTES, withHeaders } from '../../../../shared/stream/headers.ts'
import {
  ARCHIVE_END,
  ARCHIVE_MAGIC,
  encodeEntry,
} from '../../../../shared/stream/snapshot/archive.ts'
import { s2Begin, s2Frames } from '../../../../shared/stream/snapshot/s2-frames.ts'
import { parseSourceHeader } from '../../../../shared/stream/sourcing/source-index.ts'
import { StreamWorld } from '../../../support/stream-world.ts'

interface Named {
  readonly name: string
  readonly [key: string]: unknown
}

/** A stream that is restored goes on with its sources and its origin where the backup left them. */
describe('restored sources and mirrors', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start(1, { serverVersion: '2.15.0' })
    world.port.hearsOnlyHandlers = true
    await create({ name: 'O', subjects: ['o.*'] })
    await create({ name: 'P', subjects: ['p.*'] })
  })

  it('take nothing again that the stream had and lost, and miss nothing that came meanwhile', async () => {
    const config = {
      name: 'S',
      sources: [{ name: 'O', filter_subject: 'o.a' }, { name: 'P' }],
      max_msgs_per_subject: 2,
    }
    await create(config)
    await send('o.a', 5)
    await send('o.b', 3)
    await send('p.x', 4)
    await world.pass(3_000)
    assert.equal(world.engine.stream('S')?.store.state.lastSeq, 9)
    // The newest of one source is gone: what its messages say is not how far it got.
    await request('STREAM.PURGE.S', { filter: 'o.a' })
    const bytes = await backup('S')
    // The origin's end goes on: it delivered more to the stream than the backup holds.
    await send('o.a', 2, 'later ')
    await world.pass(2_000)
    await request('STREAM.DELETE.S')
    await send('p.x', 1, 'later ')
    await restore(config, bytes)
    await world.pass(5_000)
    assert.deepEqual(
      await stored('S'),
      ['p.x 4', 'o.a later 1', 'o.a later 2', 'p.x later 1'].sort(),
    )
    await send('o.a', 1, 'last ')
    await world.pass(1_000)
    assert.equal((await stored('S')).filter((it) => it === 'o.a last 1').length, 1)
    await world.crash()
    world.port.hearsOnlyHandlers = true
    await world.pass(5_000)
    assert.equal(world.engine.stream('S')?.store.state.lastSeq, 13)
  })

  it('of a backup that does not say it go on behind the newest message of each', async () => {
    const identity = 'someone'
    for (const header of [
      'O 3 > > o.a',
      `O 3 > > o.a ${identity}`,
      'O 3',
      '$JS.ACK.O.c.1.3.1.1.0',
    ]) {
      await send('o.a', 5)
      const config = { name: 'S', sources: [{ name: 'O' }] }
      const entry = (seq: number, value: string) => ({
        ...ARCHIVE_END,
        name: 'o.a',
        seq,
        timeNs: BigInt(world.wallMs) * 1_000_000n,
        headers: withHeaders(NO_BYTES, [['Nats-Stream-Source', value]]),
        payload: Buffer.from('from the backup'),
      })
      const state = { ...ARCHIVE_END, name: 'state.json', timeNs: 1n }
      const entries = [
        { ...state, payload: Buffer.from(JSON.stringify({ first_seq: 7, last_seq: 8 })) },
        entry(7, 'O 2 > > o.a'),
        entry(8, header),
        ARCHIVE_END,
      ]
      const body = Buffer.concat([Buffer.from(ARCHIVE_MAGIC), ...entries.map(encodeEntry)])
      await restore(config, Buffer.concat([s2Begin(), s2Frames(body)]))
      await world.pass(5_000)
      const isForeign = header.endsWith(identity)
      // An origin of another identity is another stream, which is taken from its beginning.
      const taken = isForeign ? [1, 2, 3, 4, 5] : [4, 5]
      assert.deepEqual(
        await stored('S'),
        ['o.a from the backup', 'o.a from the backup', ...taken.map((i) => `o.a ${i}`)].sort(),
        header,
      )
      await request('STREAM.DELETE.S')
      await request('STREAM.DELETE.O')
      await create({ name: 'O', subjects: ['o.*'] })
    }
  })

  it('believe no backup that says what cannot be', () => {
    for (const text of [
      '',
      'O',
      'O x > >',
      'O 0',
      'O 1 >',
      '$JS.ACK.O',
      '$JS.ACK.a.b.c.d.e.f.g.h',
      'O -1 > >',
    ]) {
      assert.equal(parseSourceHeader(text), undefined, text)
    }
    assert.deepEqual(parseSourceHeader('$JS.ACK.hub.acc.O.c.1.30.1.1.0.tok'), {
      origin: 'O',
      name: undefined,
      seq: 30,
      identity: '',
    })
  })

  it('of a mirror take what came since, with the sequences of the origin', async () => {
    await send('o.a', 4)
    const config = { name: 'M', mirror: { name: 'O' } }
    await create(config)
    await world.pass(2_000)
    const bytes = await backup('M')
    await send('o.a', 2, 'later ')
    await world.pass(1_000)
    await request('STREAM.DELETE.M')
    await restore(config, bytes)
    await world.pass(5_000)
    const { messages, lastSeq } = world.engine.stream('M')!.store.state
    assert.deepEqual([messages, lastSeq], [6, 6])
  })

  async function request<Answer>(subject: string, body: object | string = ''): Promise<Answer> {
    const answer = world.port.api<Answer & { error?: object }>(subject, body)
    await world.pass(1)
    const { error } = await answer
    assert.equal(error, undefined)
    return answer
  }

  function create(config: Named): Promise<unknown> {
    return request(`STREAM.CREATE.${config.name}`, config)
  }

  async function send(subject: string, count: number, text = ''): Promise<void> {
    for (let i = 1; i <= count; i++) await world.port.send(subject, `${text}${i}`)
  }

  async function stored(name: string): Promise<string[]> {
    const { store } = world.engine.stream(name)!
    const { messages } = await store.read({ fromSeq: 1, messagesMax: 1_000, bytesMax: 1e9 })
    return messages
      .map(({ subject, payload }) => `${subject} ${Buffer.from(payload).toString()}`)
      .filter((line) => !/^p\.x [1-3]$/.test(line))
      .sort()
  }

  async function backup(name: string): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    const stop = world.port.subscribe('backup', ({ payload }) => void pieces.push(payload))
    await request(`STREAM.SNAPSHOT.${name}`, { deliver_subject: 'backup' })
    await world.pass(100)
    stop()
    return Buffer.concat(pieces)
  }

  async function restore(config: Named, bytes: Buffer): Promise<void> {
    const asked = { config, state: {} }
    const subject = `STREAM.RESTORE.${config.name}`
    const { deliver_subject } = await request<{ deliver_subject: string }>(subject, asked)
    for (const piece of [bytes, NO_BYTES]) {
      const reply = world.port.newInbox()
      const answered = world.port.next(reply)
      world.port.publish(deliver_subject, reply, NO_BYTES, piece)
      await world.pass(50)
      assert.doesNotMatch((await answered).payload, /err_code/)
    }
  }
})
