import assert from 'node:assert/strict'
import fc from 'fast-check'
import { streamConfig } from '../../../shared/stream/config/stream-checks.ts'
import { StreamTotals } from '../../../shared/stream/stream-totals.ts'
import { StreamWorld } from '../../support/stream-world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** What a thousand of something costs, the last of them held against the first. */
const RATIO_MAX = 3

async function cpuMsOf(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

describe('many streams', () => {
  it('cost each as little to create as the first ones', async function () {
    this.timeout(60_000)
    const { engine, port } = await StreamWorld.start()
    // This port asks every capture about every request; the broker does not.
    port.capture = () => () => {}
    const costs: number[] = []
    for (let from = 0; from < 5000; from += 1000) {
      const cost = await cpuMsOf(async () => {
        for (let i = from; i < from + 1000; i++) {
          const asked = { name: `s${i}`, subjects: [`st.${i}.>`], max_bytes: 1000 }
          const { error } = await port.api(`STREAM.CREATE.s${i}`, asked)
          assert.equal(error, undefined)
          assert.equal(engine.streamFor(`st.${i}.x`)?.name, asked.name)
        }
      })
      costs.push(Math.round(cost))
    }
    const [first = 0] = costs
    const told = `CPU ms per 1,000 streams: ${costs.join(', ')}`
    assert.ok((costs.at(-1) ?? 0) < RATIO_MAX * first, told)
  })

  it('keep their subjects to themselves through updates and removals', async () => {
    const { engine } = await StreamWorld.start()
    await engine.ensure({ name: 'B', subjects: ['b.*', 'x.1'] })
    const taken = { errCode: 10065 }
    await assert.rejects(engine.ensure({ name: 'A', subjects: ['b.1'] }), taken)
    await assert.rejects(engine.ensure({ name: 'A', subjects: ['b.>'] }), taken)
    await assert.rejects(engine.ensure({ name: 'A', subjects: ['x.>'] }), taken)
    // What is let go of is free only when that is on disk, and what is asked for is taken at once.
    const updating = engine.ensure({ name: 'B', subjects: ['c', 'x.1'] })
    await Promise.resolve()
    await assert.rejects(engine.ensure({ name: 'A', subjects: ['b.1'] }), taken)
    await assert.rejects(engine.ensure({ name: 'A', subjects: ['c'] }), taken)
    await updating
    assert.equal(engine.streamFor('b.1'), undefined)
    await engine.ensure({ name: 'A', subjects: ['b.1'] })
    await engine.remove('B')
    await engine.ensure({ name: 'A', subjects: ['b.1', 'c', 'x.*'] })
    assert.equal(engine.streamFor('x.1')?.name, 'A')
  })

  it('hold wildcards that lead everywhere against each of them', async () => {
    const { engine } = await StreamWorld.start()
    const many = Array.from({ length: 2000 }, (_, i) => `all.a${i}.x`)
    await engine.ensure({ name: 'S', subjects: many })
    const asked = Array.from({ length: 600 }, (_, i) => `all.*.b${i}`)
    await engine.ensure({ name: 'T', subjects: asked })
    const met = { name: 'U', subjects: [...asked.map((subject) => `${subject}.c`), 'all.a7.*'] }
    await assert.rejects(engine.ensure(met), { errCode: 10065 })
  })

  it('are listed in the order of their names as they come and go', async () => {
    const { engine } = await StreamWorld.start()
    const names = (): string =>
      engine
        .streams()
        .map(({ name }) => name)
        .join('')
    for (const name of ['C', 'A', 'B']) await engine.ensure({ name })
    assert.equal(names(), 'ABC')
    await engine.remove('B')
    assert.equal(names(), 'AC')
    await engine.ensure({ name: 'AA' })
    assert.equal(names(), 'AAAC')
  })

  it(`reserve what their configurations add up to, of any size, seed=${SEED}`, () => {
    const max = fc.oneof(fc.nat(1000), fc.constant(2 ** 62), fc.constant(-1))
    const change = fc.record({
      name: fc.constantFrom('A', 'B', 'C', 'D'),
      max_bytes: max,
      storage: fc.constantFrom('file' as const, 'memory' as const),
      num_replicas: fc.constantFrom(1, 3),
      isGone: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const totals = new StreamTotals()
        const model = new Map<string, (typeof changes)[number]>()
        for (const asked of changes) {
          const { isGone, num_replicas, ...request } = asked
          const config = { ...streamConfig(request), num_replicas }
          if (isGone) totals.drop(asked.name)
          else totals.set(config)
          if (isGone) model.delete(asked.name)
          else model.set(asked.name, asked)
        }
        for (const tier of ['', 'R1', 'R3']) {
          for (const except of ['', 'A', 'none']) {
            const others = [...model.values()].filter(
              (one) => one.name !== except && (tier === '' || tier === `R${one.num_replicas}`),
            )
            assert.equal(totals.count(tier, except), others.length)
            for (const storage of ['file', 'memory'] as const) {
              const sum = others
                .filter((one) => one.storage === storage && one.max_bytes > 0)
                .reduce((bytes, one) => bytes + BigInt(one.max_bytes), 0n)
              assert.equal(totals.reservedBytes(storage, tier, except), Number(sum))
            }
          }
        }
      }),
      { seed: SEED, numRuns: 300 },
    )
  })
})
