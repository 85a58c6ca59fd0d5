import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import {
  checkStore,
  exportStore,
  openStore,
  renderCheck,
  renderRepair,
  repairStore,
  type Store,
  type StoreReport,
} from '../../shared/store/index.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

/**
 * `petiole store check|repair|export` on stores in which a byte was changed: each byte of each kind of file of a
 * small store that has everything: sealed segments with indexes, deletes, states, marks, two streams.
 */

const COUNT = 26
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const clock = new StoreClock()

function open(disk: SimDisk, log: Log = silentLog): Promise<Store> {
  return openStore({
    directory: '/data',
    clock,
    random: new SeededRandom(7),
    disk,
    log,
    owner: 'hub one',
    segmentBytes: 600,
    reserveBytes: 64,
  })
}

interface Written {
  readonly disk: SimDisk
  readonly lines: Readonly<Record<string, readonly string[]>>
}

async function written(): Promise<Written> {
  const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
  const store = await open(disk)
  const a = store.createStream('G/a', bytes('config a'), noLimits)
  const b = store.createStream('G/b', bytes('config b'), noLimits)
  for (let i = 1; i <= COUNT; i++) {
    await appendDurably(i % 3 === 0 ? b : a, `s.${i % 4}`, `payload ${i}`)
    if (i === 10) a.states.set('consumer', bytes('state'))
    if (i === 12) store.marks.set('mark', bytes('value'))
    if (i === 15) a.remove(3)
  }
  await committed(store)
  clock.advance(5_000)
  await settle(200)
  const lines = { 'G/a': await readAll(a), 'G/b': await readAll(b) }
  await store.drain()
  return { disk, lines }
}

function check(disk: SimDisk): Promise<StoreReport> {
  return checkStore({ disk, clock, directory: '/data' })
}

async function filesOf(disk: SimDisk): Promise<string[]> {
  const names = (await disk.list('/data')).filter((name) => !['journal', 'reserve'].includes(name))
  const journal = await disk.list('/data/journal')
  return [...names.map((name) => `/data/${name}`), ...journal.map((it) => `/data/journal/${it}`)]
}

/** Of files that are alike, one: of the two copies of what the store is, of sealed segments, and of their indexes. */
function oneOfEachKind(files: readonly string[]): readonly string[] {
  const logs = files.filter((file) => file.endsWith('.log'))
  const kinds = [
    files.filter((file) => file.includes('store.json')),
    files.filter((file) => file.endsWith('.idx')),
    // The first has the configurations, and the last is written to.
    logs.slice(1, -1),
  ]
  const random = new SeededRandom(SEED)
  const drawn = kinds.map((alike) => alike[random.below(alike.length)])
  return files.filter((file) => drawn.includes(file) || !kinds.flat().includes(file))
}

/** What lives in the store after a start: lines of streams, and how many records were damaged. */
async function startAgain(disk: SimDisk) {
  const store = await open(disk)
  const lines: Record<string, string[]> = {}
  const reported: number[] = []
  for (const [name, stream] of store.streams) {
    stream.onEvict(({ cause, messages }) => {
      if (cause === 'damage') reported.push(messages)
    })
    lines[name] = await readAll(stream)
  }
  await settle(5)
  await store.destroy()
  return { lines, reported: reported.reduce((total, count) => total + count, 0) }
}

async function exported(disk: SimDisk, format: 'json' | 'raw', streams: readonly string[]) {
  const parts: Uint8Array[] = []
  const write = async (part: Uint8Array) => void parts.push(part)
  const options = { disk, clock, directory: '/data', streams, format, write }
  const summary = await exportStore(options)
  return { summary, text: Buffer.concat(parts).toString() }
}

async function cut(disk: SimDisk, path: string, size: number): Promise<void> {
  const file = await disk.open(path, 'write')
  await file.truncate(size)
  await file.datasync()
  await file.close()
}

function lostOf({ streams }: StoreReport): number {
  const runs = streams.flatMap(({ lost }) => lost)
  return runs.reduce((sum, [first, last]) => sum + last - first + 1, 0)
}

function missing({ lines }: Written, now: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(lines).flatMap(([name, all]) =>
    all.filter((line) => !(now[name] ?? []).includes(line)),
  )
}

describe('store check, repair and export', function () {
  this.timeout(300_000)
  let store: Written

  before(async () => {
    store = await written()
    const segments = (await store.disk.list('/data/journal')).filter((it) => it.endsWith('.log'))
    assert.ok(segments.length >= 4, `${segments.length} segments`)
  })

  it('find nothing wrong with what a server left, and say what is in it', async () => {
    const report = await check(store.disk)
    assert.deepEqual(report.problems, [])
    assert.equal(report.ok, true)
    assert.equal(report.owner, 'hub one')
    assert.deepEqual(
      report.streams.map(({ name, messages }) => [name, messages]),
      Object.entries(store.lines).map(([name, all]) => [name, all.length]),
    )
    assert.ok(report.segments.some(({ index }) => index === 'fits'))
  })

  it('refuse a store that a server has open, and what is none', async () => {
    const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(1))
    const running = await open(copy)
    await assert.rejects(check(copy), { code: 'PETIOLE_STORE_LOCKED', message: /stop that server/ })
    await running.destroy()
    assert.equal((await check(copy)).segments.length > 0, true)
    await assert.rejects(checkStore({ disk: copy, clock, directory: '/elsewhere' }), {
      code: 'PETIOLE_STORE_FOREIGN',
    })
  })

  it(`lose at most one message to any byte that changed in any file; report, repair and start (SEED=${SEED})`, async () => {
    let found = 0
    let total = 0
    for (const file of oneOfEachKind(await filesOf(store.disk))) {
      const size = store.disk.bytesOf(file).length
      for (let at = 0; at < size; at++) {
        const what = `SEED=${SEED} ${file} byte ${at}`
        const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(at))
        copy.corrupt(file, at, 1 << (at % 8))
        const { done, after } = await repairStore({ disk: copy, clock, directory: '/data' })
        const lostNamed = lostOf(after)
        assert.deepEqual(after.problems, [], what)
        const now = await startAgain(copy)
        const lost = missing(store, now.lines)
        assert.ok(lost.length <= 1, `${what} costs ${lost}`)
        assert.equal(lostNamed, lost.length, `${what}: ${done}`)
        assert.equal(now.reported, lost.length, what)
        if (lost.length > 0) assert.ok(done.length > 0, what)
        total++
        if (done.length > 0) found++
      }
    }
    assert.ok(found > total * 0.8, `${found} of ${total} found`)
  })

  it('say that something does not hold, until it is repaired', async () => {
    const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(1))
    copy.corrupt('/data/journal/0000000002.log', 70, 1)
    const before = await check(copy)
    assert.equal(before.ok, false)
    assert.match(before.problems[0]?.problem ?? '', /^bytes \d+ to \d+ are damaged/)
    await repairStore({ disk: copy, clock, directory: '/data' })
    assert.equal((await check(copy)).ok, true)
    assert.deepEqual((await repairStore({ disk: copy, clock, directory: '/data' })).done, [])
  })

  it('lose nothing more when the power fails in a repair, or in the start after it', async () => {
    const own = await written()
    const { disk } = own
    const journal = '/data/journal/'
    const message = Buffer.from(disk.bytesOf(`${journal}0000000002.log`)).indexOf('payload 7')
    const places: [string, number][] = [
      [`${journal}0000000001.log`, 9],
      [`${journal}0000000002.log`, message],
      [`${journal}0000000003.idx`, 30],
      ['/data/store.json', 12],
    ]
    for (const [path, at] of places) {
      const file = await disk.open(path, 'write')
      await file.writev([bytes('?')], at)
      await file.datasync()
      await file.close()
    }
    const begun = disk.recorded
    await repairStore({ disk, clock, directory: '/data' })
    const expected = (await startAgain(disk)).lines
    assert.equal(missing(own, expected).length, 1)
    for (let cut = begun; cut <= disk.recorded; cut++) {
      const copy = disk.powerCutAt(cut, new SeededRandom(cut))
      const { after } = await repairStore({ disk: copy, clock, directory: '/data' })
      assert.deepEqual(after.problems, [], `cut at ${cut}`)
      assert.deepEqual((await startAgain(copy)).lines, expected, `cut at ${cut}`)
    }
  })

  it('export what can be read, as lines and raw', async () => {
    const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(1))
    const holdsIt = (file: string) => Buffer.from(copy.bytesOf(file)).indexOf('payload 5')
    const file = (await filesOf(copy)).find((name) => name.endsWith('.log') && holdsIt(name) > 0)!
    copy.corrupt(file, holdsIt(file), 1)
    const json = await exported(copy, 'json', [])
    const lines = json.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const all = Object.values(store.lines).flat().length
    assert.deepEqual(json.summary, { streams: 2, messages: all - 1, lost: 1 })
    assert.equal(lines.length, all - 1)
    assert.equal(Buffer.from(lines[0].payload, 'base64').toString(), 'payload 1')
    assert.deepEqual(Object.keys(lines[0]), [
      'stream',
      'seq',
      'time',
      'subject',
      'headers',
      'payload',
    ])
    const raw = await exported(copy, 'raw', ['b'])
    assert.ok(raw.text.startsWith('payload 3payload 6'))
    await assert.rejects(exported(copy, 'json', ['nope']), { message: /only: G\/a, G\/b/ })
  })

  it('tell what a segment lost that was cut, wherever, until a repair has noted it', async () => {
    const path = '/data/journal/0000000002.log'
    const size = store.disk.bytesOf(path).length
    let most = 0
    for (const at of [0, 20, 48, 49, 200, size >> 1, size - 1]) {
      const what = `cut at ${at}`
      const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(at))
      await cut(copy, path, at)
      const before = await check(copy)
      assert.equal(before.ok, false, what)
      assert.ok(
        before.problems.some(({ problem }) => /bytes are gone/.test(problem)),
        what,
      )
      const { summary } = await exported(copy, 'json', [])
      const other = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(at))
      await cut(other, path, at)
      const now = await startAgain(other)
      const lost = missing(store, now.lines).length
      assert.equal(summary.lost, lost, what)
      assert.equal(lostOf(before), lost, what)
      assert.equal(now.reported, lost, `${what}: told by the server`)
      await repairStore({ disk: copy, clock, directory: '/data' })
      const after = await check(copy)
      assert.deepEqual(after.problems, [], what)
      assert.equal(lostOf(after), lost, what)
      assert.ok(
        after.notices.some(({ problem }) => problem.startsWith('lost before: ')),
        what,
      )
      const { lines, reported } = await startAgain(copy)
      assert.deepEqual([lines, reported], [now.lines, lost], `${what}: started after the repair`)
      const running = await open(copy)
      clock.advance(5_000)
      await settle(200)
      await running.drain()
      const later = await startAgain(copy)
      assert.deepEqual([later.lines, later.reported], [now.lines, 0], `${what}: told once`)
      assert.equal((await check(copy)).ok, true, what)
      most = Math.max(most, lost)
    }
    assert.ok(most > 3, `${most} lost at most`)
  })

  it('export messages of streams whose configuration went with a segment, and count what is lost', async () => {
    const path = '/data/journal/0000000001'
    const change: Record<string, (disk: SimDisk) => Promise<void>> = {
      removed: (disk) => disk.remove(`${path}.log`),
      empty: (disk) => cut(disk, `${path}.log`, 0),
      headless: async (disk) => {
        for (const at of [9, 33]) disk.corrupt(`${path}.log`, at, 1)
      },
    }
    for (const [what, damage] of Object.entries(change)) {
      const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(1))
      await copy.remove(`${path}.idx`)
      await damage(copy)
      const { summary, text } = await exported(copy, 'json', [])
      const lines = text.trimEnd().split('\n')
      const all = Object.values(store.lines).flat().length
      assert.equal(summary.messages, lines.length, what)
      assert.ok(summary.lost > 0, what)
      // One message was deleted while it lay there: nobody can tell it from those that are lost.
      assert.ok(summary.messages + summary.lost - all <= 1, `${what}: ${JSON.stringify(summary)}`)
      assert.ok(summary.messages + summary.lost >= all, what)
      const names = new Set(lines.map((line) => JSON.parse(line).stream))
      assert.deepEqual([...names].sort(), ['?/stream-1', '?/stream-2'], what)
      assert.equal(lostOf(await check(copy)), summary.lost, what)
      const one = await exported(copy, 'json', ['stream-2'])
      assert.equal(one.summary.streams, 1)
    }
  })

  it('say that a segment with configurations is gone, and what no repair can do', async () => {
    const copy = store.disk.powerCutAt(store.disk.recorded, new SeededRandom(1))
    for (const end of ['log', 'idx']) await copy.remove(`/data/journal/0000000001.${end}`)
    const errors: string[] = []
    const log = { ...silentLog, error: (_: unknown, text: string) => void errors.push(text) }
    await (await open(copy, log)).destroy()
    const told = errors.filter((text) => text.startsWith('configuration of a stream is gone'))
    assert.equal(told.length, 2)
    const { done, after } = await repairStore({ disk: copy, clock, directory: '/data' })
    const text = renderRepair({ directory: '/data', done, after })
    assert.match(text, /no repair can put these right: docs\/operations\.md/)
    assert.doesNotMatch(text, /puts right what it can/)
    assert.match(renderCheck(after), /petiole store repair/)
  })
})
