import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom, SystemClock, SystemDisk } from '../../../shared/runtime/index.ts'
import { crc32 } from '../../../shared/store/crc.ts'
import {
  checkStore,
  exportStore,
  openStore,
  type Store,
  type StoreEncryption,
  type StreamStore,
} from '../../../shared/store/index.ts'
import { SimDisk } from '../../sim/index.ts'
import { eventually } from '../../support/link-node.ts'
import {
  appendDurably,
  bytes,
  committed,
  noLimits,
  readAll,
  StoreFolder,
} from '../../support/opened-store.ts'
import { StoreClock, settle } from '../../support/store-clock.ts'

const KEY = bytes('a key of thirty-two random bytes')
const OTHER_KEY = bytes('and another one, as long as that')
const FIRST = '/data/journal/0000000001.log'
const HEADER_BYTES = 144
const RECORD_HEADER_BYTES = 48
const COUNT = 8

/** Whatever a thief may look for. */
const SECRETS = [
  'streamname',
  'streamconfig',
  'sub.ject',
  'head-er',
  'pay-load',
  'state-key',
  'state-value',
  'mark-key',
  'mark-value',
]

function openSim(
  disk: SimDisk,
  encryption: StoreEncryption,
  random = new SeededRandom(7),
): Promise<Store> {
  const clock = new StoreClock()
  return openStore({ directory: '/data', clock, random, disk, log: silentLog, encryption })
}

function streamOf(store: Store, name = 'streamname'): StreamStore {
  const stream = store.streams.get(name)
  assert.ok(stream)
  return stream
}

/** Many small segments, with indexes, of which some were rewritten. */
async function fill(store: Store): Promise<string[]> {
  const stream = store.createStream('streamname', bytes('streamconfig'), noLimits)
  stream.states.set('state-key', bytes('state-value'))
  store.marks.set('mark-key', bytes('mark-value'))
  for (let i = 1; i <= 60; i++) {
    await appendDurably(
      stream,
      `sub.ject.${i % 9}`,
      `pay-load ${i}`,
      'NATS/1.0\r\nhead-er: 1\r\n\r\n',
    )
  }
  for (let seq = 2; seq < 50; seq += 1 + (seq % 3)) stream.remove(seq)
  await committed(store)
  return readAll(stream)
}

function allFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? allFiles(path) : [path]
  })
}

/** Which secrets can be read in the files. */
function readable(folder: StoreFolder): string[] {
  const contents = allFiles(folder.path).map((file) => readFileSync(file).toString('latin1'))
  return SECRETS.filter((secret) => contents.some((content) => content.includes(secret)))
}

describe('store, encryption', function () {
  this.timeout(60_000)
  let folder: StoreFolder

  beforeEach(() => {
    folder = new StoreFolder()
  })

  afterEach(() => folder.remove())

  for (const cipher of ['aes', 'chacha'] as const) {
    it(`leaves nothing readable in the directory, and reads it again (${cipher})`, async () => {
      const encryption = { cipher, key: KEY }
      const store = await folder.open({ segmentBytes: 2048, encryption })
      const lines = await fill(store)
      const isIndexed = (): boolean =>
        allFiles(folder.journal).some((file) => file.endsWith('.idx'))
      await eventually(isIndexed, 'indexes')
      assert.deepEqual(readable(folder), [])
      await store.drain()
      assert.deepEqual(readable(folder), [])
      const again = await folder.open({ segmentBytes: 2048, encryption })
      assert.deepEqual(await readAll(streamOf(again)), lines)
      assert.equal(Buffer.from(streamOf(again).config).toString(), 'streamconfig')
      assert.equal(
        Buffer.from(streamOf(again).states.get('state-key') ?? []).toString(),
        'state-value',
      )
      assert.equal(Buffer.from(again.marks.get('mark-key') ?? []).toString(), 'mark-value')
      assert.equal(again.stats.damagedRecords, 0)
      assert.equal(again.stats.encryption?.segmentsLeft, 0)
    })
  }

  it('would have found all of it without a key', async () => {
    const store = await folder.open({ segmentBytes: 2048 })
    await fill(store)
    assert.deepEqual(readable(folder), SECRETS)
  })

  it('refuses to start without the key, names the one that is wanted, and changes nothing', async () => {
    const store = await folder.open({ segmentBytes: 2048, encryption: { key: KEY } })
    await fill(store)
    const keyId = store.stats.encryption?.keyId ?? ''
    await store.drain()
    const picture = () =>
      allFiles(folder.path)
        .filter((file) => !file.endsWith('lock'))
        .map((file) => [file, readFileSync(file).toString('base64')])
    const before = picture()
    for (const encryption of [
      {},
      { key: OTHER_KEY },
      { key: OTHER_KEY, previousKey: bytes('neither is this one it') },
    ]) {
      await assert.rejects(folder.open({ segmentBytes: 2048, encryption }), (error: Error) => {
        assert.equal((error as Error & { code: string }).code, 'PETIOLE_STORE_KEY')
        assert.match(error.message, new RegExp(`wanted: key ${keyId} for \\d+ segments`))
        assert.match(error.message, /0000000001\.log/)
        return true
      })
      assert.deepEqual(picture(), before)
    }
    await assert.rejects(folder.open({ encryption: { key: bytes('short') } }), {
      code: 'PETIOLE_STORE_KEY',
    })
    const again = await folder.open({ segmentBytes: 2048, encryption: { key: KEY } })
    assert.equal(streamOf(again).state.lastSeq, 60)
  })

  it('is checked without the key, and exported only with it', async () => {
    const store = await folder.open({ segmentBytes: 2048, encryption: { key: KEY } })
    const lines = await fill(store)
    await store.drain()
    const options = { disk: new SystemDisk(), clock: new SystemClock(), directory: folder.path }
    const blind = await checkStore(options)
    assert.equal(blind.ok, true)
    assert.equal(blind.locked[0]?.segments, blind.segments.length)
    assert.deepEqual(blind.streams, [])
    assert.ok(blind.segments.every(({ records }) => records > 0))
    const other = await checkStore({ ...options, encryption: { key: bytes('k'.repeat(32)) } })
    assert.equal(other.ok, false)
    assert.match(other.problems[0]?.problem ?? '', /which was not given \(given: [0-9a-f]+\)/)
    const seeing = await checkStore({ ...options, encryption: { key: KEY } })
    assert.deepEqual(seeing.problems, [])
    assert.deepEqual(seeing.locked, [])
    assert.equal(seeing.streams[0]?.messages, lines.length)
    const exported: string[] = []
    const write = async (chunk: Uint8Array): Promise<void> => {
      exported.push(...Buffer.from(chunk).toString().trim().split('\n'))
    }
    const request = { ...options, streams: [], format: 'json' as const, write }
    await assert.rejects(exportStore(request), { code: 'PETIOLE_STORE_KEY' })
    await exportStore({ ...request, encryption: { key: KEY } })
    assert.equal(exported.length, lines.length)
  })

  describe('and who changes files', () => {
    /** Where the records lie, from the first one on. */
    function recordsIn(
      content: Uint8Array,
    ): { at: number; length: number; type: number; seq: number }[] {
      const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
      const found: { at: number; length: number; type: number; seq: number }[] = []
      for (let at = HEADER_BYTES; at < content.length; at += view.getUint32(at, true)) {
        const length = view.getUint32(at, true)
        found.push({ at, length, type: content[at + 8] ?? 0, seq: view.getUint32(at + 20, true) })
      }
      return found
    }

    /** Makes the checksum fit, which everybody can. */
    function stamp(content: Uint8Array, at: number): void {
      const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
      const length = view.getUint32(at, true)
      const salt = view.getUint32(12, true)
      view.setUint32(at + 4, crc32(content, at + 8, at + length, (salt ^ length) >>> 0), true)
    }

    async function written(): Promise<{ disk: SimDisk; lines: string[] }> {
      const disk = new SimDisk({ random: new SeededRandom(1), isRecording: true })
      const store = await openSim(disk, { key: KEY })
      const stream = store.createStream('streamname', bytes('config'), noLimits)
      for (let i = 1; i <= COUNT; i++) await appendDurably(stream, `s.${i % 3}`, `payload ${i}`)
      const lines = await readAll(stream)
      await store.drain()
      return { disk, lines }
    }

    async function put(disk: SimDisk, content: Uint8Array): Promise<SimDisk> {
      const copy = disk.powerCutAt(disk.recorded, new SeededRandom(3))
      const file = await copy.open(FIRST, 'write')
      await file.writev([content], 0)
      await file.datasync()
      await file.close()
      return copy
    }

    it('gets no record past that was changed in any byte, whatever its checksum says', async () => {
      const { disk, lines } = await written()
      const content = disk.bytesOf(FIRST)
      let refused = 0
      for (const record of recordsIn(content).filter(({ type }) => type === 1)) {
        // The length is what finds the next record: that is damage as without a key.
        for (let i = 8; i < record.length; i++) {
          const changed = Uint8Array.from(content)
          changed[record.at + i] = (changed[record.at + i] ?? 0) ^ (1 << (i % 8))
          stamp(changed, record.at)
          const store = await openSim(await put(disk, changed), { key: KEY })
          const left = await readAll(streamOf(store))
          assert.deepEqual(
            left,
            lines.filter((line) => !line.startsWith(`${record.seq} `)),
            `byte ${i} of message ${record.seq}`,
          )
          refused += store.stats.damagedRecords
          await store.destroy()
        }
      }
      assert.ok(refused > COUNT * RECORD_HEADER_BYTES)
    })

    it('gets no record past that was put in the place of another, or comes from another segment', async () => {
      const { disk, lines } = await written()
      const content = disk.bytesOf(FIRST)
      const messages = recordsIn(content).filter(({ type }) => type === 1)
      const [one, two] = [messages[2], messages[5]]
      assert.ok(one !== undefined && two !== undefined && one.length === two.length)
      const swapped = Uint8Array.from(content)
      swapped.set(content.subarray(two.at, two.at + two.length), one.at)
      swapped.set(content.subarray(one.at, one.at + one.length), two.at)
      const store = await openSim(await put(disk, swapped), { key: KEY })
      const left = await readAll(streamOf(store))
      assert.deepEqual(
        left,
        lines.filter((line) => !/^[36] /.test(line)),
      )
      await store.destroy()

      const other = new SimDisk({ random: new SeededRandom(9) })
      const elsewhere = await openSim(other, { key: KEY }, new SeededRandom(99))
      const stream = elsewhere.createStream('streamname', bytes('config'), noLimits)
      for (let i = 1; i <= COUNT; i++) await appendDurably(stream, `s.${i % 3}`, `pretend ${i}`)
      await elsewhere.drain()
      const foreign = Uint8Array.from(content)
      foreign.set(other.bytesOf(FIRST).subarray(one.at, one.at + one.length), one.at)
      stamp(foreign, one.at)
      const again = await openSim(await put(disk, foreign), { key: KEY })
      assert.deepEqual(
        await readAll(streamOf(again)),
        lines.filter((line) => !line.startsWith('3 ')),
      )
      await again.destroy()
    })

    it('is met by a reader, too', async () => {
      const { disk, lines } = await written()
      const copy = disk.powerCutAt(disk.recorded, new SeededRandom(3))
      const store = await openSim(copy, { key: KEY })
      const content = Uint8Array.from(copy.bytesOf(FIRST))
      const third = recordsIn(content).filter(({ type }) => type === 1)[2]
      assert.ok(third)
      content[third.at + 60] = (content[third.at + 60] ?? 0) ^ 1
      stamp(content, third.at)
      const file = await copy.open(FIRST, 'write')
      await file.writev([content], 0)
      assert.deepEqual(
        await readAll(streamOf(store)),
        lines.filter((line) => !line.startsWith('3 ')),
      )
      assert.equal(store.stats.damagedRecords, 1)
      await settle()
      await store.destroy()
    })
  })

  describe('and another key', () => {
    const open = (encryption: StoreEncryption) => folder.open({ segmentBytes: 2048, encryption })

    it('is turned on, changed and turned off, while all is read; nothing of the old key is left', async () => {
      const plain = await open({})
      const lines = await fill(plain)
      await plain.drain()
      const ways: StoreEncryption[] = [
        { key: KEY },
        { key: OTHER_KEY, previousKey: KEY },
        { key: OTHER_KEY, cipher: 'chacha' },
        { previousKey: OTHER_KEY },
      ]
      for (const [i, encryption] of ways.entries()) {
        const store = await open(encryption)
        const stream = streamOf(store)
        assert.ok((store.stats.encryption?.segmentsLeft ?? 0) > 3, `way ${i}`)
        assert.deepEqual(await readAll(stream), lines)
        await appendDurably(stream, 'sub.ject.new', `way ${i}`)
        lines.push(`${stream.state.lastSeq} sub.ject.new way ${i}`)
        const isDone = (): boolean => (store.stats.encryption?.segmentsLeft ?? 0) === 0
        await eventually(isDone, `way ${i}`)
        assert.deepEqual(await readAll(stream), lines)
        assert.deepEqual(readable(folder), encryption.key === undefined ? SECRETS : [])
        assert.equal(store.stats.damagedRecords, 0)
        await store.drain()
        const { cipher = 'aes', key } = encryption
        const without = await open(key === undefined ? {} : { key, cipher })
        assert.deepEqual(await readAll(streamOf(without)), lines)
        await without.drain()
      }
    })

    it('is not taken before all of the old one is written again', async () => {
      const store = await open({ key: KEY })
      const lines = await fill(store)
      await store.drain()
      const begun = await open({ key: OTHER_KEY, previousKey: KEY })
      await begun.destroy()
      await assert.rejects(open({ key: OTHER_KEY }), { code: 'PETIOLE_STORE_KEY' })
      const again = await open({ key: OTHER_KEY, previousKey: KEY })
      assert.deepEqual(await readAll(streamOf(again)), lines)
    })
  })
})
