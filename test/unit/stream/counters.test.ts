import assert from 'node:assert/strict'
import { Counters, parseIncrement } from '../../../shared/stream/publish/counters.ts'
import { IngestLine } from '../../../shared/stream/publish/ingest-line.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Ack {
  readonly seq: number
  readonly val?: string
  readonly error?: { readonly err_code: number }
}

describe('counters', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], allow_msg_counter: true })
  })

  async function add(subject: string, value: string): Promise<Ack> {
    const reply = world.port.newInbox()
    const answer = world.port.next(reply)
    world.port.send(subject, '', { reply, headers: { 'Nats-Incr': value } }).catch(assert.fail)
    return JSON.parse((await answer).payload) as Ack
  }

  function append(subject: string, payload: string, headers = ''): void {
    const on = { text: subject, bytes: Buffer.from(subject) }
    world.engine.stream('S')!.append(on, Buffer.from(headers), Buffer.from(payload))
  }

  it('see what is staged, and count again when its commit fails', async () => {
    world.store.isAuto = false
    const acks = [add('s.a', '1'), add('s.a', '2'), add('s.b', '5')]
    world.store.commit()
    const values = (await Promise.all(acks)).map(({ val }) => val)
    assert.deepEqual(values, ['1', '3', '5'])
    const failing = [add('s.a', '10'), add('s.a', '10')]
    world.store.failCommit()
    for (const { error } of await Promise.all(failing)) assert.equal(error?.err_code, 10023)
    world.store.isAuto = true
    assert.equal((await add('s.a', '4')).val, '7')
  })

  it('read the total of a subject once, and keep the order of all that wait for it', async () => {
    for (const subject of ['s.a', 's.b']) await add(subject, '100')
    await world.crash()
    const acks = await Promise.all(['s.a', 's.b', 's.a', 's.c', 's.a'].map((on) => add(on, '1')))
    assert.deepEqual(
      acks.map(({ seq, val }) => [seq, val]),
      [
        [3, '101'],
        [4, '101'],
        [5, '102'],
        [6, '1'],
        [7, '103'],
      ],
    )
  })

  it('refuse to count on what is no counter', async () => {
    for (const [i, payload] of ['', 'x', '5', '[]', '{"val":5}'].entries()) {
      append(`s.${i}`, payload)
      assert.equal((await add(`s.${i}`, '1')).error?.err_code, 10172, payload)
    }
    append('s.sources', '{"val":"1"}', 'NATS/1.0\r\nNats-Counter-Sources: []\r\n\r\n')
    assert.equal((await add('s.sources', '1')).error?.err_code, 10172)
    for (const [i, payload] of ['{}', 'null', '{"val":null}', '{"val":"x"}'].entries()) {
      append(`s.none.${i}`, payload)
      assert.equal((await add(`s.none.${i}`, '1')).val, '1', payload)
    }
  })

  it('let no more wait in line than there is room for', async () => {
    let ready = (): void => {}
    const isReady = new Promise<void>((resolve) => {
      ready = resolve
    })
    const served: string[] = []
    const line = new IngestLine(
      () => isReady,
      ({ message }) => served.push(message.subject),
    )
    const waiting = { reply: '', committed: undefined }
    const message = (subject: string) => ({
      subject,
      subjectBytes: Buffer.from(subject),
      headers: new Uint8Array(0),
      payload: new Uint8Array(0),
    })
    for (let i = 0; i < 10_000; i++) line.add(message(`s.${i}`), waiting)
    assert.throws(() => line.add(message('s.more'), waiting), { errCode: 10167 })
    assert.equal(line.isEmpty, false)
    ready()
    while (!line.isEmpty) await Promise.resolve()
    assert.deepEqual(
      served,
      Array.from({ length: 10_000 }, (_, i) => `s.${i}`),
    )
    line.add(message('s.again'), waiting)
    while (!line.isEmpty) await Promise.resolve()
    assert.equal(served.at(-1), 's.again')
  })

  it('take what came from another stream by how much it grew', () => {
    const counters = new Counters()
    const headers = Buffer.from('NATS/1.0\r\nNats-Incr: 3\r\n\r\n')
    const from = (total: string) => ({ headers, payload: Buffer.from(`{"val":"${total}"}`) })
    const first = counters.countSourced('s', 0, from('10'), 'O 1 > > o')
    counters.staged('s', 1, first)
    const repeated = counters.countSourced('s', 1, from('10'), 'O 1 > > o')
    assert.equal(repeated.value, '10')
    const second = counters.countSourced('s', 1, from('13'), 'O 2 > > o')
    assert.equal(second.value, '13')
    assert.match(Buffer.from(second.headers).toString(), /Nats-Incr: 3\r\n/)
    counters.staged('s', 2, second)
    const other = counters.countSourced('s', 2, from('5'), 'P 1 > > p')
    assert.equal(other.value, '18')
    const sources = /Nats-Counter-Sources: (.*)\r\n/.exec(
      Buffer.from(other.headers).toString(),
    )?.[1]
    assert.deepEqual(JSON.parse(sources ?? ''), { O: { o: '13' }, P: { p: '5' } })
    const hostile = counters.countSourced('s', 2, from('1'), '__proto__ 1 > > __proto__')
    counters.staged('s', 3, hostile)
    assert.equal(({} as Record<string, unknown>)['__proto__ 1'], undefined)
    assert.equal(counters.count('s', 3, headers, 1n).value, '15')
  })

  it('are any number of digits', () => {
    assert.equal(parseIncrement('-12'), -12n)
    assert.equal(parseIncrement('+0012'), 12n)
    for (const text of ['', '+', '-', '1.0', '0x1', '1_0', ' 1', '1n', '--1']) {
      assert.equal(parseIncrement(text), undefined, text)
    }
  })
})
