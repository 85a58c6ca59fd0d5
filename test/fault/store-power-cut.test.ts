/**
 * The power goes while the store works: un-synced writes are lost, torn or kept in any mixture. What
 * comes back must be some state between the last acknowledgement and the last operation begun.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StoreEncryption } from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { assertWhole } from '../support/checked-store.ts'
import { DrawnKeys } from '../support/drawn-keys.ts'
import { bytes, noLimits } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'
import { committedBarrier, DICTIONARY_BYTES, StoreCommands } from '../support/store-commands.ts'
import { pictureOf, StoreModel } from '../support/store-model.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 40)

const TRANSACTION_MESSAGES = 1_000

/** With an encrypted store, whose key is changed from time to time, the same holds. */
const KINDS = ['plain', 'encrypted'] as const

interface Machine {
  disk: SimDisk
  clock: StoreClock
  readonly segmentBytes: number
  readonly earlyCommitBytes?: number
  encryption?: StoreEncryption
  readonly random: SeededRandom
}

function open(machine: Machine, disk = machine.disk, clock = machine.clock): Promise<Store> {
  return openStore({
    directory: '/data',
    clock,
    random: machine.random.fork(),
    disk,
    log: silentLog,
    segmentBytes: machine.segmentBytes,
    earlyCommitBytes: machine.earlyCommitBytes ?? Number.POSITIVE_INFINITY,
    encryption: machine.encryption ?? {},
    dictionaryBytes: DICTIONARY_BYTES,
  })
}

/** Pictures of the model after each count of steps from `from` on. */
function pictures(commands: StoreCommands, from: number): string[] {
  const model = new StoreModel()
  const all: string[] = []
  for (const [i, step] of commands.steps.entries()) {
    if (i >= from) all.push(JSON.stringify(model.picture()))
    step.change(model)
  }
  all.push(JSON.stringify(model.picture()))
  return all
}

/** How many steps must be there: those up to the last one that was acknowledged behind a sync. */
function syncedSteps(commands: StoreCommands): number {
  const { steps } = commands
  const last = steps.findLastIndex(({ isAcked }) => isAcked)
  for (const step of steps.slice(0, last + 1)) assert.ok(step.isAcked, 'acks come in order')
  return steps.findLastIndex(({ isAcked, isLazy }) => isAcked && isLazy !== true) + 1
}

/** Whatever came back; unfinished steps that made it are kept as done, the others are forgotten. */
async function checkRecovered(store: Store, commands: StoreCommands, what: string): Promise<void> {
  const acked = syncedSteps(commands)
  const picture = JSON.stringify(await pictureOf(store))
  const possible = pictures(commands, acked)
  const found = possible.lastIndexOf(picture)
  if (found < 0) {
    const names = commands.steps.map(({ name }) => name).slice(-30)
    assert.deepEqual(
      JSON.parse(picture),
      JSON.parse(possible[0] ?? ''),
      `${what}: ${acked} of ${commands.steps.length} ${names} damaged ${store.stats.damagedRecords}`,
    )
  }
  assert.equal(store.stats.damagedRecords, 0, what)
  commands.steps.length = acked + found
  for (const step of commands.steps) step.isAcked = true
}

async function work(store: Store, commands: StoreCommands, machine: Machine): Promise<void> {
  for (let i = machine.random.below(40); i > 0; i--) {
    if (machine.random.below(12) === 0) machine.clock.advance(1_500)
    await commands.one(store)
    if (machine.random.below(3) === 0) await settle(machine.random.below(6))
    if (machine.random.below(8) === 0) await committedBarrier(store)
  }
  await settle(machine.random.below(20))
}

describe('store and power cuts', function () {
  this.timeout(180_000)

  for (const kind of KINDS)
    it(`loses nothing that was acknowledged (${kind}, seed=${seed})`, async () => {
      for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
        const random = new SeededRandom(runSeed)
        const machine: Machine = {
          disk: new SimDisk({ random: random.fork() }),
          clock: new StoreClock(),
          segmentBytes: 512 + random.below(3000),
          // From a commit for nearly each record to one for all of a turn.
          earlyCommitBytes: 1 + random.below(2000),
          random,
        }
        const keys = kind === 'plain' ? undefined : new DrawnKeys(random.fork())
        if (keys !== undefined) machine.encryption = keys.encryption
        const commands = new StoreCommands(random.fork())
        const what = `SEED=${runSeed}`
        try {
          let store = await open(machine)
          commands.begin(store)
          await committedBarrier(store)
          for (let round = 0; round < 6; round++) {
            await work(store, commands, machine)
            machine.disk =
              random.below(4) === 0 ? machine.disk.kill() : machine.disk.powerCut(random.fork())
            machine.clock = new StoreClock()
            const { encryption = {} } = machine
            await assertWhole(
              machine.disk,
              machine.clock,
              '/data',
              `${what} round ${round}`,
              encryption,
            )
            store = await open(machine)
            if (keys !== undefined) machine.encryption = keys.next(store)
            await checkRecovered(store, commands, `${what} round ${round}`)
          }
          await store.destroy()
        } catch (error) {
          throw new Error(`${what} failed`, { cause: error })
        }
      }
    })

  for (const kind of KINDS)
    it(`survives a cut behind every single change of the disk (${kind}, seed=${seed})`, async () => {
      const random = new SeededRandom(seed)
      const disk = new SimDisk({ random: random.fork(), isRecording: true })
      const encryption = kind === 'plain' ? {} : { key: bytes('a key of more than sixteen bytes') }
      const machine: Machine = {
        disk,
        clock: new StoreClock(),
        segmentBytes: kind === 'plain' ? 1_400 : 1_800,
        earlyCommitBytes: 200,
        random,
        encryption,
      }
      const commands = new StoreCommands(random.fork())
      const ackedAt: number[] = []
      // What was acknowledged at the last note held for all changes since; more may have been by the end.
      let acked = 0
      const note = (): void => {
        while (ackedAt.length < disk.recorded) ackedAt.push(acked)
        acked = syncedSteps(commands)
        ackedAt[disk.recorded] = acked
      }
      const store = await open(machine)
      commands.begin(store)
      await committedBarrier(store)
      note()
      const from = disk.recorded
      for (let i = 0; i < 60; i++) {
        if (i % 15 === 14) machine.clock.advance(1_500)
        await commands.one(store)
        await settle(2)
        note()
      }
      await settle(80)
      await store.destroy()
      for (let cut = from; cut <= disk.recorded; cut++) {
        const cutDisk = disk.powerCutAt(cut, random.fork())
        const again = await open(machine, cutDisk, new StoreClock())
        const before = ackedAt[Math.min(cut, ackedAt.length - 1)] ?? 0
        const picture = JSON.stringify(await pictureOf(again))
        const possible = pictures(commands, before)
        assert.ok(possible.includes(picture), `SEED=${seed} cut ${cut}, ${before} acknowledged`)
        await again.destroy()
      }
    })

  it('has a transaction of a thousand messages whole or not at all, cut at any byte', async () => {
    const disk = new SimDisk({ random: new SeededRandom(seed) })
    const machine: Machine = {
      disk,
      clock: new StoreClock(),
      segmentBytes: 1 << 20,
      random: new SeededRandom(seed),
    }
    const store = await open(machine)
    const streams = ['a', 'b'].map((name) => store.createStream(name, bytes(''), noLimits))
    for (const stream of streams) stream.append(bytes('s'), bytes(''), bytes('before'))
    await committedBarrier(store)
    const file = '/data/journal/0000000001.log'
    const before = disk.bytesOf(file).length
    store.transaction(() => {
      for (let i = 0; i < TRANSACTION_MESSAGES; i++) {
        streams[i % 2]!.append(bytes('s'), bytes(''), bytes(`${i}`))
      }
      streams[0]!.states.set('batch', bytes('done'))
    })
    await committedBarrier(store)
    const whole = disk.bytesOf(file)
    await store.destroy()
    const after = whole.length
    // Every byte near the ends, where records of the group begin and end, and some in between.
    for (let size = before; size <= after; size += 1 + cutStep(size, before, after)) {
      const cut = new SimDisk({ random: new SeededRandom(size) })
      await cut.makeDirectory('/data/journal')
      await copyFile(disk, cut, '/data/store.json')
      await cut.writeFileAtomic(file, whole.subarray(0, size))
      const again = await open(machine, cut, new StoreClock())
      const counts = ['a', 'b'].map((name) => again.streams.get(name)?.state.messages)
      const isDone = again.streams.get('a')?.states.get('batch') !== undefined
      const share = size === after ? 1 + TRANSACTION_MESSAGES / 2 : 1
      assert.deepEqual(counts, [share, share], `cut at ${size} of ${before}..${after}`)
      assert.equal(isDone, size === after)
      await again.destroy()
    }
  })
})

/** How many bytes to leave out after this one. */
function cutStep(size: number, before: number, after: number): number {
  return size - before < 200 || after - size < 200 ? 0 : 96
}

async function copyFile(from: SimDisk, to: SimDisk, path: string): Promise<void> {
  await to.writeFileAtomic(path, await from.readFile(path))
}
