import assert from 'node:assert/strict'
import { StreamWorld } from '../../support/stream-world.ts'

interface Ack {
  readonly seq: number
  readonly error?: { readonly err_code: number }
}

describe('retention for consumers', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  async function stream(retention: string, config: Record<string, unknown> = {}): Promise<void> {
    await world.port.api('STREAM.CREATE.S', {
      name: 'S',
      subjects: ['s.>'],
      retention,
      ...config,
    })
  }

  async function consumer(name: string, config: Record<string, unknown> = {}): Promise<void> {
    const { error } = await world.port.api(`CONSUMER.CREATE.S.${name}`, {
      stream_name: 'S',
      config: { durable_name: name, ack_policy: 'explicit', ...config },
    })
    assert.equal(error, undefined)
  }

  async function publish(...subjects: readonly string[]): Promise<number[]> {
    const seqs: number[] = []
    for (const subject of subjects) {
      const { payload } = await world.port.request(subject, 'x')
      seqs.push((JSON.parse(payload) as Ack).seq)
    }
    return seqs
  }

  /** The replies of what a pull brings. */
  async function pull(name: string, batch = 100): Promise<string[]> {
    const inbox = world.port.newInbox()
    const request = JSON.stringify({ batch, no_wait: true })
    await world.port.send(`$JS.API.CONSUMER.MSG.NEXT.S.${name}`, request, { reply: inbox })
    await world.pass(10)
    return (world.port.inboxes.get(inbox) ?? []).map(({ reply }) => reply).filter(Boolean)
  }

  const ack = async (reply: string, text = '+ACK'): Promise<void> => {
    await world.port.send(reply, text)
  }

  async function ackAll(name: string): Promise<void> {
    for (const reply of await pull(name)) await ack(reply)
  }

  const there = (): number[] => {
    const store = world.engine.stream('S')?.store
    return Array.from({ length: 50 }, (_, i) => i + 1).filter((seq) => store?.has(seq))
  }

  describe('workqueue', () => {
    it('removes what is acknowledged or ended, and nothing else', async () => {
      await stream('workqueue')
      await publish('s.a', 's.a', 's.a', 's.a')
      await consumer('c')
      const [first = '', second = '', third = ''] = await pull('c')
      await ack(first)
      await ack(second, '+TERM no')
      await ack(third, '-NAK {"delay": 1000000000}')
      await ack(third, '+WPI')
      assert.deepEqual(there(), [3, 4])
    })

    for (const [when, afterMs] of [
      ['before', 1_100],
      ['after', 3_000],
    ] as const) {
      it(`keeps what was delivered too often, until it is handled: a crash ${when} that is on disk`, () =>
        keepsExhausted(afterMs))
    }

    async function keepsExhausted(afterMs: number): Promise<void> {
      await stream('workqueue')
      await publish('s.a', 's.a')
      await consumer('c', { max_deliver: 1, ack_wait: 1e9 })
      const [first = ''] = await pull('c', 1)
      await world.pass(afterMs)
      const info = await world.port.api('CONSUMER.INFO.S.c')
      assert.equal(info['num_ack_pending'], 0)
      assert.deepEqual(there(), [1, 2])
      await world.crash()
      await world.pass(10)
      assert.deepEqual(there(), [1, 2])
      await ack(first)
      assert.deepEqual(there(), [2])
    }

    it('gives each part of a queue to one consumer', async () => {
      await stream('workqueue')
      await consumer('a', { filter_subject: 's.a' })
      await consumer('b', { filter_subject: 's.b' })
      await publish('s.a', 's.b', 's.c')
      await ackAll('a')
      assert.deepEqual(there(), [2, 3])
      await ackAll('b')
      assert.deepEqual(there(), [3])
    })

    it('makes room for a publisher that is refused when it is full', async () => {
      await stream('workqueue', { max_msgs: 2, discard: 'new' })
      await consumer('c')
      await publish('s.a', 's.a')
      const { payload } = await world.port.request('s.a', 'x')
      assert.equal((JSON.parse(payload) as Ack).error?.err_code, 10077)
      await ackAll('c')
      assert.deepEqual(await publish('s.a'), [3])
    })

    it('removes after a crash what was acknowledged, and only that', async () => {
      await stream('workqueue')
      await consumer('c')
      await publish('s.a', 's.a', 's.a')
      const store = world.engine.stream('S')?.store
      // As if the process had ended between the consumer's state and the removal.
      if (store !== undefined) store.removeLazily = () => true
      const [first = '', , third = ''] = await pull('c')
      await ack(first)
      await ack(third)
      await world.pass(500)
      assert.deepEqual(there(), [1, 2, 3])
      await world.crash()
      await world.pass(10)
      assert.deepEqual(there(), [2])
    })

    it('does not take for acknowledged what a new filter has passed over', async () => {
      await stream('workqueue')
      await consumer('c', { filter_subject: 's.a' })
      await publish('s.a', 's.b', 's.a')
      await ackAll('c')
      await consumer('c', { filter_subject: 's.b' })
      await world.crash()
      await world.pass(10)
      assert.deepEqual(there(), [2])
    })
  })

  describe('interest', () => {
    it('gives a sequence to what nobody wants, and stores it not', async () => {
      await stream('interest')
      assert.deepEqual(await publish('s.a', 's.b'), [1, 2])
      await consumer('a', { filter_subject: 's.a' })
      assert.deepEqual(await publish('s.b', 's.a', 's.b'), [3, 4, 5])
      assert.deepEqual(there(), [4])
      const { state } = (await world.port.api('STREAM.INFO.S')) as unknown as {
        state: { first_seq: number; last_seq: number; messages: number }
      }
      assert.deepEqual([state.first_seq, state.last_seq, state.messages], [4, 5, 1])
    })

    it('remembers the id of what it did not store', async () => {
      await stream('interest')
      const headers = { 'Nats-Msg-Id': 'one' }
      const first = JSON.parse((await world.port.request('s.a', 'x', headers)).payload)
      const again = JSON.parse((await world.port.request('s.a', 'x', headers)).payload)
      assert.deepEqual([first.seq, again.seq, again.duplicate], [1, 1, true])
    })

    it('keeps a message until all who match it are done with it', async () => {
      await stream('interest')
      await consumer('a', { filter_subject: 's.a' })
      await consumer('all')
      await publish('s.a', 's.b')
      await ackAll('all')
      assert.deepEqual(there(), [1])
      await ackAll('a')
      assert.deepEqual(there(), [])
    })

    it('lets an acknowledgement of all take what lies below', async () => {
      await stream('interest')
      await consumer('c', { ack_policy: 'all' })
      await publish('s.a', 's.a', 's.a')
      const [, second = ''] = await pull('c')
      await ack(second)
      assert.deepEqual(there(), [3])
    })

    it('removes what is delivered where nothing is acknowledged', async () => {
      await stream('interest')
      await consumer('c', { ack_policy: 'none' })
      await publish('s.a', 's.a')
      assert.equal((await pull('c', 1)).length, 1)
      assert.deepEqual(there(), [2])
    })

    it('drops what a consumer that goes was the last to want', async () => {
      await stream('interest')
      await consumer('a', { filter_subject: 's.a' })
      await consumer('b', { filter_subject: 's.b' })
      await publish('s.a', 's.b', 's.a')
      await world.port.api('CONSUMER.DELETE.S.a')
      await world.pass(10)
      assert.deepEqual(there(), [2])
      await world.port.api('CONSUMER.DELETE.S.b')
      await world.pass(10)
      assert.deepEqual(there(), [])
      assert.equal(world.engine.stream('S')?.store.states.get('interest/sweep'), undefined)
    })

    it('drops what a new filter leaves without interest', async () => {
      await stream('interest')
      await consumer('c', { filter_subject: 's.a' })
      await publish('s.a')
      await consumer('c', { filter_subject: 's.b' })
      await world.pass(10)
      assert.deepEqual(there(), [])
      assert.deepEqual(await publish('s.b'), [2])
      assert.deepEqual(there(), [2])
    })

    it('goes on after a crash with what was left to sweep', async () => {
      await stream('interest')
      await consumer('a', { filter_subject: 's.a' })
      await consumer('b', { filter_subject: 's.b' })
      await publish('s.a', 's.b', 's.a')
      const store = world.engine.stream('S')?.store
      if (store !== undefined) store.firstSeqMatching = () => assert.fail('the process ended here')
      await world.port.api('CONSUMER.DELETE.S.a')
      await world.crash()
      await world.pass(10)
      assert.deepEqual(there(), [2])
    })

    it('comes to the end of a long sweep, whatever begins meanwhile', async () => {
      await stream('interest')
      await consumer('a', { filter_subject: 's.a' })
      await consumer('b', { filter_subject: 's.b' })
      const appended = world.engine.stream('S')
      const subject = { text: 's.a', bytes: Buffer.from('s.a') }
      for (let i = 0; i < 5_000; i++) appended?.append(subject, new Uint8Array(), new Uint8Array())
      await world.pass(0)
      const deleted = world.port.api('CONSUMER.DELETE.S.a')
      await deleted
      await appended?.consumers.retentionChanged()
      await world.pass(100)
      assert.equal(appended?.store.state.messages, 0)
    })

    it('drops after a restart what only a consumer without a state on disk wanted', async () => {
      await stream('interest')
      await consumer('memory', { mem_storage: true, filter_subject: 's.a' })
      await consumer('c', { filter_subject: 's.b' })
      await publish('s.a', 's.b')
      await consumer('c', { filter_subject: 's.b', description: 'new' })
      await world.crash()
      await world.pass(10)
      assert.deepEqual(there(), [2])
    })

    it('drops everything, when it comes to be so, where nobody is', async () => {
      await stream('limits')
      await publish('s.a', 's.b', 's.a')
      const config = { name: 'S', subjects: ['s.>'], retention: 'interest' }
      const answer = await world.port.api('STREAM.UPDATE.S', config)
      const { messages, first_seq } = answer['state'] as { messages: number; first_seq: number }
      assert.deepEqual([answer.error, messages, first_seq], [undefined, 0, 4])
    })

    it('keeps, when it comes to be so, what is not acknowledged', async () => {
      await stream('limits')
      await consumer('a', { filter_subject: 's.a' })
      await publish('s.a', 's.a', 's.b')
      const [first = ''] = await pull('a', 1)
      await ack(first)
      const config = { name: 'S', subjects: ['s.>'], retention: 'interest' }
      const { error } = await world.port.api('STREAM.UPDATE.S', config)
      assert.equal(error, undefined)
      await world.pass(10)
      assert.deepEqual(there(), [2, 3])
      await ackAll('a')
      assert.deepEqual(there(), [3])
      await world.port.api('STREAM.UPDATE.S', { ...config, retention: 'limits' })
      await publish('s.c')
      assert.deepEqual(there(), [3, 4])
    })
  })
})
