/**
 * The power goes while messages are removed lazily, by nobody's commit in particular, and segments are
 * rewritten and unlinked for them. What was stored and not removed must be there; what was removed may be
 * back, as it was, and only until the removal was committed.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { bytes, noLimits } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'
import { committedBarrier } from '../support/store-commands.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 40)

class Queue {
  readonly random: SeededRandom
  readonly stored = new Set<number>()
  /** Removed, and whether a commit has followed. */
  readonly removed = new Map<number, boolean>()
  disk: SimDisk
  clock = new StoreClock()

  constructor(runSeed: number) {
    this.random = new SeededRandom(runSeed)
    this.disk = new SimDisk({ random: this.random.fork() })
  }

  open(): Promise<Store> {
    const { disk, clock } = this
    const random = this.random.fork()
    const segmentBytes = 1024
    const parts = { clock, random, disk, log: silentLog, segmentBytes }
    return openStore({ directory: '/data', ...parts })
  }

  async work(store: Store, stream: StreamStore): Promise<void> {
    for (let i = this.random.below(60); i > 0; i--) {
      const roll = this.random.below(20)
      if (roll < 9) this.#append(stream)
      else if (roll < 17) this.#remove(stream)
      else if (roll === 17) this.clock.advance(1_100)
      else if (roll === 18) await settle(this.random.below(12))
      else await this.#commit(store)
    }
    await settle(this.random.below(20))
  }

  async check(stream: StreamStore, what: string): Promise<void> {
    const found = new Set<number>()
    for (let fromSeq = 1; fromSeq <= stream.state.lastSeq; ) {
      const batch = await stream.read({ fromSeq, messagesMax: 50, bytesMax: 1 << 20 })
      for (const { seq, payload } of batch.messages) {
        assert.equal(Buffer.from(payload).toString(), `payload ${seq}`, what)
        found.add(seq)
      }
      fromSeq = batch.nextSeq
    }
    assert.equal(stream.state.messages, found.size, what)
    for (const seq of this.stored) {
      if (!this.removed.has(seq)) assert.ok(found.has(seq), `${what}: ${seq} is lost`)
    }
    for (const [seq, isCommitted] of this.removed) {
      if (isCommitted) assert.ok(!found.has(seq), `${what}: ${seq} is back`)
      else if (found.has(seq)) this.removed.delete(seq)
    }
    // What was not acknowledged and is there all the same is there to stay.
    for (const seq of found) this.stored.add(seq)
  }

  #append(stream: StreamStore): void {
    const payload = bytes(`payload ${stream.assignedSeq + 1}`)
    stream.append(bytes(`s.${this.random.below(4)}`), bytes(''), payload, (error, seq) => {
      if (error === undefined) this.stored.add(seq)
    })
  }

  #remove(stream: StreamStore): void {
    const { firstSeq, lastSeq } = stream.state
    const seq = firstSeq + this.random.below(lastSeq - firstSeq + 2)
    if (stream.removeLazily(seq)) this.removed.set(seq, false)
  }

  async #commit(store: Store): Promise<void> {
    const before = [...this.removed.keys()]
    await committedBarrier(store)
    for (const seq of before) this.removed.set(seq, true)
  }
}

describe('store, lazy removals and power cuts', function () {
  this.timeout(60_000)

  it(`lose nothing else, and bring nothing back that a commit took (seed=${seed})`, async () => {
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      const queue = new Queue(runSeed)
      let store = await queue.open()
      store.createStream('a', bytes(''), noLimits)
      await committedBarrier(store)
      for (let round = 0; round < 8; round++) {
        await queue.work(store, store.streams.get('a')!)
        const isKilled = queue.random.below(4) === 0
        queue.disk = isKilled ? queue.disk.kill() : queue.disk.powerCut(queue.random.fork())
        queue.clock = new StoreClock()
        store = await queue.open()
        const what = `SEED=${runSeed} round ${round}`
        await queue.check(store.streams.get('a')!, what)
        assert.equal(store.stats.damagedRecords, 0, what)
      }
      await store.destroy()
    }
  })
})
