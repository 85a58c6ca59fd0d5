/**
 * Mirrors and sources across a leaf link that is cut: destinations and origins are Petiole or a real
 * nats-server, at either end of the link.
 */
import assert from 'node:assert/strict'
import { type Domain, type Make, SourcingWorld } from '../support/sourcing-world.ts'

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

        const filling = origin.fill(151, 400)
        await destination.untilCount('COPY', 160)
        world.proxy.cut()
        await filling
        await origin.fill(401, 450)
        await world.heal()
        const healedAt = performance.now()
        await destination.untilCount('COPY', 450)
        const tookMs = performance.now() - healedAt
        await origin.fill(451, 460)
        await destination.untilCount('COPY', 460)
        const expected = Array.from({ length: 460 }, (_, i) => `m${i + 1}`)
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
})
