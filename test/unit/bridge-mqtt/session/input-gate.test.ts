import assert from 'node:assert/strict'
import { InputGate } from '../../../../bridge-mqtt/session/input-gate.ts'
import { OVERTIME_MS, TURN_MS } from '../../../../shared/broker/limits.ts'
import { UNITS_PER_LOOK } from '../../../../shared/broker/work.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { RecordingChannel } from '../../../support/recording-channel.ts'

/** A loop whose turns are taken one by one. */
class Loop extends ManualClock {
  readonly #next: (() => void)[] = []

  override soon(fn: () => void): void {
    this.#next.push(fn)
  }

  turn(): void {
    for (const fn of this.#next.splice(0)) fn()
  }
}

describe('InputGate', () => {
  let loop: Loop
  let channel: RecordingChannel
  let opened: number
  let gate: InputGate

  beforeEach(() => {
    loop = new Loop()
    channel = new RecordingChannel(0)
    opened = 0
    gate = new InputGate(loop, channel, { inputOpened: () => opened++ })
  })

  it('reads on when the last reason is gone, each taken back by itself', () => {
    gate.close('full')
    gate.close('login')
    gate.close('full')
    assert.ok(channel.isPaused)
    gate.open('full')
    assert.ok(channel.isPaused, 'somebody is asked still')
    assert.equal(gate.isPassing, false)
    gate.open('login')
    assert.equal(channel.isPaused, false)
    assert.equal(opened, 1)
    gate.open('login')
    assert.equal(opened, 1, 'it is open already')
  })

  it('stays closed for who is not looked at any more, whatever ends', () => {
    gate.close('deaf')
    gate.close('full')
    gate.open('full')
    assert.ok(channel.isPaused)
    assert.equal(gate.isPassing, false)
  })

  it('what was read passes while too much is unanswered: only no more is read', () => {
    gate.close('full')
    assert.ok(gate.isPassing)
  })

  it('who does too much in a turn goes on in one of his own', () => {
    const overdue = (): void => {
      loop.advance(TURN_MS + OVERTIME_MS + 1)
      gate.turn.spend(UNITS_PER_LOOK)
    }
    gate.turn.spend(UNITS_PER_LOOK)
    overdue()
    overdue()
    assert.ok(channel.isPaused)
    assert.equal(gate.isPassing, false, 'nor is what was read gone on with')
    loop.turn()
    loop.turn()
    assert.equal(channel.isPaused, false)
    assert.ok(gate.isPassing)
  })
})
