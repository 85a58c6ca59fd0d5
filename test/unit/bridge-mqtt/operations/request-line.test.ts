import assert from 'node:assert/strict'
import {
  REQUESTS_WAITING_MAX,
  REQUESTS_WAITING_PER_ACCOUNT_MAX,
} from '../../../../bridge-mqtt/limits.ts'
import { RequestLine } from '../../../../bridge-mqtt/operations/request-line.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

/** Turns of the event loop come when the test says so. */
class SteppedClock extends ManualClock {
  #soon: (() => void)[] = []

  override soon(fn: () => void): void {
    this.#soon.push(fn)
  }

  turn(): void {
    for (const fn of this.#soon.splice(0)) fn()
  }
}

describe('requests of operators wait for their turn', () => {
  let clock: SteppedClock
  let line: RequestLine
  let done: string[]
  beforeEach(() => {
    clock = new SteppedClock()
    line = new RequestLine(clock)
    done = []
  })

  const add = (account: string, name: string): boolean =>
    line.add(account, () => void done.push(name))

  it('one in a turn, and accounts take turns', () => {
    for (const name of ['a1', 'a2', 'a3']) add('A', name)
    add('B', 'b1')
    assert.deepEqual(done, ['a1'])
    for (const expected of ['a2', 'b1', 'a3']) {
      clock.turn()
      assert.equal(done.at(-1), expected)
    }
  })

  it('after one that took long there is as long a pause', () => {
    line.add('A', () => clock.advance(40))
    add('A', 'next')
    clock.advance(39)
    assert.deepEqual(done, [])
    clock.advance(1)
    assert.deepEqual(done, ['next'])
  })

  it('the next one waits for what is read from the disk', async () => {
    let finish = (): void => {}
    line.add('A', () => new Promise<void>((resolve) => (finish = resolve)))
    add('A', 'next')
    clock.turn()
    assert.deepEqual(done, [])
    finish()
    await Promise.resolve()
    await Promise.resolve()
    clock.turn()
    assert.deepEqual(done, ['next'])
  })

  it('an account has room for so many, and all together too', () => {
    add('A', 'first')
    for (let i = 0; i < REQUESTS_WAITING_PER_ACCOUNT_MAX; i++) assert.ok(add('A', `a${i}`))
    assert.equal(add('A', 'too many'), false)
    assert.ok(add('B', 'b'))
    const rest = REQUESTS_WAITING_MAX - REQUESTS_WAITING_PER_ACCOUNT_MAX - 1
    for (let i = 0; i < rest; i++) assert.ok(add(`C${i}`, 'c'))
    assert.equal(add('D', 'too many'), false)
  })

  it('stops with what waits undone', () => {
    add('A', 'a1')
    add('A', 'a2')
    line.stop()
    clock.turn()
    assert.deepEqual(done, ['a1'])
    assert.equal(add('A', 'a3'), false)
  })
})
