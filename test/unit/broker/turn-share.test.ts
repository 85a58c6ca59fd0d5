import assert from 'node:assert/strict'
import {
  OVERTIME_MS,
  PIECES_AT_ONCE,
  PIECES_PER_LOOK,
  TURN_MS,
} from '../../../shared/broker/limits.ts'
import { ParserHold, TurnShare } from '../../../shared/broker/turn-share.ts'
import { Turns } from '../../../shared/broker/turns.ts'
import { UNITS_PER_LOOK, work } from '../../../shared/broker/work.ts'
import { ManualClock } from '../../support/manual-clock.ts'

/** A loop whose turns are taken one by one; time passes only by work. */
class Loop extends ManualClock {
  readonly next: (() => void)[] = []

  override soon(fn: () => void): void {
    this.next.push(fn)
  }

  turns = 0

  turn(): void {
    this.turns++
    for (const fn of this.next.splice(0)) fn()
  }
}

/** Has so much to do, of so many units and milliseconds each, and stops where it is paused. */
class Busy {
  done = 0
  readonly share: TurnShare
  readonly #loop: Loop
  readonly #each: { readonly units: number; readonly ms: number }
  left: number
  /** As a parser is. */
  isHeld = false
  #isPaused = false

  constructor(
    loop: Loop,
    left: number,
    each: { readonly units: number; readonly ms: number },
    whose: { readonly account?: string; readonly isLink?: boolean } = {},
  ) {
    this.#loop = loop
    this.left = left
    this.#each = each
    this.share = new TurnShare(loop, this, new ParserHold(this), whose.isLink)
    this.share.owner = whose.account ?? ''
  }

  pause(): void {
    assert.equal(this.#isPaused, false, 'paused once')
    this.#isPaused = true
  }

  /** As a channel does it: what is left comes in the next turn. */
  resume(): void {
    assert.equal(this.#isPaused, true)
    assert.equal(this.isHeld, false)
    this.#isPaused = false
    this.#loop.soon(() => this.read())
  }

  read(): void {
    while (this.left > 0 && !this.isHeld) {
      this.left--
      this.done++
      this.#loop.advance(this.#each.ms)
      this.share.spend(this.#each.units)
    }
  }
}

const SMALL = { units: 100, ms: 0.01 }

describe("broker: a connection's share of a turn", () => {
  let loop: Loop

  beforeEach(() => {
    loop = new Loop()
    work.units = 0
  })

  it('ends with the turn, and goes on in the next', () => {
    const one = new Busy(loop, 10_000, SMALL)
    const perTurn: number[] = []
    for (one.read(); one.left > 0; loop.turn()) perTurn.push(one.done)
    const steps = perTurn.map((done, i) => done - (perTurn[i - 1] ?? 0))
    const most = (TURN_MS + OVERTIME_MS) / SMALL.ms + (2 * UNITS_PER_LOOK) / SMALL.units
    assert.ok(Math.max(...steps) <= most, steps.join())
    assert.ok(perTurn.length <= 30, 'no turn is wasted')
    for (let i = 0; i < 3; i++) loop.turn()
    assert.equal(loop.next.length, 0, 'no turns when nobody takes long')
  })

  it('is the same for all who take long, however many they are', () => {
    const all = Array.from({ length: 5 }, () => new Busy(loop, 5_000, SMALL))
    for (const one of all) one.read()
    while (all.every(({ left }) => left > 0)) loop.turn()
    const done = all.map((one) => one.done)
    assert.ok(Math.min(...done) > 3_000, done.join())
    for (let i = 0; i < 100; i++) loop.turn()
    assert.deepEqual(
      all.map(({ left }) => left),
      [0, 0, 0, 0, 0],
    )
  })

  it('of one who does little is not touched by those who take long', () => {
    const heavy = new Busy(loop, 20_000, SMALL)
    const light = new Busy(loop, 0, { units: 20, ms: 0.001 })
    for (heavy.read(); heavy.left > 0; loop.turn()) {
      light.left = 40
      light.read()
      assert.equal(light.left, 0)
    }
  })

  it('is the same for each account, however many connections it has', () => {
    const crowd = Array.from({ length: 40 }, () => new Busy(loop, 9_999, SMALL, { account: 'A' }))
    const one = new Busy(loop, 9_999, SMALL, { account: 'B' })
    const other = new Busy(loop, 9_999, SMALL, { account: 'C' })
    for (const busy of [...crowd, one, other]) busy.read()
    const turns = loop.turns
    while (one.left > 0 && other.left > 0) loop.turn()
    const mostAlone = 9_999 / (TURN_MS / SMALL.ms)
    assert.ok(loop.turns - turns <= 4 * mostAlone, `${loop.turns - turns} turns`)
    assert.ok(other.left < 2_000, 'the third as much')
    for (let i = 0; i < 2_000; i++) loop.turn()
    assert.ok(
      crowd.every(({ left }) => left === 0),
      'and nobody is forgotten',
    )
  })

  it('of a link is every second turn, whoever else stands in line', () => {
    const accounts = Array.from({ length: 60 }, (_, i) => `A${i}`)
    const clients = accounts.map((account) => new Busy(loop, 9_999, SMALL, { account }))
    const link = new Busy(loop, 9_999, SMALL, { isLink: true })
    for (const busy of [...clients, link]) busy.read()
    assert.equal(link.share.hasWaited(), true)
    const turns = loop.turns
    while (link.left > 0) loop.turn()
    const mostAlone = 9_999 / (TURN_MS / SMALL.ms)
    assert.ok(loop.turns - turns <= 3 * mostAlone, `${loop.turns - turns} turns`)
    const done = clients.map((client) => client.done)
    assert.ok(Math.max(...done) > Math.min(...done), 'the others have had the other turns')
    assert.equal(link.share.hasWaited(), true, 'it waited since it was asked')
    assert.equal(link.share.hasWaited(), false)
    for (let i = 0; i < 3_000; i++) loop.turn()
    assert.ok(clients.every(({ left }) => left === 0))
    assert.equal(loop.next.length, 0)
  })

  it('is gone with one operation when that takes a turn', () => {
    const one = new Busy(loop, 10, { units: 200_000, ms: TURN_MS })
    const other = new Busy(loop, 10, { units: 200_000, ms: TURN_MS })
    one.read()
    other.read()
    assert.ok(one.done <= 2, 'the turn began behind its first')
    assert.equal(other.done, 1)
    for (let turn = 0; one.left > 0 || other.left > 0; turn++) {
      assert.ok(turn < 100)
      const before = one.done + other.done
      loop.turn()
      assert.ok(one.done + other.done - before <= 2)
    }
  })
})

describe('broker: turns', () => {
  it('do work in pieces: some at once, the rest while others have their turn', () => {
    const loop = new Loop()
    let left = 2_000
    Turns.of(loop).doInPieces('A', () => {
      loop.advance(0.05)
      return left-- > 0
    })
    const told = [2_000 - left]
    for (; left > 0; told.push(2_000 - left)) loop.turn()
    const steps = told.map((count, i) => count - (told[i - 1] ?? 0))
    assert.ok(Math.max(...steps) <= TURN_MS / 0.05 + PIECES_AT_ONCE + PIECES_PER_LOOK, steps.join())
    assert.ok(steps.length >= 10)
  })

  it('count pieces for nobody who is served next', () => {
    const loop = new Loop()
    work.units = 7
    let left = 2_000
    Turns.of(loop).doInPieces('A', () => {
      loop.advance(0.05)
      work.units += 100
      return left-- > 0
    })
    for (; left > 0; loop.turn()) assert.equal(work.units, 7)
  })

  it('let who is there pass a thousand of its account that have gone', () => {
    const loop = new Loop()
    const left = new Array<number>(1_000).fill(300)
    for (const i of left.keys()) {
      Turns.of(loop).doInPieces('A', () => {
        loop.advance(0.05)
        left[i] = (left[i] ?? 0) - 1
        return (left[i] ?? 0) > 0
      })
    }
    const busy = new Busy(loop, 100, { units: UNITS_PER_LOOK, ms: 1 }, { account: 'A' })
    busy.read()
    for (let before = 0; before === 0 || busy.done > before; ) {
      before = busy.done
      for (let i = 0; i < 4; i++) loop.turn()
    }
    assert.equal(busy.left, 0)
    while (left.some((count) => count > 0)) loop.turn()
    assert.deepEqual(new Set(left), new Set([0]))
  })

  it('give little work no turn of its own', () => {
    const loop = new Loop()
    let left = 20
    Turns.of(loop).doInPieces('A', () => left-- > 0)
    assert.equal(left, -1)
    assert.equal(loop.next.length, 0)
  })
})
