import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  type BatchHeader,
  type BatchRecord,
  encodeBatch,
  ReceivedBatch,
} from '../../../shared/sync/index.ts'

const HEADER: BatchHeader = {
  leaf: 'press-7',
  buffer: 'telemetry',
  incarnation: 'abc',
  firstSeq: 5,
  lastSeq: 12,
  gaps: [
    { firstSeq: 5, lastSeq: 6, cause: 'evicted' },
    { firstSeq: 8, lastSeq: 9, cause: 'damaged' },
    { firstSeq: 12, lastSeq: 12, cause: 'removed' },
  ],
}

function record(subject: string, payload: string, headers = '', timeMs = 1_000): BatchRecord {
  return {
    subjectBytes: Buffer.from(subject),
    headers: Buffer.from(headers),
    payload: Buffer.from(payload),
    timeMs,
  }
}

const RECORDS = [
  record('plant.a', 'seven'),
  record('plant.b', '', 'NATS/1.0\r\nA: b\r\n\r\n', 1.5),
  record('plant.grün', 'x'.repeat(300)),
]

function contents(batch: ReceivedBatch): unknown[] {
  const all: unknown[] = []
  batch.rewind()
  while (batch.next()) {
    const { seq, timeMs, subjectBytes, headers, payload } = batch
    all.push([seq, timeMs, ...[subjectBytes, headers, payload].map((it) => `${Buffer.from(it)}`)])
  }
  return all
}

const invalid = { code: 'PETIOLE_SYNC_BATCH_INVALID' }

describe('sync batch', () => {
  for (const isCompressed of [false, true]) {
    it(`comes out as it went in${isCompressed ? ', deflated' : ''}`, () => {
      const bytes = encodeBatch(HEADER, RECORDS, isCompressed)
      const batch = new ReceivedBatch(bytes)
      const { leaf, buffer, incarnation, firstSeq, lastSeq, gaps } = batch
      assert.deepEqual({ leaf, buffer, incarnation, firstSeq, lastSeq, gaps }, HEADER)
      const expected = [
        [7, 1_000, 'plant.a', '', 'seven'],
        [10, 1.5, 'plant.b', 'NATS/1.0\r\nA: b\r\n\r\n', ''],
        [11, 1_000, 'plant.grün', '', 'x'.repeat(300)],
      ]
      assert.deepEqual(contents(batch), expected)
      assert.deepEqual(contents(batch), expected, 'and again after a rewind')
      if (isCompressed) assert.ok(bytes.length < 300, `${bytes.length} bytes`)
    })
  }

  it('stays plain when deflating does not pay', () => {
    const noise = { ...record('plant.a', ''), payload: new SeededRandom(1).bytes(2_000) }
    const header = { ...HEADER, firstSeq: 1, lastSeq: 1, gaps: [] }
    assert.equal(
      encodeBatch(header, [noise], true).length,
      encodeBatch(header, [noise], false).length,
    )
  })

  it('may hold gaps only', () => {
    const gaps = [{ firstSeq: 5, lastSeq: 12, cause: 'forgotten' as const }]
    const batch = new ReceivedBatch(encodeBatch({ ...HEADER, gaps }, [], false))
    assert.equal(batch.next(), false)
    assert.deepEqual(batch.gaps, gaps)
  })

  it('is refused when any byte is missing, too many or flipped', () => {
    for (const isCompressed of [false, true]) {
      const bytes = encodeBatch(HEADER, RECORDS, isCompressed)
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => new ReceivedBatch(bytes.subarray(0, end)), invalid, `cut at ${end}`)
      }
      assert.throws(() => new ReceivedBatch(Buffer.concat([bytes, Buffer.from('x')])), invalid)
      for (let at = 0; at < bytes.length; at++) {
        if (at === 3) continue
        const flipped = Buffer.from(bytes)
        flipped[at]! ^= 1 << (at % 8)
        assert.throws(() => new ReceivedBatch(flipped), invalid, `flipped at ${at}`)
      }
    }
  })

  const wrong: readonly (readonly [string, Partial<BatchHeader>, readonly BatchRecord[]])[] = [
    ['a span that is not covered', { lastSeq: 13 }, RECORDS],
    ['more records than sequences', {}, [...RECORDS, record('plant.a', '')]],
    ['sequence 0', { firstSeq: 0 }, RECORDS],
    ['no sequence at all', { firstSeq: 5, lastSeq: 4, gaps: [] }, []],
    ['gaps in the wrong order', { gaps: HEADER.gaps.toReversed() }, RECORDS],
    ['no leaf', { leaf: '' }, RECORDS],
    ['a wildcard', {}, [record('plant.*', ''), ...RECORDS.slice(1)]],
    ['an empty token', {}, [record('plant..a', ''), ...RECORDS.slice(1)]],
    ['a blank in the subject', {}, [record('plant a', ''), ...RECORDS.slice(1)]],
    ['a line end in the subject', {}, [record('a\r\nPUB b 0', ''), ...RECORDS.slice(1)]],
    ['no subject', {}, [record('', ''), ...RECORDS.slice(1)]],
    ['headers without an end', {}, [record('a', '', 'NATS/1.0\r\nA: b\r\n'), ...RECORDS.slice(1)]],
    [
      'headers with two ends',
      {},
      [record('a', '', 'NATS/1.0\r\n\r\n\r\n\r\n'), ...RECORDS.slice(1)],
    ],
    [
      'headers that are none',
      {},
      [record('a', '', 'HTTP/1.1 200 OK\r\n\r\n'), ...RECORDS.slice(1)],
    ],
    ['a time that is none', {}, [record('a', '', '', Number.NaN), ...RECORDS.slice(1)]],
  ]
  for (const [what, header, records] of wrong) {
    it(`is refused with ${what}`, () => {
      const bytes = encodeBatch({ ...HEADER, ...header }, records, false)
      assert.throws(() => new ReceivedBatch(bytes), invalid)
    })
  }
})
