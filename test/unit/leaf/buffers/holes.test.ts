import assert from 'node:assert/strict'
import { explainHole, withClosestJoined, withRange } from '../../../../leaf/buffers/holes.ts'
import { BufferRules } from '../../../../leaf/buffers/index.ts'
import { bufferConfig } from '../../../support/sync-world.ts'

const facts = { syncedSeq: 10, firstSeq: 20, damaged: [] }

describe('holes of a buffer', () => {
  it('before the first record are the quota’s', () => {
    assert.deepEqual(explainHole({ firstSeq: 11, lastSeq: 19 }, facts), [
      { firstSeq: 11, lastSeq: 19, cause: 'evicted' },
    ])
  })

  it('between records are damage', () => {
    assert.deepEqual(explainHole({ firstSeq: 25, lastSeq: 26 }, facts), [
      { firstSeq: 25, lastSeq: 26, cause: 'damaged' },
    ])
  })

  it('that the hub had confirmed are forgotten by it', () => {
    assert.deepEqual(explainHole({ firstSeq: 5, lastSeq: 12 }, facts), [
      { firstSeq: 5, lastSeq: 10, cause: 'forgotten' },
      { firstSeq: 11, lastSeq: 12, cause: 'evicted' },
    ])
  })

  it('are damage where the store has said so, wherever they lie', () => {
    const damaged = [
      { firstSeq: 3, lastSeq: 3 },
      { firstSeq: 12, lastSeq: 13 },
      { firstSeq: 19, lastSeq: 22 },
      { firstSeq: 99, lastSeq: 99 },
    ]
    assert.deepEqual(explainHole({ firstSeq: 11, lastSeq: 20 }, { ...facts, damaged }), [
      { firstSeq: 11, lastSeq: 11, cause: 'evicted' },
      { firstSeq: 12, lastSeq: 13, cause: 'damaged' },
      { firstSeq: 14, lastSeq: 18, cause: 'evicted' },
      { firstSeq: 19, lastSeq: 20, cause: 'damaged' },
    ])
  })

  it('are joined where they are closest, so that no damage is forgotten', () => {
    const ranges = [1, 10, 13, 30].map((seq) => ({ firstSeq: seq, lastSeq: seq + 1 }))
    assert.deepEqual(withClosestJoined(ranges), [
      { firstSeq: 1, lastSeq: 2 },
      { firstSeq: 10, lastSeq: 14 },
      { firstSeq: 30, lastSeq: 31 },
    ])
    assert.deepEqual(withClosestJoined(ranges.slice(0, 1)), ranges.slice(0, 1))
  })

  it('are explained whole and without overlap, whatever is known', () => {
    for (let bits = 0; bits < 1 << 10; bits++) {
      const damaged = Array.from({ length: 10 }, (_, i) => i + 1)
        .filter((seq) => (bits >> (seq - 1)) & 1)
        .reduce<readonly { firstSeq: number; lastSeq: number }[]>(
          (ranges, seq) => withRange(ranges, { firstSeq: seq, lastSeq: seq }),
          [],
        )
      const gaps = explainHole(
        { firstSeq: 2, lastSeq: 9 },
        { syncedSeq: bits % 5, firstSeq: bits % 11, damaged },
      )
      const seqs = gaps.flatMap(({ firstSeq, lastSeq }) =>
        Array.from({ length: lastSeq - firstSeq + 1 }, (_, i) => firstSeq + i),
      )
      assert.deepEqual(seqs, [2, 3, 4, 5, 6, 7, 8, 9], `bits=${bits}`)
    }
  })
})

describe('buffer rules', () => {
  const rules = new BufferRules([
    bufferConfig('alarms', ['plant.*.alarm.>']),
    bufferConfig('telemetry', ['plant.>', 'site.temp']),
    bufferConfig('rest', ['>']),
    bufferConfig('inner', ['$KV.>']),
  ])
  const cases = [
    ['plant.1.alarm.hot', 'alarms'],
    ['plant.1.temp', 'telemetry'],
    ['site.temp', 'telemetry'],
    ['site.temp.x', 'rest'],
    ['$KV.a', 'inner'],
    ['$FLEET.SYNC.h.BATCH', undefined],
    ['_INBOX.1.2', undefined],
  ] as const
  for (const [subject, buffer] of cases) {
    it(`${subject} belongs to ${buffer ?? 'none'}`, () => {
      assert.equal(rules.bufferOf(subject), buffer)
      assert.equal(rules.bufferOf(subject), buffer, 'and again, remembered')
    })
  }

  it('forget answers rather than grow', () => {
    for (let i = 0; i < 20_000; i++) rules.bufferOf(`plant.${i}`)
    assert.equal(rules.bufferOf('plant.1.alarm.hot'), 'alarms')
  })
})
