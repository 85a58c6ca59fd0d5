/**
 * Random operations against an array model, with small segments, so that sealing, removal and
 * rewriting happen all the time, and with restarts of all kinds.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { assertWhole } from '../support/checked-store.ts'
import { noLimits } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'
import { committedBarrier, DICTIONARY_BYTES, StoreCommands } from '../support/store-commands.ts'
import { pictureOf, StoreModel } from '../support/store-model.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 30)

class Run {
  readonly commands: StoreCommands
  readonly clock = new StoreClock()
  readonly random: SeededRandom
  disk: SimDisk
  readonly segmentBytes: number
  /** Subjects in memory; a restart may find another number configured. */
  readonly #subjectsMaxima = [0, 3, 10_000_000]
  store!: Store

  constructor(runSeed: number) {
    this.random = new SeededRandom(runSeed)
    this.commands = new StoreCommands(this.random.fork())
    this.disk = new SimDisk({ random: this.random.fork() })
    this.segmentBytes = 512 + this.random.below(3000)
  }

  async open(): Promise<void> {
    this.store = await openStore({
      directory: '/data',
      clock: this.clock,
      random: this.random.fork(),
      disk: this.disk,
      log: silentLog,
      segmentBytes: this.segmentBytes,
      earlyCommitBytes: 1 + this.random.below(2000),
      dictionaryBytes: DICTIONARY_BYTES,
      subjectsMax: this.#subjectsMaxima[this.random.below(this.#subjectsMaxima.length)]!,
      subjectCacheBytes: 0,
    })
  }

  /** The model after all steps so far; all of them must be acknowledged. */
  model(): StoreModel {
    const model = new StoreModel()
    for (const step of this.commands.steps) {
      step.change(model)
      for (const stream of model.streams.values()) stream.enforce()
    }
    return model
  }

  async check(what: string): Promise<void> {
    await committedBarrier(this.store)
    await settle(3)
    for (const step of this.commands.steps)
      assert.ok(step.isAcked, `${what}: ${step.name} not acked`)
    assert.deepEqual(await pictureOf(this.store), this.model().picture(), what)
  }

  /** Limits apply to what comes after them, and to what is there. */
  limit(): void {
    const name = ['a', 'b', 'c'][this.random.below(3)]!
    const messagesMax = this.random.below(3) === 0 ? 0 : 10 + this.random.below(60)
    const perSubjectMax = this.random.below(3) === 0 ? 0 : 1 + this.random.below(10)
    const stream = this.store.streams.get(name)!
    const limits = { ...noLimits, messagesMax, messagesPerSubjectMax: perSubjectMax }
    const step = {
      name: `limit ${name} ${messagesMax} ${perSubjectMax}`,
      change: (model: StoreModel) => {
        Object.assign(model.stream(name), { messagesMax, perSubjectMax })
      },
      isAcked: false,
      error: undefined,
    }
    this.commands.steps.push(step)
    stream.configure(stream.config, limits, (error) => {
      step.isAcked = error === undefined
    })
  }

  /** In no order with the other steps on disk, so only here, where all is committed before a restart. */
  removeLazily(): void {
    const name = ['a', 'b', 'c'][this.random.below(3)]!
    const stream = this.store.streams.get(name)!
    const { firstSeq, messages } = stream.state
    const seq = firstSeq + this.random.below(messages + 1)
    const isThere = stream.removeLazily(seq)
    const change = (model: StoreModel): void => {
      assert.equal(model.stream(name).remove(seq), isThere, `lazily ${name} ${seq}`)
    }
    this.commands.steps.push({
      name: `lazily ${name} ${seq}`,
      change,
      isAcked: true,
      error: undefined,
    })
  }

  async housekeeping(): Promise<void> {
    this.clock.advance(1_500)
    await settle(80)
  }

  async restart(): Promise<void> {
    const roll = this.random.below(3)
    if (roll === 0) await this.store.drain()
    else if (roll === 1) await this.store.destroy()
    else this.disk = this.disk.kill()
    await assertWhole(this.disk, this.clock, '/data', 'before a restart')
    await this.open()
  }
}

describe('store against a model', function () {
  this.timeout(60_000)

  it(`shows what the arrays show (seed=${seed})`, async () => {
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const run = new Run(runSeed)
      const what = `SEED=${runSeed}`
      try {
        await run.open()
        run.commands.begin(run.store)
        for (let i = 0; i < 120; i++) {
          const roll = run.random.below(60)
          if (roll === 0) run.limit()
          else if (roll < 3) await run.housekeeping()
          else if (roll < 9) run.removeLazily()
          else await run.commands.one(run.store)
          await committedBarrier(run.store)
          if (run.random.below(40) === 0) {
            await run.check(`${what} step ${i}`)
            await run.restart()
            await run.check(`${what} after restart at ${i}`)
          }
        }
        await run.check(`${what} end`)
        await run.store.drain()
      } catch (error) {
        throw new Error(`${what} failed after ${run.commands.steps.length} steps`, { cause: error })
      }
    }
  })
})
