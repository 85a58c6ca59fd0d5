import assert from 'node:assert/strict'
import { DeliveryTurns, type Sender } from '../../../../bridge-mqtt/durable/delivery-turns.ts'
import {
  TURN_MESSAGES,
  TURN_MESSAGES_MAX,
  TURN_MESSAGES_MIN,
} from '../../../../bridge-mqtt/durable/limits.ts'
import { StoreClock } from '../../../support/store-clock.ts'

/** A clock whose turns a test takes. */
class TurnClock extends StoreClock {
  readonly #due: (() => void)[] = []

  override soon(fn: () => void): void {
    this.#due.push(fn)
  }

  get isWaited(): boolean {
    return this.#due.length > 0
  }

  turn(): void {
    for (const fn of this.#due.splice(0)) fn()
  }
}

/** Has so much to send, and sends its share each time. */
class Session implements Sender {
  isQueued = false
  sent = 0
  readonly #turns: DeliveryTurns
  readonly #has: number

  constructor(turns: DeliveryTurns, has: number) {
    this.#turns = turns
    this.#has = has
  }

  pump(): void {
    const { share } = this.#turns
    this.sent = Math.min(this.#has, this.sent + share)
    if (this.sent < this.#has) this.#turns.enqueue(this)
  }
}

describe('mqtt durable: turns of sessions that have much to send', () => {
  it('one alone sends as much as publishers may bring, and is done when it has nothing left', () => {
    const clock = new TurnClock()
    const session = new Session(new DeliveryTurns(clock), 3 * TURN_MESSAGES_MAX)
    session.pump()
    assert.equal(session.sent, TURN_MESSAGES_MAX)
    clock.turn()
    clock.turn()
    assert.equal(session.sent, 3 * TURN_MESSAGES_MAX)
    assert.equal(clock.isWaited, false)
  })

  it('many send little more than a turn holds, each its share, and nobody is left behind', () => {
    const clock = new TurnClock()
    const turns = new DeliveryTurns(clock)
    const sessions = Array.from({ length: 500 }, () => new Session(turns, 100_000))
    for (const session of sessions) turns.enqueue(session)
    let before = 0
    for (let turn = 0; turn < 40; turn++) {
      clock.turn()
      const sent = sessions.reduce((sum, session) => sum + session.sent, 0)
      assert.ok(sent - before <= TURN_MESSAGES + TURN_MESSAGES_MAX, `${sent - before} in a turn`)
      before = sent
    }
    const shares = sessions.map(({ sent }) => sent)
    assert.ok(Math.min(...shares) >= 4 * TURN_MESSAGES_MIN, `${Math.min(...shares)}`)
    assert.ok(Math.max(...shares) <= 2 * Math.min(...shares), `${Math.max(...shares)}`)
  })
})
