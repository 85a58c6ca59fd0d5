/** What takes several turns of the loop, with others in between that change the same streams. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { TAKING_STEPS } from '../../../shared/stream/limits.ts'
import type { ApiAnswer } from '../../support/memory-port.ts'
import { StreamWorld } from '../../support/stream-world.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

const subjectsOf = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `s.${from + i}`)
const sourcesOf = (count: number): object[] =>
  Array.from({ length: count }, (_, i) => ({ name: `o${i}` }))

/** Configurations that take many turns, or none, and that overlap each other or do not. */
const CONFIGS: readonly object[] = [
  { subjects: subjectsOf(0, TAKING_STEPS * 2) },
  { subjects: subjectsOf(TAKING_STEPS, TAKING_STEPS + 100) },
  { subjects: subjectsOf(TAKING_STEPS * 2, TAKING_STEPS + 100) },
  { subjects: ['s.*'] },
  { subjects: ['s.7', 't'] },
  { subjects: ['u.>'], sources: sourcesOf(TAKING_STEPS / 4) },
  { sources: sourcesOf(TAKING_STEPS + 1) },
]

/** Who listens for what, as a stream's port hears of it. */
class Listening {
  readonly captured = new Map<string, number>()
  /** Subjects that more than one captured at the same time. */
  readonly twice: string[] = []
  feeds = 0
  readonly world: StreamWorld

  constructor(world: StreamWorld) {
    this.world = world
    world.port.capture = (subject) => {
      const count = (this.captured.get(subject) ?? 0) + 1
      this.captured.set(subject, count)
      if (count > 1) this.twice.push(subject)
      return () => {
        if (count > 1) this.captured.set(subject, count - 1)
        else this.captured.delete(subject)
      }
    }
    world.port.onReach = () => {
      this.feeds++
      return () => void this.feeds--
    }
  }

  /** Whether all that the streams' configurations say is done, and nothing else. */
  check(told: string): void {
    const { engine } = this.world
    const wanted = new Set(engine.streams().flatMap(({ config }) => config.subjects))
    assert.deepEqual(new Set(this.captured.keys()), wanted, told)
    const sources = engine.streams().flatMap(({ config }) => config.sources ?? [])
    assert.equal(this.feeds, sources.length, told)
    assert.deepEqual(this.twice, [], told)
    for (const { name, config } of engine.streams()) {
      const [first] = config.subjects
      if (first !== undefined && first !== 's.*') assert.equal(engine.streamFor(first)?.name, name)
    }
  }
}

describe('long changes of streams', function () {
  this.timeout(60_000)

  it(`end as they would one by one, whatever comes between them, seed=${SEED}`, async () => {
    const random = new SeededRandom(SEED)
    const refused = new Map<number, number>()
    for (let run = 0; run < 8; run++) {
      const world = await StreamWorld.start(SEED + run)
      const listening = new Listening(world)
      const answers: Promise<ApiAnswer>[] = []
      const script: string[] = []
      for (let step = 0; step < 14; step++) {
        const name = 'AB'[random.below(2)] as string
        const action = ['CREATE', 'CREATE', 'UPDATE', 'DELETE'][random.below(4)] as string
        const chosen = random.below(CONFIGS.length)
        const body = action === 'DELETE' ? '' : { name, ...CONFIGS[chosen] }
        script.push(`${action} ${name} ${chosen}`)
        answers.push(world.port.api(`STREAM.${action}.${name}`, body))
        // As far as it comes: nowhere, some turns, or to its end.
        for (let turns = random.below(6); turns > 0; turns--) await oneTurn(world)
      }
      await eachAnswered(world, answers)
      listening.check(`seed=${SEED} run=${run}: ${script.join(', ')}`)
      for (const { error } of await Promise.all(answers)) {
        if (error !== undefined) refused.set(error.err_code, (refused.get(error.err_code) ?? 0) + 1)
      }
      for (const name of ['A', 'B']) answers.push(world.port.api(`STREAM.DELETE.${name}`, ''))
      await eachAnswered(world, answers)
      assert.deepEqual([listening.captured.size, listening.feeds], [0, 0], `seed=${SEED}`)
    }
    // Only what other streams have or are, never a failure inside.
    const known = [10058, 10059, 10065]
    assert.deepEqual(
      [...refused.keys()].filter((code) => !known.includes(code)),
      [],
      `seed=${SEED}`,
    )
  })

  it('give no subject to another stream before it is captured no more', async () => {
    const world = await StreamWorld.start()
    const listening = new Listening(world)
    await eachAnswered(world, [world.port.api('STREAM.CREATE.A', { name: 'A', ...CONFIGS[0] })])
    const updated = [world.port.api('STREAM.UPDATE.A', { name: 'A', ...CONFIGS[2] })]
    // The last of them, which is let go of last.
    const taken = `s.${TAKING_STEPS * 2 - 1}`
    for (let refused = 0; ; refused++) {
      const asked = [world.port.api('STREAM.CREATE.B', { name: 'B', subjects: [taken] })]
      await eachAnswered(world, asked)
      if ((await asked[0])?.error !== undefined) continue
      assert.ok(refused > 0, 'it is under way')
      break
    }
    await eachAnswered(world, updated)
    listening.check('after an update')
  })

  it('leave a stream that the disk does not let go of as it was', async () => {
    const world = await StreamWorld.start()
    const listening = new Listening(world)
    const { subjects } = CONFIGS[0] as { subjects: string[] }
    const created = [world.port.api('STREAM.CREATE.A', { name: 'A', subjects })]
    await eachAnswered(world, created)
    world.store.isAuto = false
    const removed = [world.port.api('STREAM.DELETE.A', '')]
    while (listening.captured.size > 0) await oneTurn(world)
    await oneTurn(world)
    world.store.failCommit()
    world.store.isAuto = true
    await eachAnswered(world, removed)
    assert.ok((await removed[0])?.error !== undefined)
    listening.check('after a removal that failed')
    assert.equal(listening.captured.size, subjects.length)
  })

  it('stop when the server does', async () => {
    const world = await StreamWorld.start()
    const listening = new Listening(world)
    const created = world.port.api('STREAM.CREATE.A', { name: 'A', ...CONFIGS[0] })
    while (listening.captured.size === 0) await oneTurn(world)
    assert.ok(listening.captured.size < TAKING_STEPS * 2, 'it is under way')
    await world.engine.destroy()
    await eachAnswered(world, [created])
    assert.equal(listening.captured.size, 0)
  })

  it('do not begin when the server has stopped meanwhile', async () => {
    for (const action of ['CREATE', 'UPDATE'] as const) {
      const world = await StreamWorld.start()
      const listening = new Listening(world)
      const first = world.port.api('STREAM.CREATE.B', { name: 'B', subjects: ['t'] })
      await eachAnswered(world, [first])
      const name = action === 'CREATE' ? 'A' : 'B'
      const asked = world.port.api(`STREAM.${action}.${name}`, { name, ...CONFIGS[0] })
      await world.engine.destroy()
      await eachAnswered(world, [asked])
      assert.ok((await asked).error !== undefined)
      assert.equal(listening.captured.size, 0, action)
      assert.deepEqual([...world.store.streams.keys()], ['A/B'])
    }
  })

  /** What was due when it is called, and nothing that comes of it. */
  async function oneTurn({ loop }: StreamWorld): Promise<void> {
    let isOver = false
    loop.after(0, 'test', () => {
      isOver = true
    })
    await loop.run({ until: () => isOver })
  }

  async function eachAnswered(world: StreamWorld, answers: Promise<ApiAnswer>[]): Promise<void> {
    let left = answers.length
    for (const answer of answers) answer.then(() => left--, assert.fail)
    for (let turns = 0; left > 0; turns++) {
      assert.ok(turns < 10_000, `${left} are never answered, seed=${SEED}`)
      await oneTurn(world)
    }
  }
})
