/**
 * The power goes, or the process is killed, while retained messages are set, replaced and removed. What was
 * acknowledged is as it was acknowledged; what was under way is as before or as after; nothing that was
 * removed is back, and no subject has two.
 */
import assert from 'node:assert/strict'
import { type RetainedStore, RetainedStores } from '../../bridge-mqtt/retained/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { SimDisk } from '../sim/index.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 20)
const ROUNDS = 8
const EVERYTHING = new SubjectFilter('>')

class Board {
  readonly #random: SeededRandom
  /** Of each subject what it may hold, the last that was acknowledged and all that came after it. */
  readonly #possible = new Map<string, { readonly value: string }[]>()
  #disk: SimDisk
  #clock = new StoreClock()
  #store!: Store
  #stores!: RetainedStores
  #serial = 0

  constructor(runSeed: number) {
    this.#random = new SeededRandom(runSeed)
    this.#disk = new SimDisk({ random: this.#random.fork() })
  }

  async start(): Promise<void> {
    const clock = new StoreClock()
    clock.wall = this.#clock.wall
    this.#clock = clock
    const [disk, random] = [this.#disk, this.#random.fork()]
    const parts = { clock, random, disk, log: silentLog, segmentBytes: 2048 }
    this.#store = await openStore({ directory: '/data', ...parts })
    this.#stores = await RetainedStores.open({ store: this.#store, clock })
  }

  get #retained(): RetainedStore {
    return this.#stores.of('A')
  }

  async work(): Promise<void> {
    for (let i = this.#random.below(80); i > 0; i--) {
      const roll = this.#random.below(20)
      if (roll < 16) this.#set()
      else if (roll < 18) await settle(this.#random.below(12))
      else this.#clock.advance(this.#random.below(1_500))
    }
    await settle(this.#random.below(20))
  }

  fail(): void {
    const isKilled = this.#random.below(4) === 0
    this.#stores.close()
    this.#disk = isKilled ? this.#disk.kill() : this.#disk.powerCut(this.#random.fork())
  }

  async check(what: string): Promise<void> {
    const found = new Map<string, string>()
    const replay = this.#retained.replay([EVERYTHING], false)
    for (let page = await replay.next(7); page.length > 0; page = await replay.next(7)) {
      for (const { subject, payload } of page) {
        assert.ok(!found.has(subject), `${what}: ${subject} twice`)
        found.set(subject, Buffer.from(payload).toString())
      }
    }
    assert.equal(this.#retained.count, found.size, what)
    for (const [subject, possible] of this.#possible) {
      const value = found.get(subject) ?? ''
      const values = possible.map((each) => each.value)
      assert.ok(values.includes(value), `${what}: ${subject} is ${value}, not of ${values}`)
      this.#possible.set(subject, [{ value }])
    }
    for (const subject of found.keys()) assert.ok(this.#possible.has(subject), what)
    assert.equal(this.#store.stats.damagedRecords, 0, what)
  }

  async end(): Promise<void> {
    this.#stores.close()
    await this.#store.destroy()
  }

  #set(): void {
    const subject = `s.${this.#random.below(8)}`
    const value = this.#random.below(3) === 0 ? '' : `${this.#serial++}`
    const step = { value }
    this.#possible.set(subject, [...(this.#possible.get(subject) ?? [{ value: '' }]), step])
    this.#retained.set(Buffer.from(subject), Buffer.alloc(0), Buffer.from(value), (error) => {
      assert.equal(error, undefined)
      const now = this.#possible.get(subject) ?? []
      this.#possible.set(subject, now.slice(now.indexOf(step)))
    })
  }
}

describe('retained messages and power cuts', function () {
  this.timeout(120_000)

  it(`are as they were acknowledged (seed=${seed})`, async () => {
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const board = new Board(runSeed)
      await board.start()
      for (let round = 0; round < ROUNDS; round++) {
        await board.work()
        board.fail()
        await board.start()
        await board.check(`SEED=${runSeed} round ${round}`)
      }
      await board.end()
    }
  })
})
