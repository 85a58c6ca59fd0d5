import assert from 'node:assert/strict'
import { InputGate } from '../../../../bridge-mqtt/session/input-gate.ts'
import { RateLimit } from '../../../../bridge-mqtt/session/rate-limit.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

describe('RateLimit', () => {
  let clock: ManualClock
  let channel: RecordingChannel
  let gate: InputGate

  beforeEach(() => {
    clock = new ManualClock()
    channel = new RecordingChannel(0)
    gate = new InputGate(clock, channel, { inputOpened: () => {} })
  })

  function limit(perSecond: number): RateLimit {
    return new RateLimit(clock, gate, perSecond)
  }

  /** Sends as much as is taken, and says how much that was. */
  function flood(rate: RateLimit): number {
    let count = 0
    while (gate.isPassing) {
      rate.spend()
      count++
    }
    return count
  }

  it('takes the burst of a second, then the next when its time has come', () => {
    const rate = limit(10)
    assert.equal(flood(rate), 10)
    assert.ok(channel.isPaused)
    clock.advance(99)
    assert.equal(gate.isPassing, false)
    clock.advance(1)
    assert.equal(channel.isPaused, false)
    assert.equal(flood(rate), 1)
  })

  it('who keeps to the pace never waits', () => {
    const rate = limit(10)
    for (let i = 0; i < 100; i++) {
      rate.spend()
      assert.equal(channel.isPaused, false)
      clock.advance(100)
    }
  })

  it('quiet is worth one burst, however long', () => {
    const rate = limit(10)
    flood(rate)
    clock.advance(3_600_000)
    assert.equal(flood(rate), 10)
  })

  it('one in a second is one at a time', () => {
    const rate = limit(1)
    assert.equal(flood(rate), 1)
    clock.advance(999)
    assert.ok(channel.isPaused)
    clock.advance(1)
    assert.equal(flood(rate), 1)
  })

  it('at a high rate one pause is for several publishes', () => {
    const rate = limit(100_000)
    assert.equal(flood(rate), 100_000)
    clock.advance(10)
    const next = flood(rate)
    assert.ok(next >= 990 && next <= 1_000, `${next}`)
  })

  it('another reason to wait is not taken back', () => {
    const rate = limit(1)
    rate.spend()
    gate.close('full')
    clock.advance(1_000)
    assert.ok(gate.isPassing, 'what was read passes')
    assert.ok(channel.isPaused, 'no more is read')
    gate.open('full')
    assert.equal(channel.isPaused, false)
  })

  it('publishes that pass while the gate is closed wait for one timer', () => {
    const rate = limit(10)
    for (let i = 0; i < 20; i++) rate.spend()
    assert.equal(clock.timers, 1)
    clock.advance(100)
    assert.equal(flood(rate), 1, 'and count')
    clock.advance(1_000)
    assert.equal(channel.isPaused, true, 'as what is owed')
  })

  it('a reload changes the pace', () => {
    const rate = limit(1)
    flood(rate)
    clock.advance(1_000)
    rate.change(10)
    assert.ok(flood(rate) >= 1)
    clock.advance(1_000)
    clock.advance(1_000)
    assert.equal(flood(rate), 10)
  })

  it('leaves no timer when the connection ends', () => {
    const rate = limit(1)
    rate.spend()
    assert.equal(clock.timers, 1)
    rate.stop()
    assert.equal(clock.timers, 0)
  })

  it('over any time no more pass than the rate and one burst allow', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
    for (let round = 0; round < 10; round++) {
      const random = new SeededRandom(seed + round)
      clock = new ManualClock()
      gate = new InputGate(clock, new RecordingChannel(0), { inputOpened: () => {} })
      const perSecond = random.below(200) + 1
      const rate = limit(perSecond)
      let passed = 0
      for (let step = 0; step < 500; step++) {
        for (let n = random.below(8); n > 0 && gate.isPassing; n--) {
          rate.spend()
          passed++
        }
        const allowed = perSecond * (1 + clock.monotonicMs() / 1_000)
        assert.ok(passed <= allowed + 1e-6, `seed ${seed} round ${round}: ${passed} > ${allowed}`)
        clock.advance(random.below(100))
      }
    }
  })
})
