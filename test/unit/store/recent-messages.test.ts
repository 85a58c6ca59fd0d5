import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { openStore, type Store, type StreamStore } from '../../../shared/store/index.ts'
import { FRESH_BYTES, RECENT_BYTES, RECENT_READ_BYTES } from '../../../shared/store/limits.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, noLimits } from '../../support/opened-store.ts'
import { StoreClock } from '../../support/store-clock.ts'

/** What `recent` answers is what `get` would; where it says nothing, `get` knows. */
describe('store, messages that are at hand', () => {
  let disk: SimDisk
  let store: Store
  let stream: StreamStore

  async function open(
    segmentBytes: number,
    options: Partial<Parameters<typeof openStore>[0]> = {},
  ) {
    disk = new SimDisk({ random: new SeededRandom(1) })
    store = await openStore({
      directory: '/data',
      clock: new StoreClock(),
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes,
      reserveBytes: 0,
      ...options,
    })
    stream = await store.createStream('s', new Uint8Array(0), noLimits)
  }

  afterEach(() => store.destroy())

  const text = (seq: number, of = stream): string => {
    const message = of.recent(seq)
    if (message === undefined) return 'nothing'
    const { subject, headers, payload, timeMs } = message
    return `${message.seq} ${subject} ${Buffer.from(headers)} ${Buffer.from(payload)} ${timeMs}`
  }
  const fromGet = async (seq: number): Promise<string> => {
    const message = await stream.get(seq)
    assert.ok(message)
    const { subject, headers, payload, timeMs } = message
    return `${message.seq} ${subject} ${Buffer.from(headers)} ${Buffer.from(payload)} ${timeMs}`
  }
  const appended = async (payload: string, headers = '', of = stream): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      of.append(Buffer.from('a'), Buffer.from(headers), Buffer.from(payload), (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
  }

  it('are the same as those that are waited for, also between messages of another stream', async () => {
    await open(10 * FRESH_BYTES)
    const other = await store.createStream('other', new Uint8Array(0), noLimits)
    const seed = Math.floor(Math.random() * 1e9)
    const random = new SeededRandom(seed)
    for (let i = 1; i <= 100; i++) {
      await appended(
        'x'.repeat(random.below(200)),
        random.below(2) === 0 ? '' : 'NATS/1.0\r\nA: b\r\n\r\n',
      )
      for (let n = random.below(3); n > 0; n--) await appended(`other ${i}`, '', other)
    }
    for (let seq = 1; seq <= 100; seq++) {
      assert.equal(text(seq), await fromGet(seq), `seed=${seed} seq=${seq}`)
    }
    assert.match(text(1, other), /other/)
  })

  it('are none that are removed, not yet on disk, or never were', async () => {
    await open(10 * FRESH_BYTES)
    await appendDurably(stream, 'a', 'x')
    await appendDurably(stream, 'a', 'y')
    await new Promise<void>((resolve) => stream.remove(1, () => resolve()))
    const stored = appendDurably(stream, 'a', 'z')
    assert.deepEqual(
      [0, 1, 3, 4].map((seq) => text(seq)),
      Array(4).fill('nothing'),
    )
    await stored
    assert.match(text(3), / z /)
  })

  it('are none that are large or lie far back', async () => {
    await open(2 * RECENT_BYTES)
    await appended('first')
    assert.match(text(1), /first/)
    for (let i = 0; i < 16; i++) await appended('small')
    await appended('x'.repeat(RECENT_READ_BYTES))
    await appended('last')
    assert.equal(text(18), 'nothing')
    assert.match(text(1), /first/)
    await appended('x'.repeat(RECENT_BYTES))
    assert.equal(text(1), 'nothing')
    assert.match(await fromGet(1), /first/)
  })

  it('are none of a segment that is not written any more', async () => {
    await open(4_000)
    for (let i = 1; i <= 100; i++) await appended('x'.repeat(100))
    const segments = (await disk.list('/data/journal')).filter((file) => file.endsWith('.log'))
    assert.ok(segments.length > 2)
    const atHand = Array.from({ length: 100 }, (_, i) => i + 1).filter((seq) => stream.recent(seq))
    assert.ok(atHand.length > 0 && atHand.length < 50, String(atHand))
    for (const seq of [1, 100]) assert.match(await fromGet(seq), /x{100}/)
  })

  it('are read of encrypted segments, and left to who waits where they are compressed', async () => {
    await open(10 * FRESH_BYTES, { encryption: { key: Buffer.alloc(32, 7) } })
    const options = { compression: 's2' } as const
    const squeezed = await store.createStream('z', new Uint8Array(0), noLimits, undefined, options)
    for (let i = 1; i <= 20; i++) {
      await appended(`secret ${i}`)
      await appended('again and '.repeat(100), '', squeezed)
    }
    for (let seq = 1; seq <= 20; seq++) {
      assert.equal(text(seq), await fromGet(seq))
      assert.match(text(seq), new RegExp(`secret ${seq} `))
    }
    assert.equal(text(1, squeezed), 'nothing')
    assert.equal((await squeezed.get(1))?.payload.length, 1_000)
  })

  it('are none that a disk has damaged or cannot read', async () => {
    await open(10 * FRESH_BYTES)
    for (let i = 1; i <= 40; i++) await appended(`payload ${i};`)
    const [name = ''] = (await disk.list('/data/journal')).filter((file) => file.endsWith('.log'))
    const segment = `/data/journal/${name}`
    const at = Buffer.from(await disk.readFile(segment)).indexOf('payload 3;')
    disk.corrupt(segment, at, 1)
    assert.match(text(2), /payload 2;/)
    assert.equal(text(3), 'nothing')
    assert.match(text(4), /payload 4;/)
    assert.equal(stream.has(3), true)
    assert.equal(await stream.get(3), undefined)
    assert.equal(stream.has(3), false)
    disk.spoil(segment, at, at + 1)
    assert.equal(text(2), 'nothing')
    assert.match(text(40), /payload 40;/)
  })
})
