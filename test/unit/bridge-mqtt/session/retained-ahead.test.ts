import assert from 'node:assert/strict'
import { RETAINED_AHEAD_BYTES, RETAINED_AHEAD_MESSAGES } from '../../../../bridge-mqtt/limits.ts'
import { RetainedAhead } from '../../../../bridge-mqtt/session/retained-ahead.ts'

const HALF = RETAINED_AHEAD_MESSAGES / 2
const SUBJECT = Buffer.from('a')

describe('retained messages ahead in the log', () => {
  let ahead: RetainedAhead
  let outdated: Set<number>
  const session = {}

  beforeEach(() => {
    ahead = new RetainedAhead(session)
    outdated = new Set()
  })

  /** Their places among what is retained are a thousand above those in the log. */
  function add(firstSeq: number, count: number, bytes = 0, filter = 'a'): void {
    const retained = Array.from({ length: count }, (_, i) => firstSeq + i + 1_000)
    const source = { isNewest: (seq: number) => !outdated.has(seq) }
    ahead.add({ filter, firstSeq, retained, bytes, source })
  }

  it('have room again when half of them have passed, wherever that is in a page', () => {
    assert.equal(ahead.room(0), RETAINED_AHEAD_MESSAGES)
    add(11, HALF + 10)
    assert.equal(ahead.room(10), 0)
    add(11 + HALF + 10, 10)
    assert.equal(ahead.room(29), 0)
    assert.equal(ahead.room(30), HALF)
    assert.equal(ahead.room(10 + HALF + 20), RETAINED_AHEAD_MESSAGES)
  })

  it('have room again when half of their bytes have passed', () => {
    add(1, 1, RETAINED_AHEAD_BYTES / 2)
    assert.equal(ahead.room(0), RETAINED_AHEAD_MESSAGES - 1)
    add(2, 1, 1)
    assert.equal(ahead.room(0), 0)
    assert.equal(ahead.room(1), RETAINED_AHEAD_MESSAGES - 1)
  })

  it('are outdated as their source says, also when they have passed, and nothing else is', () => {
    add(5, 3)
    add(20, 2)
    outdated.add(1_006).add(1_021)
    ahead.room(30)
    const found: number[] = []
    for (let seq = 1; seq < 30; seq++) if (ahead.isOutdated(seq, SUBJECT)) found.push(seq)
    assert.deepEqual(found, [6, 21])
  })

  it('are left out when their subscription ends, and not for being replaced when their client has gone', () => {
    add(1, 2, 0, 'a')
    add(3, 2, 0, 'b')
    outdated.add(1_001).add(1_003)
    ahead.left(0)
    assert.equal(RetainedAhead.of(session), ahead)
    ahead.cancel('b')
    const found: number[] = []
    for (let seq = 1; seq < 6; seq++) if (ahead.isOutdated(seq, SUBJECT)) found.push(seq)
    assert.deepEqual(found, [3, 4])
    assert.equal(RetainedAhead.of(session), undefined)
  })

  it('that are taken back leave their sequences to others', () => {
    add(1, 10)
    add(11, 10)
    add(21, HALF)
    assert.equal(ahead.room(0), 0)
    outdated.add(1_012)
    ahead.takenBack(11)
    ahead.takenBack(21)
    assert.equal(ahead.room(0), RETAINED_AHEAD_MESSAGES - 10)
    assert.equal(ahead.isOutdated(12, SUBJECT), false)
    assert.equal(ahead.room(10), RETAINED_AHEAD_MESSAGES)
    add(11, 4)
    assert.equal(ahead.room(10), RETAINED_AHEAD_MESSAGES - 4)
    ahead.takenBack(11)
    assert.equal(ahead.room(10), RETAINED_AHEAD_MESSAGES)
  })

  it('count right however long it goes on', () => {
    for (let seq = 1; seq < 1_000; seq += 5) {
      add(seq, 5)
      assert.equal(ahead.room(seq - 1), RETAINED_AHEAD_MESSAGES - 5)
      outdated.add(1_000 + seq + 4)
      assert.equal(ahead.isOutdated(seq + 3, SUBJECT), false)
      assert.equal(ahead.isOutdated(seq + 4, SUBJECT), true)
      assert.equal(ahead.room(seq + 4), RETAINED_AHEAD_MESSAGES)
    }
  })
})
