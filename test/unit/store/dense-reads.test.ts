import assert from 'node:assert/strict'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  type Eviction,
  openStore,
  type Store,
  type StreamStore,
} from '../../../shared/store/index.ts'
import { READ_BYTES } from '../../../shared/store/limits.ts'
import { AS_WRITTEN } from '../../../shared/store/opening.ts'
import { bytesAhead, type RecordRun } from '../../../shared/store/read-window.ts'
import { RECORD_HEADER_BYTES } from '../../../shared/store/record.ts'
import { Span } from '../../../shared/store/span.ts'
import { SimDisk } from '../../sim/index.ts'
import { appendDurably, bytes, committed, noLimits } from '../../support/opened-store.ts'
import { StoreClock } from '../../support/store-clock.ts'

const FIRST = '/data/journal/0000000001.log'
const COUNT = 400

/** Those that lie behind each other are checked together. */
describe('store, reads of many messages', () => {
  let disk: SimDisk
  let store: Store
  let stream: StreamStore

  beforeEach(async () => {
    disk = new SimDisk({ random: new SeededRandom(1) })
    await open()
  })
  afterEach(() => store.destroy())

  async function open(): Promise<void> {
    store = await openStore({
      directory: '/data',
      clock: new StoreClock(),
      random: new SeededRandom(2),
      disk,
      log: silentLog,
      segmentBytes: 1 << 24,
      reserveBytes: 0,
    })
    stream = store.createStream('s', bytes(''), noLimits)
  }

  async function append(count: number, payload: (i: number) => string): Promise<void> {
    for (let i = 1; i <= count; i++) stream.append(bytes('a'), bytes(''), bytes(payload(i)))
    await committed(store)
  }

  async function seqs(): Promise<number[]> {
    const all: number[] = []
    for (let fromSeq = 1; fromSeq <= stream.state.lastSeq; ) {
      const batch = await stream.read({ fromSeq, messagesMax: 1024, bytesMax: READ_BYTES })
      for (const { seq, payload } of batch.messages) {
        assert.equal(Buffer.from(payload).toString(), `payload ${seq}`)
        all.push(seq)
      }
      fromSeq = batch.nextSeq
    }
    return all
  }

  const everything = Array.from({ length: COUNT }, (_, i) => i + 1)

  it('lose only the message of which a byte is damaged, and tell of it', async () => {
    await append(COUNT, (i) => `payload ${i}`)
    assert.deepEqual(await seqs(), everything)
    const at = Buffer.from(disk.bytesOf(FIRST)).indexOf('payload 217')
    const evictions: Eviction[] = []
    stream.onEvict((eviction) => evictions.push(eviction))
    disk.corrupt(FIRST, at + 3, 4)
    assert.deepEqual(
      await seqs(),
      everything.filter((seq) => seq !== 217),
    )
    assert.deepEqual(
      evictions.map(({ firstSeq, lastSeq, cause }) => [firstSeq, lastSeq, cause]),
      [[217, 217, 'damage']],
    )
  })

  it('take no message for one that only looks like a record', async () => {
    // Within a payload there is a whole record of this stream.
    await append(COUNT, (i) => `payload ${i}`)
    const file = Buffer.from(disk.bytesOf(FIRST))
    const recordAt = (text: string): number => file.indexOf(text) - 1 - RECORD_HEADER_BYTES
    const copy = file.subarray(recordAt('payload 5'), recordAt('payload 6'))
    await appendDurably(stream, 'a', copy.toString('latin1'))
    await append(COUNT, () => 'x')
    const batch = await stream.read({ fromSeq: COUNT + 1, messagesMax: 1024, bytesMax: READ_BYTES })
    assert.deepEqual(
      batch.messages.map(({ seq }) => seq),
      Array.from({ length: COUNT + 1 }, (_, i) => COUNT + 1 + i),
    )
  })
})

describe('store, how much is read at once', () => {
  /** Records of `bytes` each, as they lie behind each other, with `between` other bytes behind each. */
  function runOf(bytes: number, between: number, ordinals: readonly number[]): RecordRun {
    const span = new Span(1, 1)
    for (let i = 0; i <= Math.max(...ordinals) + 20; i++) {
      const offset = i * (bytes + between)
      const record = { seq: i + 1, offset, length: bytes, hasHeaders: false, subjectId: 0 }
      span.push({ ...record, wallMs: 1, wrongBoot: 0 })
    }
    return {
      span,
      salt: 0,
      opening: AS_WRITTEN,
      recordExtra: 0,
      endOffset: 1 << 30,
      ordinals: [...ordinals],
    }
  }
  const ahead = (run: RecordRun, from = 0): number => {
    const offset = run.span.entryOffsets.get(run.span.entryOf(run.ordinals[from] ?? 0))
    return bytesAhead(run, from, offset)
  }
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

  it('is all of it while it is little, and no more than is read at once of much', () => {
    const few = ahead(runOf(200, 0, upTo(100)))
    assert.ok(few >= 100 * 200 && few < 120 * 200, `${few} bytes`)
    const many = ahead(runOf(200, 0, upTo(4_000)))
    assert.ok(many >= READ_BYTES && many <= 2 * READ_BYTES, `${many} bytes`)
  })

  it('is what the first one needs when the next one is far away, and both when it is near', () => {
    const far = ahead(runOf(200, 0, [5, 2_000, 4_000]))
    assert.ok(far >= 200 && far <= 16 * 200, `${far} bytes`)
    const near = ahead(runOf(200, 0, [5, 100, 4_000]))
    assert.ok(near >= 85 * 200 && near <= 120 * 200, `${near} bytes`)
  })

  it('is no more for messages between, however large', () => {
    const large = ahead(runOf(1 << 20, 0, [0, 10, 20]))
    assert.ok(large >= 1 << 20 && large <= 2 << 20, `${large} bytes`)
  })
})
