/** What a session that is behind takes out of memory at once, and how it looks for it. */
import assert from 'node:assert/strict'
import { BacklogReader } from '../../../../bridge-mqtt/durable/backlog-reader.ts'
import { READ_BYTES, RECENT_PLACES_MAX } from '../../../../bridge-mqtt/durable/limits.ts'
import { RecentLog } from '../../../../bridge-mqtt/durable/recent-log.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'

const NO_BYTES = new Uint8Array(0)
const MINE = Buffer.from('mine')
const OTHERS = Buffer.from('others')

describe('mqtt durable: what is recalled', () => {
  let recent: RecentLog
  let reader: BacklogReader

  beforeEach(() => {
    recent = new RecentLog()
    const limits = {
      messagesMax: 0,
      bytesMax: 0,
      ageMaxMs: 0,
      messagesPerSubjectMax: 0,
      messageBytesMax: 0,
      discard: 'old',
    } as const
    const stream = new MemoryStore(() => 0).createStream('log', NO_BYTES, limits)
    reader = new BacklogReader(
      stream,
      () => {},
      (error) => assert.ifError(error),
    )
    reader.seek(1)
  })

  /** Returns the sequences of the batch. */
  function recall(endSeq: number): number[] {
    const seqs: number[] = []
    reader.recall(recent, new SubjectFilter('mine'), endSeq)
    for (let next = reader.peek(); next !== undefined; next = reader.peek()) {
      seqs.push(next.seq)
      reader.shift()
    }
    return seqs
  }

  it('is no more than a read of the disk brings, with what lies between: a frozen client holds it', () => {
    const payload = Buffer.alloc(1_000)
    const count = 2_000
    for (let seq = 1; seq <= count; seq++) {
      recent.add(seq, seq % 100 === 50 ? MINE : OTHERS, NO_BYTES, payload, 0)
    }
    const got: number[] = []
    while (reader.nextSeq <= count) {
      const seqs = recall(count + 1)
      const span = (seqs.at(-1) ?? 0) - (seqs[0] ?? 0)
      assert.ok(span * payload.length <= READ_BYTES, `${span}`)
      got.push(...seqs)
    }
    assert.deepEqual(
      got,
      Array.from({ length: count / 100 }, (_, i) => 100 * i + 50),
    )
  })

  it('is not looked for where nothing was remembered, however much was stored for those who are away', () => {
    recent.add(1, MINE, NO_BYTES, NO_BYTES, 0)
    let asked = 0
    const get = recent.get.bind(recent)
    recent.get = (seq) => {
      asked++
      return get(seq)
    }
    const endSeq = 1_000_000
    assert.deepEqual(recall(endSeq), [1])
    assert.equal(reader.nextSeq, endSeq)
    assert.ok(asked <= RECENT_PLACES_MAX, `${asked}`)
  })
})
