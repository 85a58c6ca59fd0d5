/** What consumers have read ahead of a stream, and what leaves it meanwhile. */
import assert from 'node:assert/strict'
import type { Published } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Info {
  readonly num_pending: number
  readonly num_ack_pending: number
}

describe('what consumers have read ahead', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
  })

  async function begin(
    config: Record<string, unknown>,
    consumer: Record<string, unknown> = {},
  ): Promise<void> {
    await world.engine.ensure({ name: 'S', subjects: ['s.>'], ...config })
    const full = { durable_name: 'c', ack_policy: 'explicit', ...consumer }
    const { error } = await world.port.api('CONSUMER.CREATE.S.c', {
      stream_name: 'S',
      config: full,
    })
    assert.equal(error, undefined)
  }

  const publish = (subject: string, headers: Record<string, string> = {}) =>
    world.port.send(subject, 'x', { headers })

  async function publishAll(...subjects: readonly string[]): Promise<void> {
    for (const subject of subjects) await publish(subject)
  }

  async function pull(batch: number): Promise<Published[]> {
    const inbox = world.port.newInbox()
    const request = JSON.stringify({ batch, no_wait: true })
    await world.port.send('$JS.API.CONSUMER.MSG.NEXT.S.c', request, { reply: inbox })
    await world.pass(10)
    const came = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return came.filter(({ reply }) => reply !== '')
  }

  const seqOf = ({ reply }: Published): number => Number(reply.split('.')[5])
  const seqs = (came: readonly Published[]): number[] => came.map(seqOf)
  const info = (): Promise<Info> => world.port.api<Info>('CONSUMER.INFO.S.c')

  const SHORT = { 'Nats-TTL': '1s' }

  it('comes without what has expired, and with all that lies between', async () => {
    await begin({ allow_msg_ttl: true })
    for (let seq = 1; seq <= 10; seq++) await publish('s.a', seq === 2 || seq === 9 ? SHORT : {})
    assert.deepEqual(seqs(await pull(1)), [1])
    await world.pass(3_000)
    assert.equal((await info()).num_pending, 7)
    assert.deepEqual(seqs(await pull(20)), [3, 4, 5, 6, 7, 8, 10])
  })

  it('is what a work queue keeps over a restart', async () => {
    await begin({ allow_msg_ttl: true, retention: 'workqueue' })
    for (let seq = 1; seq <= 10; seq++) await publish('s.a', seq === 2 || seq === 9 ? SHORT : {})
    const [first] = await pull(1)
    await world.port.send(first!.reply, '+ACK')
    await world.pass(3_000)
    const [third] = await pull(1)
    assert.equal(seqOf(third!), 3)
    await world.port.send(third!.reply, '+ACK')
    await world.pass(1_000)
    await world.crash()
    await world.pass(1_000)
    assert.equal(world.engine.stream('S')!.store.state.messages, 6)
    assert.deepEqual(seqs(await pull(20)), [4, 5, 6, 7, 8, 10])
  })

  it('comes without what a limit has taken', async () => {
    await begin({ max_msgs: 6 })
    await publishAll('s.1', 's.2', 's.3', 's.4', 's.5', 's.6')
    assert.deepEqual(seqs(await pull(1)), [1])
    await publishAll('s.7', 's.8', 's.9')
    assert.equal((await info()).num_pending, 6)
    assert.deepEqual(seqs(await pull(9)), [4, 5, 6, 7, 8, 9])
  })

  it('comes without values that were replaced', async () => {
    await begin({ max_msgs_per_subject: 1 })
    await publishAll('s.1', 's.2', 's.3', 's.4')
    assert.deepEqual(seqs(await pull(1)), [1])
    await publishAll('s.2', 's.4')
    assert.equal((await info()).num_pending, 3)
    const came = await pull(9)
    assert.deepEqual(seqs(came), [3, 5, 6])
    assert.deepEqual(
      came.map(({ reply }) => Number(reply.split('.')[8])),
      [2, 1, 0],
    )
  })

  it('comes without what a roll-up has taken', async () => {
    await begin({ allow_rollup_hdrs: true })
    await publishAll('s.1', 's.2', 's.1', 's.3')
    assert.deepEqual(seqs(await pull(1)), [1])
    await publish('s.1', { 'Nats-Rollup': 'sub' })
    assert.deepEqual(seqs(await pull(9)), [2, 4, 5])
  })
})
