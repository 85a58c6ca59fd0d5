/**
 * Mirrors and sources across a leaf link that is cut: destinations and origins are Petiole or a real
 * nats-server, at either end of the link.
 */
import assert from 'node:assert/strict'
import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import {
  type Domain,
  type Make,
  quickestOf,
  type Side,
  SourcingWorld,
  until,
} from '../support/sourcing-world.ts'

/** From when the leaf has dialled. */
const RESUME_MS = 2_000

interface FeedInfo {
  readonly name: string
  readonly lag: number
  readonly active: number
  readonly external?: { readonly api: string }
}

describe('interop: mirrors and sources across a leaf link', function () {
  this.timeout(60_000)
  let world: SourcingWorld

  afterEach(() => world.stop())

  const scenes: readonly (readonly [hub: Make, leaf: Make, destination: Domain])[] = [
    ['petiole', 'petiole', 'leaf'],
    ['petiole', 'petiole', 'hub'],
    ['nats-server', 'petiole', 'leaf'],
    ['petiole', 'nats-server', 'hub'],
  ]
  for (const [hub, leaf, at] of scenes) {
    const from = at === 'hub' ? 'leaf' : 'hub'
    const external = { api: `$JS.${from}.API`, deliver: '' }
    for (const [kind, copy] of [
      ['mirrors', { mirror: { name: 'ORDERS', external } }],
      ['sources', { sources: [{ name: 'ORDERS', external }] }],
    ] as const) {
      it(`a ${at} (${hub} hub, ${leaf} leaf) ${kind}, over a cut of the link`, async () => {
        world = await SourcingWorld.start(hub, leaf)
        const origin = world[from]
        const destination = world[at]
        await origin.jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
        await origin.fill(1, 150)
        await destination.jsm.streams.add({ name: 'COPY', ...copy } as never)
        await destination.untilCount('COPY', 150)

        let last = 150
        const tookMs = await quickestOf(RESUME_MS, async () => {
          const filling = origin.fill(last + 1, last + 250)
          await destination.untilCount('COPY', last + 10)
          world.proxy.cut()
          await filling
          await origin.fill(last + 251, last + 300)
          await world.heal()
          const healedAt = performance.now()
          last += 300
          await destination.untilCount('COPY', last)
          return performance.now() - healedAt
        })
        await origin.fill(last + 1, last + 10)
        await destination.untilCount('COPY', last + 10)
        const expected = Array.from({ length: last + 10 }, (_, i) => `m${i + 1}`)
        assert.deepEqual(await destination.messages('COPY'), expected)
        const info = await destination.jsm.streams.info('COPY')
        const [feed] = (info.mirror ? [info.mirror] : info.sources) as unknown as FeedInfo[]
        assert.equal(feed?.name, 'ORDERS')
        assert.equal(feed?.lag, 0)
        assert.equal(feed?.external?.api, external.api)
        assert.ok((feed?.active ?? -1) >= 0)
        assert.ok(tookMs < RESUME_MS, `resumed after ${tookMs} ms`)
      })
    }
  }

  it('writes subjects and headers of sources as a nats-server does', async () => {
    const sources = [
      { name: 'ORDERS', filter_subject: 'orders.a' },
      {
        name: 'ORDERS',
        subject_transforms: [{ src: 'orders.b.*', dest: 'copied.{{wildcard(1)}}' }],
      },
      { name: 'ORDERS', subject_transforms: [{ src: 'orders.c', dest: '' }] },
    ].map((source) => ({ ...source, external: { api: '$JS.hub.API', deliver: '' } }))
    const outcomes: unknown[] = []
    for (const leaf of ['petiole', 'nats-server'] as const) {
      world = await SourcingWorld.start('nats-server', leaf)
      await world.hub.jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
      for (const subject of ['orders.a', 'orders.b.x', 'orders.c', 'orders.d']) {
        await world.hub.fill(1, 2, subject)
      }
      await world.leaf.jsm.streams.add({ name: 'COPY', subjects: ['own'], sources } as never)
      await world.leaf.untilCount('COPY', 6)
      outcomes.push(await sourcedFacts(world.leaf, 'COPY'))
      if (leaf === 'petiole') await world.stop()
    }
    const [ours, theirs] = outcomes
    assert.deepEqual(ours, theirs)
  })

  for (const hub of ['petiole', 'nats-server'] as const) {
    it(`empties a work queue of a ${hub} hub as it stores what it held, over a cut`, async () => {
      world = await SourcingWorld.start(hub, 'petiole')
      const config = { name: 'JOBS', subjects: ['orders.>'], retention: 'workqueue' } as const
      await world.hub.jsm.streams.add(config as never)
      await world.hub.fill(1, 100)
      const external = { api: '$JS.hub.API', deliver: '' }
      await world.leaf.jsm.streams.add({ name: 'DONE', sources: [{ name: 'JOBS', external }] })
      await world.leaf.untilCount('DONE', 100)
      world.proxy.cut()
      await world.hub.fill(101, 200)
      await world.heal()
      await world.leaf.untilCount('DONE', 200)
      const left = async () => (await world.hub.jsm.streams.info('JOBS')).state.messages
      await until(async () => (await left()) === 0, 'the queue is empty')
      const expected = Array.from({ length: 200 }, (_, i) => `m${i + 1}`)
      assert.deepEqual(await world.leaf.messages('DONE'), expected)
    })

    it(`goes on when a ${hub} hub comes back, and follows what is purged there`, async () => {
      world = await SourcingWorld.start(hub, 'petiole')
      await world.hub.jsm.streams.add({ name: 'ORDERS', subjects: ['orders.>'] })
      await world.hub.fill(1, 50)
      const external = { api: '$JS.hub.API', deliver: '' }
      const origin = { name: 'ORDERS', external }
      await world.leaf.jsm.streams.add({ name: 'MIRROR', mirror: origin } as never)
      await world.leaf.jsm.streams.add({ name: 'SOURCE', sources: [origin] } as never)
      await world.leaf.untilCount('MIRROR', 50)
      await world.leaf.untilCount('SOURCE', 50)
      await world.hub.stop()
      await world.hub.start()
      await world.hub.jsm.streams.purge('ORDERS')
      await world.hub.fill(51, 80)
      await world.leaf.untilCount('MIRROR', 80)
      await world.leaf.untilCount('SOURCE', 80)
      const expected = Array.from({ length: 80 }, (_, i) => `m${i + 1}`)
      for (const name of ['MIRROR', 'SOURCE']) {
        assert.deepEqual(await world.leaf.messages(name), expected, name)
      }
      assert.equal((await world.leaf.jsm.streams.info('MIRROR')).state.last_seq, 80)
    })

    it(`takes what a consumer that was made at a ${hub} hub sends, over a cut`, async () => {
      world = await SourcingWorld.start(hub, 'petiole')
      const config = { name: 'JOBS', subjects: ['orders.>'], retention: 'workqueue' } as const
      await world.hub.jsm.streams.add(config as never)
      const consumer = { name: 'made', deliver_subject: 'to.leaf' }
      const created = await world.hub.client.request(
        '$JS.API.CONSUMER.CREATE.JOBS.made',
        JSON.stringify({
          stream_name: 'JOBS',
          config: {
            ...consumer,
            durable_name: 'made',
            ack_policy: 'flow_control',
            flow_control: true,
            idle_heartbeat: 1e9,
            max_ack_pending: 1000,
          },
        }),
      )
      assert.equal(created.json<{ error?: unknown }>().error, undefined)
      await world.hub.fill(1, 100)
      const external = { api: '$JS.hub.API', deliver: '' }
      const sources = [{ name: 'JOBS', external, consumer }]
      await world.leaf.jsm.streams.add({ name: 'DONE', sources } as never)
      await world.leaf.untilCount('DONE', 100)
      world.proxy.cut()
      await world.hub.fill(101, 200)
      await world.heal()
      await world.leaf.untilCount('DONE', 200)
      const expected = Array.from({ length: 200 }, (_, i) => `m${i + 1}`)
      assert.deepEqual(await world.leaf.messages('DONE'), expected)
      const left = async () => (await world.hub.jsm.streams.info('JOBS')).state.messages
      await until(async () => (await left()) === 0, 'the queue is empty')
    })

    it(`mirrors a bucket of a ${hub} hub: reads are local, writes go to the hub`, async () => {
      world = await SourcingWorld.start(hub, 'petiole')
      const origin = await new Kvm(jetstream(world.hub.client)).create('config')
      await origin.put('a', '1')
      const options = { mirror: { name: 'config', domain: 'hub' } }
      const local = await new Kvm(jetstream(world.leaf.client)).create('copy', options)
      const value = async (key: string) => (await local.get(key))?.string()
      await until(async () => (await value('a')) === '1', 'a is here')
      await local.put('b', '2')
      assert.equal((await origin.get('b'))?.string(), '2')
      await until(async () => (await value('b')) === '2', 'b is back')
      world.proxy.cut()
      assert.equal(await value('a'), '1')
      await assert.rejects(local.put('c', '3'))
      await origin.put('a', '4')
      await world.heal()
      await until(async () => (await value('a')) === '4', 'the change is here')
    })
  }
})

/** Of each message that was sourced: its subject and what its header says, but for the identity. */
async function sourcedFacts(side: Side, stream: string): Promise<string[]> {
  const { state } = await side.jsm.streams.info(stream)
  const facts: string[] = []
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await side.jsm.streams.getMessage(stream, { seq })
    const header = message?.header.get('Nats-Stream-Source') ?? ''
    facts.push(`${message?.subject} ${header.replace(/ \w{8}$/, ' identity')}`)
  }
  return facts.sort()
}
