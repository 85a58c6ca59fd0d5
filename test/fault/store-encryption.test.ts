/** An encrypted store with damaged bytes, and one whose key is changed while the power goes or the disk is full. */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  checkStore,
  openStore,
  repairStore,
  type Store,
  type StoreEncryption,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const KEY = bytes('a key of thirty-two random bytes')
const NEW_KEY = bytes('and the one that comes after it.')
const COUNT = 40
/** Of the bytes of all files each so many-th is changed. */
const BYTE_STEP = 47

interface Machine {
  readonly disk: SimDisk
  readonly clock: StoreClock
  readonly random: SeededRandom
}

function machineOf(disk: SimDisk, clock = new StoreClock()): Machine {
  return { disk, clock, random: new SeededRandom(seed) }
}

function open({ disk, clock, random }: Machine, encryption: StoreEncryption): Promise<Store> {
  const directory = '/data'
  const sizes = { segmentBytes: 900, reserveBytes: 64 }
  return openStore({
    directory,
    clock,
    random: random.fork(),
    disk,
    log: silentLog,
    ...sizes,
    encryption,
  })
}

async function linesOf(store: Store): Promise<string[]> {
  const stream = store.streams.get('a')
  assert.ok(stream)
  const state = Buffer.from(stream.states.get('consumer') ?? []).toString()
  const mark = Buffer.from(store.marks.get('mark') ?? []).toString()
  return [`${Buffer.from(stream.config)} ${state} ${mark}`, ...(await readAll(stream))]
}

/** Sealed segments with indexes, deletes, a state and a mark. */
async function fill(machine: Machine, encryption: StoreEncryption): Promise<string[]> {
  const store = await open(machine, encryption)
  const stream = store.createStream('a', bytes('config'), noLimits)
  for (let i = 1; i <= COUNT; i++) {
    await appendDurably(stream, `s.${i % 4}`, `payload ${i}`)
    if (i === 10) stream.states.set('consumer', bytes('state'))
    if (i === 12) store.marks.set('mark', bytes('value'))
    if (i % 7 === 0) stream.remove(i - 3)
  }
  await committed(store)
  machine.clock.advance(5_000)
  await settle(200)
  const lines = await linesOf(store)
  await store.drain()
  return lines
}

function leftOf(store: Store): number {
  return store.stats.encryption?.segmentsLeft ?? 0
}

/** Lets the store write everything again that is of another key. */
async function rekeyed({ clock }: Machine, store: Store): Promise<void> {
  for (let i = 0; i < 200 && leftOf(store) > 0; i++) {
    clock.advance(1_000)
    await settle(60)
  }
  assert.equal(leftOf(store), 0)
  clock.advance(1_000)
  await settle(60)
}

async function filesOf(disk: SimDisk): Promise<string[]> {
  const journal = await disk.list('/data/journal')
  return journal.map((name) => `/data/journal/${name}`)
}

describe('store, encryption and faults', function () {
  this.timeout(120_000)

  it(`loses one message at most to a changed byte; repair needs no key for it (seed=${seed})`, async () => {
    const machine = machineOf(new SimDisk({ random: new SeededRandom(seed), isRecording: true }))
    const { disk, clock } = machine
    const lines = await fill(machine, { key: KEY })
    let found = 0
    for (const file of await filesOf(disk)) {
      const size = disk.bytesOf(file).length
      for (let at = seed % BYTE_STEP; at < size; at += BYTE_STEP) {
        const what = `SEED=${seed} ${file} byte ${at}`
        const copy = disk.powerCutAt(disk.recorded, new SeededRandom(at))
        copy.corrupt(file, at, 1 << (at % 8))
        const options = { disk: copy, clock, directory: '/data' }
        const blind = await repairStore(options)
        // An index that does not hold is made anew by who knows what is in it.
        const isIndex = file.endsWith('.idx')
        assert.deepEqual(isIndex ? [] : blind.after.problems, [], what)
        const { after } = await repairStore({ ...options, encryption: { key: KEY } })
        assert.deepEqual(after.problems, [], what)
        const store = await open(machineOf(copy), { key: KEY })
        const now = await linesOf(store)
        const lost = lines.filter((line) => !now.includes(line))
        assert.ok(lost.length <= 1, `${what} costs ${lost}`)
        assert.deepEqual(
          now,
          lines.filter((line) => !lost.includes(line)),
          what,
        )
        found += lost.length
        await store.destroy()
      }
    }
    assert.ok(found > COUNT)
  })

  const changes: readonly (readonly [string, StoreEncryption, StoreEncryption])[] = [
    ['turned on', {}, { key: NEW_KEY }],
    ['changed', { key: KEY }, { key: NEW_KEY, previousKey: KEY }],
    ['turned off', { key: KEY }, { previousKey: KEY }],
  ]
  for (const [name, before, after] of changes) {
    it(`loses nothing when the power goes behind any change of the disk while it is ${name} (seed=${seed})`, async () => {
      const machine = machineOf(new SimDisk({ random: new SeededRandom(seed), isRecording: true }))
      const { disk } = machine
      const lines = await fill(machine, before)
      const from = disk.recorded
      const store = await open(machine, after)
      assert.ok(leftOf(store) > 2, `SEED=${seed} ${leftOf(store)} segments`)
      await rekeyed(machine, store)
      assert.deepEqual(await linesOf(store), lines)
      await store.destroy()
      for (let cut = from; cut <= disk.recorded; cut++) {
        const what = `SEED=${seed} ${name}, cut ${cut} of ${from} to ${disk.recorded}`
        const copy = disk.powerCutAt(cut, new SeededRandom(seed + cut))
        const options = { disk: copy, clock: new StoreClock(), directory: '/data' }
        const report = await checkStore({ ...options, encryption: { ...after } })
        assert.deepEqual(report.problems, [], what)
        const own = machineOf(copy)
        const again = await open(own, after)
        assert.deepEqual(await linesOf(again), lines, what)
        assert.equal(again.stats.damagedRecords, 0, what)
        // Now and then to the end, behind whatever came of the interrupted one.
        if (cut % 10 === 0) {
          await rekeyed(own, again)
          assert.deepEqual(await linesOf(again), lines, what)
        }
        await again.destroy()
      }
    })
  }

  it(`loses nothing when the disk is full while the key is changed, and goes on when it is not (seed=${seed})`, async () => {
    const machine = machineOf(new SimDisk({ random: new SeededRandom(seed), isRecording: true }))
    const lines = await fill(machine, { key: KEY })
    const encryption = { key: NEW_KEY, previousKey: KEY }
    for (let spare = 0; spare < 3_000; spare += 190) {
      const what = `SEED=${seed} ${spare} bytes to spare`
      const disk = machine.disk.powerCutAt(machine.disk.recorded, new SeededRandom(spare))
      disk.quotaBytes = disk.usedBytes() + spare
      const own = machineOf(disk)
      const store = await open(own, encryption)
      for (let i = 0; i < 30; i++) {
        own.clock.advance(1_000)
        await settle(60)
      }
      assert.deepEqual(await linesOf(store), lines, what)
      disk.quotaBytes = Number.POSITIVE_INFINITY
      await rekeyed(own, store)
      assert.deepEqual(await linesOf(store), lines, what)
      assert.equal(store.stats.damagedRecords, 0, what)
      await store.drain()
      const again = await open(own, { key: NEW_KEY })
      assert.deepEqual(await linesOf(again), lines, what)
      await again.destroy()
    }
  })

  it('writes again no faster than its rate', async () => {
    const machine = machineOf(new SimDisk({ random: new SeededRandom(seed) }))
    await fill(machine, {})
    const store = await open(machine, { key: KEY })
    const before = leftOf(store)
    machine.clock.advance(200)
    await settle(200)
    assert.equal(leftOf(store), before - 1)
    await settle(400)
    assert.equal(leftOf(store), before - 1, 'the next one waits until it is due')
    await rekeyed(machine, store)
    await store.destroy()
  })
})
