import assert from 'node:assert/strict'
import {
  RECENT_BYTES_MAX,
  RECENT_PLACES_MAX,
  RECENT_PLACES_MIN,
} from '../../../../bridge-mqtt/durable/limits.ts'
import { RecentLog } from '../../../../bridge-mqtt/durable/recent-log.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SUBJECT = Buffer.from('a.b')
const NO_BYTES = new Uint8Array(0)

describe('recent messages of a log', () => {
  it('are a copy of what was appended', () => {
    const recent = new RecentLog()
    const payload = Buffer.from('21.5')
    recent.add(7, SUBJECT, Buffer.from('NATS/1.0\r\n\r\n'), payload, 12)
    payload.fill(0)
    const entry = recent.get(7)
    assert.equal(Buffer.from(entry?.payload ?? []).toString(), '21.5')
    assert.equal(Buffer.from(entry?.subjectBytes ?? []).toString(), 'a.b')
    assert.equal(entry?.timeMs, 12)
    assert.equal(recent.get(6), undefined)
    assert.equal(recent.get(7 + 64), undefined)
  })

  it('take no more memory than they may, and are as many as they may be', () => {
    const recent = new RecentLog()
    const large = Buffer.alloc(RECENT_BYTES_MAX / 4)
    for (let seq = 1; seq <= 6; seq++) recent.add(seq, SUBJECT, NO_BYTES, large, 0)
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].filter((seq) => recent.get(seq)),
      [4, 5, 6],
    )
    recent.clear()
    const from = 2 ** 52
    for (let seq = from; seq < from + 2 * RECENT_PLACES_MAX; seq++) {
      recent.add(seq, SUBJECT, NO_BYTES, NO_BYTES, 0)
    }
    assert.equal(recent.get(from + RECENT_PLACES_MAX - 1), undefined)
    assert.equal(recent.get(from + RECENT_PLACES_MAX)?.seq, from + RECENT_PLACES_MAX)
  })

  it('are let go when everybody has them, before there are more places', () => {
    let neededFrom = 1
    let asked = 0
    const recent = new RecentLog(() => {
      asked++
      return neededFrom
    })
    for (let seq = 1; seq <= 10_000; seq++) {
      neededFrom = Math.max(1, seq - 20)
      recent.add(seq, SUBJECT, NO_BYTES, NO_BYTES, 0)
      for (let known = neededFrom; known <= seq; known++)
        assert.equal(recent.get(known)?.seq, known)
    }
    assert.ok(recent.oldestSeq > 10_000 - 2 * RECENT_PLACES_MIN, `${recent.oldestSeq}`)
    assert.ok(asked < 10_000 / 16, `asked ${asked} times`)
    const from = recent.oldestSeq
    for (let seq = 10_001; seq < from + RECENT_PLACES_MAX; seq++) {
      recent.add(seq, SUBJECT, NO_BYTES, NO_BYTES, 0)
    }
    assert.ok(recent.get(neededFrom), 'what somebody needs has all the places there are')
    assert.ok(asked < 1_000, `asked ${asked} times`)
  })

  it(`hold what a plain map holds, whatever gaps there are (SEED=${SEED})`, () => {
    const random = new SeededRandom(SEED)
    const recent = new RecentLog()
    const model = new Map<number, string>()
    let seq = 1
    for (let step = 0; step < 20_000; step++) {
      const kind = random.below(100)
      if (kind === 0) {
        const last = Math.max(0, seq - random.below(10))
        recent.takenBack(last)
        for (const known of [...model.keys()]) if (known > last) model.delete(known)
        seq = last
      }
      seq += kind < 3 ? 1 + random.below(3 * RECENT_PLACES_MAX) : 1
      recent.add(seq, SUBJECT, NO_BYTES, Buffer.from(String(seq)), 0)
      model.set(seq, String(seq))
      const asked = seq - random.below(100)
      const found = recent.get(asked)
      const text = found === undefined ? undefined : Buffer.from(found.payload).toString()
      // What is older than its places may be gone, and never is anything but what it was.
      if (found === undefined) {
        assert.ok(!model.has(asked) || seq - asked >= 64, `SEED=${SEED} ${asked} of ${seq}`)
      } else assert.equal(text, model.get(asked), `SEED=${SEED}`)
    }
  })
})
