/** A stream with thousands of sources asks for them a few at a time. */
import assert from 'node:assert/strict'
import type { Clock } from '../../../shared/runtime/index.ts'
import { AskLine } from '../../../shared/stream/sourcing/ask-line.ts'
import { ASKS_PER_TURN } from '../../../shared/stream/sourcing/limits.ts'

/** Of the event loop, nothing but its turns. */
class Turns {
  #soon: (() => void)[] = []

  readonly clock = { soon: (fn: () => void) => void this.#soon.push(fn) } as unknown as Clock

  next(): boolean {
    const due = this.#soon
    this.#soon = []
    for (const fn of due) fn()
    return due.length > 0
  }
}

describe('AskLine', () => {
  it('asks at once while there is room, then a few in each turn, in their order', () => {
    const turns = new Turns()
    const line = new AskLine(turns.clock)
    const asked: number[] = []
    const count = ASKS_PER_TURN * 10 + 3
    for (let i = 0; i < count; i++) line.enter(() => asked.push(i))
    assert.equal(asked.length, ASKS_PER_TURN)
    for (let before = asked.length; asked.length < count; before = asked.length) {
      assert.ok(turns.next())
      assert.ok(asked.length - before <= ASKS_PER_TURN)
      assert.ok(asked.length > before)
    }
    assert.deepEqual(asked, [...Array(count).keys()])
    while (turns.next());
    line.enter(() => asked.push(count))
    assert.equal(asked.length, count + 1, 'a later one need not wait')
  })

  it('forgets who does not wait any more, and lets who asks again wait with the others', () => {
    const turns = new Turns()
    const line = new AskLine(turns.clock)
    const asked: string[] = []
    const again = (): void => {
      asked.push('again')
      if (asked.length < 5_000) line.enter(again)
    }
    for (let i = 0; i < ASKS_PER_TURN; i++) line.enter(again)
    const cancel = line.enter(() => asked.push('cancelled'))
    line.enter(() => asked.push('last'))
    cancel()
    while (!asked.includes('last')) {
      const before = asked.length
      assert.ok(turns.next())
      assert.ok(asked.length - before <= ASKS_PER_TURN)
    }
    assert.ok(!asked.includes('cancelled'))
  })
})
