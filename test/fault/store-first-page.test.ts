import assert from 'node:assert/strict'
import { type Log, silentLog } from '../../shared/log/index.ts'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import {
  checkStore,
  exportStore,
  openStore,
  repairStore,
  type Store,
  type StoreEncryption,
} from '../../shared/store/index.ts'
import { RECORD_HEADER_BYTES } from '../../shared/store/record.ts'
import { SimDisk } from '../sim/index.ts'
import { appendDurably, bytes, committed, noLimits, readAll } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

/**
 * A disk that loses the first sector or page of a segment, with both copies of its header: what lay there is lost, and
 * reported, and nothing else. The newest segment has no index that would know its header.
 */

const PAGE = 4096
const SECTOR = 512
const PAYLOAD_BYTES_MIN = 20
const SEGMENT_BYTES = 16 * 1024
const KEY: StoreEncryption = { key: bytes('a key of more than sixteen bytes') }
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const clock = new StoreClock()
const journal = '/data/journal'

function open(
  disk: SimDisk,
  encryption: StoreEncryption,
  options: { readonly log?: Log } = {},
): Promise<Store> {
  return openStore({
    directory: '/data',
    clock,
    random: new SeededRandom(7),
    disk,
    log: silentLog,
    segmentBytes: SEGMENT_BYTES,
    reserveBytes: 64,
    encryption,
    ...options,
  })
}

interface Line {
  readonly stream: string
  readonly text: string
}

interface Written {
  readonly disk: SimDisk
  /** Killed there, or ended. */
  readonly end: number
  readonly lines: readonly Line[]
  readonly newest: string
  readonly lastSeqs: ReadonlyMap<string, number>
}

/** A few streams over some segments, of which `rare` gets few messages. */
async function written(
  encryption: StoreEncryption,
  { segments, isKilled }: Shape,
  random: Random,
): Promise<Written> {
  const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
  const store = await open(disk, encryption)
  for (const name of ['often', 'rare']) store.createStream(name, bytes(`config ${name}`), noLimits)
  const append = async (): Promise<void> => {
    const isRare = random.float() < 0.05
    const stream = store.streams.get(isRare ? 'rare' : 'often')
    assert.ok(stream)
    const size = PAYLOAD_BYTES_MIN + random.below(300)
    await appendDurably(stream, 's', `${'x'.repeat(size)}${stream.assignedSeq}`)
    clock.advance(30)
    await settle(10)
  }
  while (store.stats.segments < segments) await append()
  const newest = (await disk.list(journal)).filter((name) => name.endsWith('.log')).at(-1)
  assert.ok(newest)
  // The newest one has some pages.
  const more = 2 * PAGE + random.below(PAGE)
  while (content(disk, `${journal}/${newest}`) < more) await append()
  clock.advance(5_000)
  await settle(200)
  await committed(store)
  const lines = []
  const lastSeqs = new Map<string, number>()
  for (const [name, stream] of store.streams) {
    for (const text of await readAll(stream)) lines.push({ stream: name, text })
    lastSeqs.set(name, stream.state.lastSeq)
  }
  const killed = disk.recorded
  await store.drain()
  return { disk, end: isKilled ? killed : disk.recorded, lines, newest, lastSeqs }
}

interface Shape {
  readonly segments: number
  readonly isKilled: boolean
}

function content(disk: SimDisk, file: string): number {
  return disk.bytesOf(file).findLastIndex((byte) => byte !== 0) + 1
}

type Kind = 'zeros' | 'garbage'

function lose(disk: SimDisk, file: string, from: number, to: number, kind: Kind): void {
  const bytesNow = disk.bytesOf(file)
  for (let at = from; at < Math.min(to, bytesNow.length); at++) {
    const now = bytesNow[at] as number
    const mask = kind === 'zeros' ? now : ((at * 167 + 13) & 0xff) ^ now
    if (mask !== 0) disk.corrupt(file, at, mask)
  }
}

/** What was said of streams, with what is there now. */
async function found(store: Store) {
  const lines: Line[] = []
  const reported = new Map<string, Set<number>>()
  for (const [name, stream] of store.streams) {
    const seqs = new Set<number>()
    reported.set(name, seqs)
    stream.onEvict(({ cause, firstSeq, lastSeq }) => {
      if (cause === 'damage') for (let seq = firstSeq; seq <= lastSeq; seq++) seqs.add(seq)
    })
    for (const text of await readAll(stream)) lines.push({ stream: name, text })
  }
  return { lines, reported }
}

function key({ stream, text }: Line): string {
  return `${stream} ${text}`
}

describe('store that lost the first page of a segment', function () {
  this.timeout(120_000)

  for (const [what, encryption] of [
    ['plain', {}],
    ['encrypted', KEY],
  ] as const) {
    for (const segments of [1, 3]) {
      for (const isKilled of [false, true]) {
        const shape = { segments, isKilled }
        const name = `${what}, ${segments} segments, ${isKilled ? 'killed' : 'closed'}`
        it(`loses what lay there, and nothing else (${name}, seed=${seed})`, () =>
          tryAll(encryption, shape, new SeededRandom(seed)))
      }
    }
  }

  async function tryAll(encryption: StoreEncryption, shape: Shape, random: Random): Promise<void> {
    const store = await written(encryption, shape, random)
    const drawn = SECTOR * (1 + random.below(PAGE / SECTOR - 1))
    const places = [
      [0, PAGE],
      [0, SECTOR],
      [drawn, drawn + SECTOR],
    ] as const
    const files = (await store.disk.list(journal)).filter((name) => name.endsWith('.log'))
    for (const file of shape.segments === 1 ? files : [files[0], files.at(-1)]) {
      for (const [from, to] of places) {
        for (const kind of ['zeros', 'garbage'] as const) {
          await tryOne(store, encryption, { file: `${journal}/${file}`, from, to, kind })
        }
      }
    }
  }

  interface Loss {
    readonly file: string
    readonly from: number
    readonly to: number
    readonly kind: Kind
  }

  async function tryOne(store: Written, encryption: StoreEncryption, loss: Loss): Promise<void> {
    const { file, from, to, kind } = loss
    const text = `${file} ${from} to ${to}, ${kind}`
    const copy = store.disk.powerCutAt(store.end, new SeededRandom(1))
    lose(copy, file, from, to, kind)
    const parts = { disk: copy, clock, directory: '/data', encryption }
    const checked = await checkStore(parts)
    const named = new Map(checked.streams.map(({ name, lost }) => [name, lost]))
    const again = await open(copy, encryption)
    const { lines, reported } = await found(again)
    const there = new Set(lines.map(key))
    const lost = store.lines.filter((line) => !there.has(key(line)))
    const most = Math.ceil((to - from) / (RECORD_HEADER_BYTES + PAYLOAD_BYTES_MIN)) + 1
    assert.ok(lost.length <= most, `${text}: ${lost.length} lost`)
    await settle(5)
    for (const [name, lastSeq] of store.lastSeqs) {
      const stream = again.streams.get(name)
      assert.ok(stream, `${text}: ${name}`)
      const seqs = lost
        .filter((line) => line.stream === name)
        .map((line) => Number.parseInt(line.text, 10))
      assert.deepEqual(
        [...(reported.get(name) ?? [])].sort((a, b) => a - b),
        seqs,
        `${text}: reported of ${name}`,
      )
      const runs = (named.get(name) ?? []).flatMap(([first, last]) =>
        Array.from({ length: last - first + 1 }, (_, i) => first + i),
      )
      assert.deepEqual(runs, seqs, `${text}: named of ${name}`)
      assert.equal(await appendDurably(stream, 's', 'next'), lastSeq + 1, `${text}: ${name}`)
    }
    if (lost.length > 0) assert.ok(!checked.ok, text)
    await again.drain()
    const later = await open(copy, encryption)
    const left = new Set((await found(later)).lines.map(key))
    for (const line of lines) assert.ok(left.has(key(line)), `${text}: ${key(line)} later`)
    await later.drain()
    await repairStore(parts)
    assert.deepEqual((await checkStore(parts)).problems, [], text)
    const write = async (): Promise<void> => {}
    const { messages } = await exportStore({ ...parts, streams: [], format: 'json', write })
    assert.equal(messages, lines.length + store.lastSeqs.size, text)
  }

  it('takes nothing behind it for broken off, though no commit says that it was on disk', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk, {})
    const sync = { everyMs: 60_000 }
    const stream = store.createStream('a', bytes('config'), noLimits, undefined, { sync })
    for (let i = 1; i <= 60; i++) await appendDurably(stream, 's', `${'x'.repeat(100)}${i}`)
    clock.advance(1_000)
    await settle(200)
    const lines = await readAll(stream)
    const end = disk.recorded
    await store.destroy()
    const file = `${journal}/0000000001.log`
    for (const isRepaired of [false, true]) {
      const copy = disk.powerCutAt(end, new SeededRandom(1))
      lose(copy, file, 0, PAGE, 'zeros')
      if (isRepaired) await repairStore({ disk: copy, clock, directory: '/data' })
      const again = await open(copy, {})
      assert.deepEqual(await readAll(again.streams.get('a')!), lines.slice(24))
      await again.destroy()
    }
  })

  it('leaves a stream removed whose removal lay there', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk, {})
    const left = store.createStream('left', bytes('config'), noLimits)
    const gone = store.createStream('gone', bytes('config'), noLimits)
    await appendDurably(gone, 's', 'removed')
    while (store.stats.segments < 2) await appendDurably(left, 's', 'x'.repeat(200))
    // The index of the first segment knows of no removal.
    clock.advance(1_000)
    await settle(200)
    store.removeStream('gone')
    const newest = `${journal}/0000000002.log`
    while (content(disk, newest) < 2 * PAGE) await appendDurably(left, 's', 'x'.repeat(200))
    clock.advance(1_000)
    await settle(200)
    await committed(store)
    assert.equal(store.stats.segments, 2)
    const copy = disk.powerCutAt(disk.recorded, new SeededRandom(1))
    await store.destroy()
    lose(copy, newest, 0, PAGE, 'zeros')
    const again = await open(copy, {})
    assert.deepEqual([...again.streams.keys()], ['left'])
    await again.destroy()
  })

  it('says that the newest segment is gone, or all that was in it, and gives its number to no other', async () => {
    const store = await written({}, { segments: 2, isKilled: false }, new SeededRandom(2))
    const file = `${journal}/${store.newest}`
    const ways: Record<string, (disk: SimDisk) => Promise<void>> = {
      'the newest segment is gone': (disk) => disk.remove(file),
      'all of it was cut off': async (disk) => {
        const handle = await disk.open(file, 'write')
        await handle.truncate(0)
        await handle.close()
      },
    }
    for (const [told, damage] of Object.entries(ways)) {
      const copy = store.disk.powerCutAt(store.end, new SeededRandom(1))
      await damage(copy)
      const { ok, problems } = await checkStore({ disk: copy, clock, directory: '/data' })
      assert.equal(ok, false, told)
      assert.equal(problems[0]?.file, `journal/${store.newest}`)
      assert.match(problems[0]?.problem ?? '', /is gone|was cut off/)
      // No repair makes it look well before a start has told it.
      await repairStore({ disk: copy, clock, directory: '/data' })
      const errors: unknown[] = []
      const log = { ...silentLog, error: (fields: unknown) => void errors.push(fields) }
      const again = await open(copy, {}, { log })
      assert.deepEqual(errors, [{ file, err: told, records: 1 }])
      assert.equal(again.stats.damagedRecords, 1)
      await appendDurably(again.streams.get('often')!, 's', 'next')
      const names = (await copy.list(journal)).filter((name) => name.endsWith('.log'))
      assert.ok((names.at(-1) ?? '') > store.newest, names.join())
      clock.advance(1_000)
      await settle(200)
      await again.drain()
      const later = await open(copy, {}, { log })
      assert.equal(errors.length, 1, 'told once')
      await later.drain()
    }
  })

  it('does not miss a newest segment that the store itself removed, wherever the power fails', async () => {
    const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
    const store = await open(disk, {})
    const stream = store.createStream('a', bytes('config'), noLimits)
    for (let i = 1; i <= 20; i++) await appendDurably(stream, 's', `${'x'.repeat(1_000)}${i}`)
    store.removeStream('a')
    await store.drain()
    // Not gone on with, because it is not encrypted.
    const again = await open(disk, KEY)
    for (let i = 0; i < 5; i++) {
      clock.advance(1_000)
      await settle(50)
    }
    const left = await disk.list(journal)
    assert.ok(!left.some((name) => name.endsWith('.log')), left.join())
    await again.destroy()
    for (let cut = 0; cut <= disk.recorded; cut++) {
      const errors: unknown[] = []
      const log = { ...silentLog, error: (fields: unknown) => void errors.push(fields) }
      const copy = disk.powerCutAt(cut, new SeededRandom(cut))
      await (await open(copy, KEY, { log })).destroy()
      assert.deepEqual(errors, [], `cut at ${cut}`)
    }
  })

  it('gives a store of before a second place for headers, and makes one that is damaged anew', async () => {
    const shape = { segments: 2, isKilled: false }
    const store = await written(KEY, shape, new SeededRandom(3))
    const heads = `${journal}/heads`
    const right = store.disk.bytesOf(heads)
    for (const [at, mended] of [
      [undefined, 0],
      [0, 1],
      [right.length - 1, 1],
    ] as const) {
      const copy = store.disk.powerCutAt(store.end, new SeededRandom(1))
      if (at === undefined) await copy.remove(heads)
      else copy.corrupt(heads, at, 1)
      const again = await open(copy, KEY)
      assert.equal(again.stats.mendedFiles, mended)
      clock.advance(1_000)
      await settle(200)
      assert.deepEqual(Buffer.from(copy.bytesOf(heads)), Buffer.from(right))
      await again.destroy()
    }
  })
})
