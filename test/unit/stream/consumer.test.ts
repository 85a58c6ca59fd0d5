import assert from 'node:assert/strict'
import { ACK_ANSWERS_WAITING_MAX } from '../../../shared/stream/consumer/limits.ts'
import type { Published } from '../../support/memory-port.ts'
import { DEADLINE_MS } from '../../support/patience.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Info {
  readonly num_pending: number
  readonly num_ack_pending: number
  readonly num_waiting: number
  readonly ack_floor: { readonly stream_seq: number }
  readonly delivered: { readonly stream_seq: number }
}

describe('Consumer', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], allow_rollup_hdrs: true })
  })

  async function consumer(config: Record<string, unknown> = {}): Promise<void> {
    const full = { durable_name: 'c', ack_policy: 'explicit', ...config }
    const request = { stream_name: 'S', config: full }
    const { error } = await world.port.api('CONSUMER.CREATE.S.c', request)
    assert.equal(error, undefined)
  }

  async function publish(...subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) await world.port.send(subject, 'x')
  }

  /** What a pull brings within 100 ms: sequences, then the status that ends it. */
  async function pull(
    request: object | string,
    inbox = world.port.newInbox(),
  ): Promise<Published[]> {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    await world.port.send('$JS.API.CONSUMER.MSG.NEXT.S.c', text, { reply: inbox })
    await world.pass(100)
    const came = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return came
  }

  const seqOf = ({ reply }: Published): number => Number(reply.split('.')[5])
  const seqs = (came: readonly Published[]): number[] => came.filter((m) => m.reply).map(seqOf)
  const info = (): Promise<Info> => world.port.api<Info>('CONSUMER.INFO.S.c')

  it('shows a message under the subject it was stored with', async () => {
    await consumer()
    await publish('s.a.b')
    const [message] = await pull('1')
    assert.equal(message?.subject, 's.a.b')
    assert.match(message?.reply ?? '', /^\$JS\.ACK\.S\.c\.1\.1\.1\.\d{19}\.0$/)
  })

  it('serves waiting pulls in turn, one message each', async () => {
    await consumer()
    const inboxes = ['i.1', 'i.2', 'i.3']
    for (const inbox of inboxes) await pull({ batch: 2, expires: 60e9 }, inbox)
    await publish('s.a', 's.a', 's.a', 's.a', 's.a')
    await world.pass(0)
    const got = inboxes.map((inbox) => seqs(world.port.inboxes.get(inbox) ?? []))
    assert.deepEqual(got, [[1, 4], [2, 5], [3]])
    assert.equal((await info()).num_waiting, 1)
  })

  it('passes over pulls whose inbox nobody listens to', async () => {
    await consumer()
    await pull({ batch: 1, expires: 60e9 }, 'deaf')
    world.port.deaf.add('deaf')
    const inbox = 'hears'
    await pull({ batch: 1, expires: 60e9 }, inbox)
    await publish('s.a')
    await world.pass(0)
    assert.deepEqual(seqs(world.port.inboxes.get(inbox) ?? []), [1])
  })

  it('stops a pull at its bytes, and ends one that the next message does not fit', async () => {
    await consumer()
    await publish('s.a', 's.a')
    const [first] = await pull({ batch: 5, max_bytes: 1000, expires: 50e6 })
    const size = 's.a'.length + (first?.reply.length ?? 0) + 1
    await publish('s.a', 's.a', 's.a')
    const came = await pull({ batch: 5, max_bytes: size + 5, expires: 60e9 })
    assert.deepEqual(seqs(came), [3])
    assert.match(
      came[1]?.headers ?? '',
      /409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: 4/,
    )
    const exact = await pull({ batch: 5, max_bytes: size, expires: 60e9 })
    assert.deepEqual([seqs(exact), exact.length], [[4], 1])
  })

  it('ends no pull that does not wait while what it is to get is read', async () => {
    await consumer()
    const store = world.engine.stream('S')?.store
    assert.ok(store)
    const read = store.read.bind(store)
    store.read = async (...asked) => {
      const found = await read(...asked)
      await new Promise<void>((resolve) => world.loop.after(200, 'disk', resolve))
      return found
    }
    const short = { batch: 1, expires: 50e6 }
    const expired = pull(short)
    await publish('s.a', 's.a')
    const [first, ...others] = await pull({ batch: 2, no_wait: true }, '_INBOX.hasty')
    assert.deepEqual([first, others], [undefined, []], 'it is read')
    assert.match((await expired)[0]?.headers ?? '', /^NATS\/1\.0 408 /)
    await world.pass(400)
    assert.deepEqual(seqs(world.port.inboxes.get('_INBOX.hasty') ?? []), [1, 2])
  })

  it('ends a pull that does not wait and is held up by acknowledgements at its heartbeat', async () => {
    await consumer({ max_ack_pending: 2 })
    await publish('s.a', 's.a', 's.a')
    const hasty = { batch: 9, no_wait: true, expires: 60e9, idle_heartbeat: 50e6 }
    const came = await pull(hasty)
    assert.deepEqual(seqs(came), [1, 2])
    assert.match(came[2]?.headers ?? '', /^NATS\/1\.0 404 No Messages\r\n/)
    const [first, ...others] = await pull(hasty)
    assert.match(first?.headers ?? '', /^NATS\/1\.0 100 /, 'it has nothing yet')
    assert.deepEqual(seqs(others), [])
  })

  it('does not deliver what was purged or deleted after it was read ahead', async () => {
    await consumer()
    await publish('s.a', 's.b', 's.a', 's.b', 's.c')
    await pull('1')
    await world.port.api('STREAM.MSG.DELETE.S', { seq: 2 })
    await world.port.api('STREAM.PURGE.S', { filter: 's.b' })
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [3, 5])
  })

  it('delivers what a purge kept of what was read ahead', async () => {
    await consumer()
    await publish('s.a', 's.b', 's.b', 's.b', 's.a')
    await pull('1')
    await world.port.api('STREAM.PURGE.S', { filter: 's.b', keep: 1 })
    assert.equal((await info()).num_pending, 2)
    assert.deepEqual(seqs(await pull('1')), [4])
    await world.port.api('STREAM.PURGE.S', { keep: 1 })
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [5])
  })

  it('lets go of pending messages that a purge took', async () => {
    await consumer({ ack_wait: 1e9 })
    await publish('s.a', 's.a', 's.a')
    await pull('2')
    await world.port.api('STREAM.PURGE.S')
    const { num_ack_pending, ack_floor, num_pending } = await info()
    assert.deepEqual([num_ack_pending, num_pending, ack_floor.stream_seq], [0, 0, 2])
    await world.pass(2_000)
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [])
  })

  it('follows its backoff, and tells when a message is given up', async () => {
    await consumer({ max_deliver: 3, backoff: [1e9, 2e9] })
    await publish('s.a')
    await pull('1')
    await world.pass(950)
    assert.deepEqual(seqs(await pull({ batch: 1, no_wait: true })), [1])
    await world.pass(1_500)
    assert.deepEqual(seqs(await pull({ batch: 1, no_wait: true })), [])
    await world.pass(500)
    assert.deepEqual(seqs(await pull({ batch: 1, no_wait: true })), [1])
    await world.pass(2_500)
    const subject = '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.c'
    const [advisory] = world.port.inboxes.get(subject) ?? []
    const facts = JSON.parse(advisory?.payload ?? '{}') as Record<string, unknown>
    assert.deepEqual([facts['stream_seq'], facts['deliveries']], [1, 3])
    assert.equal((await info()).num_ack_pending, 0)
  })

  it('takes the ack and the next pull in one with +NXT', async () => {
    await consumer({ max_ack_pending: 1 })
    await publish('s.a', 's.a')
    const [first] = await pull('1')
    const reply = world.port.newInbox()
    await world.port.send(first?.reply ?? '', '+NXT {"batch": 1}', { reply })
    await world.pass(0)
    assert.deepEqual(seqs(world.port.inboxes.get(reply) ?? []), [2])
    assert.equal((await info()).ack_floor.stream_seq, 1)
  })

  it('answers a double ack only when it is on disk', async () => {
    await consumer()
    await publish('s.a')
    const [first] = await pull('1')
    world.store.isAuto = false
    const reply = world.port.newInbox()
    await world.port.send(first?.reply ?? '', '+ACK', { reply })
    await world.pass(5_000)
    assert.equal(world.port.inboxes.has(reply), false)
    world.store.failCommit()
    await world.pass(5_000)
    assert.equal(world.port.inboxes.has(reply), false, 'a failed write confirms nothing')
    const again = world.port.newInbox()
    await world.port.send(first?.reply ?? '', '+ACK', { reply: again })
    await world.pass(1_000)
    world.store.commit()
    await world.pass(1_000)
    world.store.commit()
    assert.equal(world.port.inboxes.has(again), true)
  })

  it('answers so many double acks that wait, and takes all', async () => {
    await consumer()
    await publish('s.a', 's.b')
    const [first, second] = await pull({ batch: 2, no_wait: true })
    await world.pass(1_000)
    world.store.isAuto = false
    const { port } = world
    // The first one is on its way to the disk, those behind it wait.
    for (let i = 0; i < ACK_ANSWERS_WAITING_MAX + 2; i++) {
      port.send(first?.reply ?? '', '+ACK', { reply: `i.${i}` }).catch(assert.fail)
      if (i === 0) await world.pass(10)
    }
    port.send(second?.reply ?? '', '+ACK', { reply: 'i.last' }).catch(assert.fail)
    world.store.isAuto = true
    world.store.commit()
    await world.pass(1_000)
    const told = [...port.inboxes.keys()].filter((inbox) => inbox.startsWith('i.'))
    assert.equal(told.length, ACK_ANSWERS_WAITING_MAX + 1)
    assert.equal((await info()).num_ack_pending, 0)
  }).timeout(DEADLINE_MS)

  it('starts with the newest of each subject, and goes on with everything after a crash', async () => {
    await publish('s.a', 's.b', 's.a', 's.c')
    await consumer({ deliver_policy: 'last_per_subject', filter_subject: 's.>', ack_wait: 100e9 })
    assert.equal((await info()).num_pending, 3)
    assert.deepEqual(seqs(await pull('1')), [2])
    await world.pass(1_000)
    await publish('s.c')
    await world.crash()
    assert.equal((await info()).num_pending, 3)
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [3, 4, 5])
  })

  it('begins again with all that it has listed, whatever superseded that since', async () => {
    await publish('s.a', 's.b', 's.a', 's.c', 's.x', 's.x')
    await consumer({ deliver_policy: 'last_per_subject', filter_subject: 's.>', ack_wait: 100e9 })
    assert.deepEqual(seqs(await pull({ batch: 2, no_wait: true })), [2, 3])
    await publish('s.a', 's.c')
    const reset = async (): Promise<unknown> => {
      const answer = world.port.api('CONSUMER.RESET.S.c')
      await world.pass(10)
      return (await answer)['reset_seq']
    }
    assert.equal(await reset(), 2)
    assert.equal((await info()).num_pending, 6)
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), [2, 3, 4, 6, 7, 8])
    assert.equal(await reset(), 2)
    const all = [2, 3, 4, 5, 6, 7, 8]
    assert.deepEqual(seqs(await pull({ batch: 9, no_wait: true })), all, 'the list is over')
  })

  it('beats while it has nothing to say, and not after', async () => {
    await consumer()
    const inbox = 'beats'
    await pull({ batch: 1, expires: 1e9, idle_heartbeat: 300e6 }, inbox)
    await world.pass(2_000)
    const statuses = (world.port.inboxes.get(inbox) ?? []).map(({ headers }) =>
      headers.slice(9, 12),
    )
    assert.deepEqual(statuses, ['100', '100', '100', '408'])
  })

  it('reads again by itself after it could not', async () => {
    await publish('s.a')
    await consumer()
    const { store } = world.engine.stream('S')!
    const { read } = store
    store.read = () => Promise.reject(new Error('no handle'))
    await pull({ batch: 1, expires: 30e9 }, 'i')
    store.read = read
    await world.pass(2_000)
    assert.deepEqual(seqs(world.port.inboxes.get('i') ?? []), [1])
  })

  it('goes when nobody uses it, unless it is durable', async () => {
    await consumer()
    const config = { ack_policy: 'none', inactive_threshold: 2e9 }
    const made = await world.port.api('CONSUMER.CREATE.S', { stream_name: 'S', config })
    const name = String(made['name'])
    const names = async (): Promise<unknown> =>
      (await world.port.api('CONSUMER.NAMES.S'))['consumers']
    await world.port.send(
      `$JS.API.CONSUMER.MSG.NEXT.S.${name}`,
      '{"batch":1,"expires":3000000000}',
      {
        reply: 'i',
      },
    )
    await world.pass(4_000)
    assert.deepEqual(await names(), [name, 'c'].sort())
    await world.pass(3_000)
    assert.deepEqual(await names(), ['c'])
  })

  it('delivers to many consumers, each at its own pace', async () => {
    await publish(...Array.from({ length: 600 }, () => 's.a'))
    for (const durable_name of ['fast', 'slow']) {
      const config = { durable_name, ack_policy: 'none' }
      await world.port.api(`CONSUMER.CREATE.S.${durable_name}`, { stream_name: 'S', config })
    }
    await world.port.send('$JS.API.CONSUMER.MSG.NEXT.S.slow', '2', { reply: 'slow' })
    await world.port.send('$JS.API.CONSUMER.MSG.NEXT.S.fast', '600', { reply: 'fast' })
    await world.pass(10)
    assert.deepEqual(seqs(world.port.inboxes.get('slow') ?? []), [1, 2])
    const fast = seqs(world.port.inboxes.get('fast') ?? [])
    assert.deepEqual(
      fast,
      Array.from({ length: 600 }, (_, i) => i + 1),
    )
  })

  it('writes its state a bounded number of times, however many acks there are', async () => {
    await consumer()
    await publish(...Array.from({ length: 500 }, () => 's.a'))
    const { commits } = world.store
    for (const { reply } of await pull('500')) await world.port.send(reply, '+ACK')
    await world.pass(1_000)
    assert.ok(world.store.commits - commits < 10, `${world.store.commits - commits} commits`)
    assert.equal((await info()).ack_floor.stream_seq, 500)
  })
})
