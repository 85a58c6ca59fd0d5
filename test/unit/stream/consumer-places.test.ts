import assert from 'node:assert/strict'
import type { Published } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Place {
  readonly consumer_seq: number
  readonly stream_seq: number
}

interface Info {
  readonly num_pending: number
  readonly num_waiting: number
  readonly ack_floor: Place
  readonly delivered: Place
}

/** Where a consumer is, and how much it has before it: as nats-server says it. */
describe('the places of a consumer', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  async function begin(consumer: object, stream: object = {}): Promise<void> {
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], ...stream })
    const config = { durable_name: 'c', ack_policy: 'explicit', ...consumer }
    const request = { stream_name: 'S', config }
    const { error } = await world.port.api('CONSUMER.CREATE.S.c', request)
    assert.equal(error, undefined)
  }

  async function publish(...subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) await world.port.send(subject, 'payload')
    await world.pass(1)
  }

  async function pull(request: object, inbox = world.port.newInbox()): Promise<Published[]> {
    const subject = '$JS.API.CONSUMER.MSG.NEXT.S.c'
    await world.port.send(subject, JSON.stringify(request), { reply: inbox })
    await world.pass(1)
    return taken(inbox)
  }

  function taken(inbox: string): Published[] {
    const came = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return came
  }

  const seqs = (came: readonly Published[]): number[] =>
    came.filter(({ reply }) => reply !== '').map(({ reply }) => Number(reply.split('.')[5]))
  const statuses = (came: readonly Published[]): string[] =>
    came.filter(({ reply }) => reply === '').map(({ headers }) => headers.split('\r\n')[0] ?? '')
  /** Answered once its state is written, which takes its time. */
  async function reset(request: object | string = ''): Promise<number> {
    const answer = world.port.api<{ reset_seq: number }>('CONSUMER.RESET.S.c', request)
    await world.pass(1_000)
    return (await answer).reset_seq
  }

  const info = (): Promise<Info> => world.port.api<Info>('CONSUMER.INFO.S.c')

  it('are those of the last message that it delivered, not of what does not match behind it', async () => {
    await begin({ filter_subject: 's.a' })
    await publish('s.a', 's.b', 's.b')
    assert.deepEqual(seqs(await pull({ batch: 5, no_wait: true })), [1])
    assert.deepEqual((await info()).delivered.stream_seq, 1)
    await publish('s.a')
    assert.deepEqual(seqs(await pull({ batch: 5, no_wait: true })), [4])
    assert.deepEqual((await info()).delivered.stream_seq, 4)
  })

  it('may begin with a message that is still to come', async () => {
    await begin({ deliver_policy: 'by_start_sequence', opt_start_seq: 4 })
    await publish('s.a', 's.b', 's.c')
    assert.deepEqual([(await info()).num_pending, (await info()).delivered.stream_seq], [0, 3])
    await publish('s.d', 's.e')
    assert.equal((await info()).num_pending, 2)
    await world.crash()
    assert.equal((await info()).num_pending, 2)
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [4, 5])
  })

  it('may begin with a message that never comes', async () => {
    await begin({ deliver_policy: 'by_start_sequence', opt_start_seq: 2 ** 60 })
    await publish('s.a')
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [])
    assert.equal((await info()).delivered.stream_seq, 2 ** 52 - 1)
    assert.equal(await reset({ seq: 2 ** 61 }), 2 ** 61)
    await world.crash()
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [])
    assert.equal((await info()).delivered.stream_seq, 2 ** 52 - 1)
  })

  it('go back to the floor that is told of', async () => {
    await begin({ filter_subject: 's.a', ack_policy: 'none' })
    await publish('s.a', 's.b')
    await pull({ batch: 5, no_wait: true })
    assert.equal(await reset(), 2)
  })

  it('let go of what nobody wants any more, when a stream keeps messages for its consumers', async () => {
    await begin({}, { retention: 'interest' })
    await publish('s.a', 's.b', 's.c')
    await reset({ seq: 3 })
    const { state } = await world.port.api<{ state: { messages: number } }>('STREAM.INFO.S')
    assert.equal(state.messages, 1)
    assert.deepEqual(seqs(await pull({ batch: 5, no_wait: true })), [3])
  })

  it('are counted from exactly, however soon after a removal', async () => {
    await begin({ filter_subject: 's.a' })
    await publish('s.a', 's.a', 's.a', 's.a', 's.b', 's.b', 's.b', 's.b')
    const counts: number[] = []
    for (const seq of [2, 3, 4]) {
      await world.port.api('STREAM.MSG.DELETE.S', { seq })
      counts.push((await info()).num_pending)
    }
    assert.deepEqual(counts, [3, 2, 1])
  })

  it('are counted from exactly in a list of last messages, too', async () => {
    await world.engine.ensure({ name: 'S', subjects: ['s.>'] })
    await publish('s.a', 's.b', 's.c', 's.d')
    await begin({ deliver_policy: 'last_per_subject', filter_subject: 's.>' })
    const counts: number[] = []
    for (const seq of [2, 3, 4]) {
      await world.port.api('STREAM.MSG.DELETE.S', { seq })
      counts.push((await info()).num_pending)
    }
    assert.deepEqual(counts, [3, 2, 1])
  })

  it('are waited at by those only who listen', async () => {
    await begin({})
    await pull({ batch: 1, expires: 60e9 }, 'deaf')
    await pull({ batch: 1, expires: 60e9 }, 'hears')
    assert.equal((await info()).num_waiting, 2)
    world.port.deaf.add('deaf')
    assert.equal((await info()).num_waiting, 1)
  })

  it('count the header that stands for a payload against max_bytes', async () => {
    await begin({ headers_only: true })
    await publish('s.a')
    const [message, status] = await pull({ batch: 2, max_bytes: 1_000, expires: 5e6 })
    await world.pass(10)
    assert.ok(message !== undefined && status === undefined)
    const size = message.subject.length + message.reply.length + message.headers.length
    await reset({ seq: 1 })
    const small = await pull({ batch: 1, max_bytes: size - 1, expires: 5e6 })
    assert.match(statuses(small)[0] ?? '', /^NATS\/1\.0 409 Message Size Exceeds MaxBytes/)
    assert.deepEqual(seqs(await pull({ batch: 1, max_bytes: size, no_wait: true })), [1])
  })

  it('end who would not wait, and waits for acknowledgements, with the next that expires', async () => {
    await begin({ max_ack_pending: 1 })
    await publish('s.a', 's.b')
    const inbox = world.port.newInbox()
    assert.deepEqual(seqs(await pull({ batch: 2, no_wait: true }, inbox)), [1])
    await pull({ batch: 1, expires: 5e6 })
    await world.pass(10)
    assert.match(statuses(taken(inbox))[0] ?? '', /^NATS\/1\.0 404 No Messages/)
  })
})
