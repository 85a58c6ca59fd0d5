import assert from 'node:assert/strict'
import type { Published } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

interface Info {
  readonly num_waiting: number
  readonly paused?: boolean
  readonly pause_remaining?: number
  readonly priority_groups?: readonly { readonly pinned_client_id?: string }[]
}

describe('priority groups and pauses', () => {
  let world: StreamWorld

  beforeEach(async () => {
    world = await StreamWorld.start()
    await world.engine.ensure({ name: 'S', subjects: ['s.>'] })
  })

  async function consumer(config: Record<string, unknown>): Promise<void> {
    const full = { durable_name: 'c', ack_policy: 'explicit', priority_groups: ['g'], ...config }
    const { error } = await world.port.api('CONSUMER.CREATE.S.c', {
      stream_name: 'S',
      config: full,
    })
    assert.equal(error, undefined)
  }

  async function publish(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await world.port.send('s.a', 'x')
    await world.pass(1)
  }

  async function ask(inbox: string, request: object): Promise<void> {
    const full = { batch: 1, expires: 600e9, group: 'g', ...request }
    const subject = '$JS.API.CONSUMER.MSG.NEXT.S.c'
    await world.port.send(subject, JSON.stringify(full), { reply: inbox })
    await world.pass(1)
  }

  function taken(inbox: string): readonly Published[] {
    const came = world.port.inboxes.get(inbox) ?? []
    world.port.inboxes.delete(inbox)
    return came
  }

  const seqs = (inbox: string): number[] =>
    taken(inbox)
      .filter(({ reply }) => reply !== '')
      .map(({ reply }) => Number(reply.split('.')[5]))
  const info = (): Promise<Info> => world.port.api<Info>('CONSUMER.INFO.S.c')
  const pinOf = ({ headers }: Published): string => /Nats-Pin-Id: (.*)\r/.exec(headers)?.[1] ?? ''

  describe('overflow', () => {
    beforeEach(() => consumer({ priority_policy: 'overflow' }))

    it('serves who waits for much only when there is so much', async () => {
      await ask('much', { min_pending: 3 })
      await publish(2)
      assert.deepEqual(seqs('much'), [])
      await publish(1)
      assert.deepEqual(seqs('much'), [1])
    })

    it('serves others meanwhile, and does not turn in circles', async () => {
      await ask('much', { min_pending: 10 })
      await ask('acks', { min_ack_pending: 2 })
      await publish(3)
      assert.deepEqual([seqs('much'), seqs('acks')], [[], []])
      await ask('any', { batch: 2 })
      assert.deepEqual(seqs('any'), [1, 2])
      assert.deepEqual([seqs('much'), seqs('acks')], [[], [3]])
      assert.equal((await info()).num_waiting, 1)
    })

    it('lets a condition hold for what is delivered again too', async () => {
      await ask('any', {})
      await publish(1)
      const [message] = taken('any')
      await ask('much', { min_pending: 1 })
      await world.port.send(message?.reply ?? '', '-NAK')
      await world.pass(1)
      assert.deepEqual(seqs('much'), [1])
    })
  })

  describe('pinned client', () => {
    beforeEach(() => consumer({ priority_policy: 'pinned_client', priority_timeout: 10e9 }))

    it('serves one client, as long as it comes back with its id', async () => {
      await ask('one', {})
      await ask('two', { batch: 5 })
      await publish(2)
      const [first] = taken('one')
      assert.ok(first)
      const id = pinOf(first)
      assert.equal(id.length, 22)
      assert.deepEqual(taken('two'), [])
      for (let i = 0; i < 3; i++) {
        await world.pass(9_000)
        await ask('one', { id, batch: 2 })
      }
      await publish(1)
      assert.deepEqual(seqs('one'), [2, 3])
      assert.equal((await info()).priority_groups?.[0]?.pinned_client_id, id)
    })

    it('goes over to another when the pinned one is silent', async () => {
      await ask('one', {})
      await ask('two', { batch: 2 })
      await publish(2)
      const [first] = taken('one')
      await world.pass(10_001)
      const [second] = taken('two')
      assert.ok(first && second)
      assert.notEqual(pinOf(second), pinOf(first))
      await ask('one', { id: pinOf(first) })
      assert.match(taken('one')[0]?.headers ?? '', /^NATS\/1\.0 423 Nats-Pin-Id mismatch\r\n/)
    })

    it('refuses a waiting request whose id is of the past', async () => {
      await ask('one', {})
      await publish(1)
      const [first] = taken('one')
      assert.ok(first)
      await ask('one', { id: pinOf(first) })
      await world.port.api('CONSUMER.UNPIN.S.c', { group: 'g' })
      await publish(1)
      assert.match(
        taken('one')[0]?.headers ?? '',
        /^NATS\/1\.0 423 Nats-Wrong-Pin-Id\r\nNats-Pending/,
      )
    })

    it('is not held by who listens no more', async () => {
      await ask('gone', {})
      await ask('there', {})
      world.port.deaf.add('gone')
      await publish(1)
      assert.deepEqual(seqs('there'), [1])
    })
  })

  it('serves the lowest level first, and in turn within it', async () => {
    await consumer({ priority_policy: 'prioritized' })
    await ask('late', { priority: 5, batch: 2 })
    await ask('one', { priority: 1, batch: 2 })
    await ask('two', { priority: 1, batch: 2 })
    await publish(6)
    assert.deepEqual(
      [seqs('one'), seqs('two'), seqs('late')],
      [
        [1, 3],
        [2, 4],
        [5, 6],
      ],
    )
  })

  it('serves the lowest level first of those who ask at the same moment for what is there', async () => {
    await consumer({ priority_policy: 'prioritized' })
    await publish(4)
    await ask('who reads ahead', {})
    await Promise.all([
      ask('late', { priority: 5, batch: 2 }),
      ask('soon', { priority: 1, batch: 2 }),
    ])
    assert.deepEqual([seqs('soon'), seqs('late')], [[2, 3], [4]])
  })

  describe('a pause', () => {
    const none = { priority_groups: undefined }

    it('holds back what is there, over a restart, and ends at its time', async () => {
      await consumer(none)
      const until = new Date(world.wallMs + 60_000).toISOString()
      await world.port.api('CONSUMER.PAUSE.S.c', { pause_until: until })
      await publish(1)
      await world.crash()
      await ask('any', { group: undefined })
      assert.deepEqual(seqs('any'), [])
      const paused = await info()
      assert.equal(paused.paused, true)
      assert.ok((paused.pause_remaining ?? 0) > 59e9)
      await world.pass(60_000)
      assert.deepEqual(seqs('any'), [1])
      assert.equal((await info()).paused, undefined)
    })

    it('ends requests that do not wait, and keeps the hearts of others beating', async () => {
      await consumer({ ...none, pause_until: new Date(world.wallMs + 60_000).toISOString() })
      await publish(1)
      await ask('now', { group: undefined, expires: 0, no_wait: true })
      assert.match(taken('now')[0]?.headers ?? '', /404 No Messages/)
      await ask('later', { group: undefined, expires: 10e9, idle_heartbeat: 1e9 })
      await world.pass(2_500)
      assert.equal(taken('later').filter(({ headers }) => /100 Idle/.test(headers)).length, 2)
      await world.port.api('CONSUMER.PAUSE.S.c')
      await world.pass(1)
      assert.deepEqual(seqs('later'), [1])
    })
  })
})
