import assert from 'node:assert/strict'
import { AccountSpace } from '../../../shared/broker/index.ts'
import { AccountLinks } from '../../../shared/link/account-links.ts'
import { InterestPace } from '../../../shared/link/interest-pace.ts'
import { SplitMap } from '../../../shared/link/split-map.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

describe(`link: interest in parts (SEED=${SEED})`, () => {
  it('counts what an account has so much in a turn, and not in one', () => {
    const turns: (() => void)[] = []
    const clock = Object.assign(new ManualClock(), { soon: (next: () => void) => turns.push(next) })
    const random = new SeededRandom(SEED)
    const space = new AccountSpace(random, '$G')
    let asked = 0
    const isConfined = (): boolean => {
      asked++
      return false
    }
    const peer = new RecordingPeer('local')
    for (let i = 0; i < 100; i++) space.subscribe(peer, { subject: `s.${i}` })
    const links = new AccountLinks(space, random, isConfined, new InterestPace(clock, 10, 10))
    const counted = [asked]
    for (let next = turns.shift(); next !== undefined; next = turns.shift()) {
      next()
      counted.push(asked)
    }
    const steps = counted.map((count, turn) => count - (counted[turn - 1] ?? 0))
    assert.ok(Math.max(...steps) <= 10, steps.join())
    assert.equal(asked, 100)
    assert.deepEqual([links.isAskedFor('s.99'), links.isAskedFor('s.100')], [true, false])
  })

  it('counts no more for an account that is gone', () => {
    const clock = new ManualClock()
    const random = new SeededRandom(SEED)
    const space = new AccountSpace(random, '$G')
    let asked = 0
    const isConfined = (): boolean => {
      asked++
      return false
    }
    const peer = new RecordingPeer('local')
    for (let i = 0; i < 100; i++) space.subscribe(peer, { subject: `s.${i}` })
    new AccountLinks(space, random, isConfined, new InterestPace(clock, 10, 10)).close()
    clock.advance(1_000)
    assert.equal(asked, 10)
  })

  it('is a map, however many maps there are', () => {
    const random = new SeededRandom(SEED)
    const split = new SplitMap<number>(20)
    const model = new Map<string, number>()
    for (let step = 0; step < 20_000; step++) {
      const key = `key ${random.below(300)}`
      assert.equal(split.get(key), model.get(key), key)
      assert.equal(split.has(key), model.has(key), key)
      if (model.has(key) && random.below(2) === 0) {
        split.delete(key)
        model.delete(key)
      } else if (!model.has(key)) {
        split.add(key, step)
        model.set(key, step)
      }
      if (step % 500 !== 0) continue
      assert.deepEqual([...split.values()].sort(), [...model.values()].sort())
    }
  })

  it('goes over a map that changes: what stays comes once', () => {
    const random = new SeededRandom(SEED)
    const split = new SplitMap<string>(50)
    for (let i = 0; i < 40; i++) split.add(`stays ${i}`, `stays ${i}`)
    const seen: string[] = []
    let others = 0
    for (const value of split.values()) {
      seen.push(value)
      if (others < 400) split.add(`other ${others++}`, 'other')
      split.delete(`other ${random.below(others)}`)
    }
    const stayed = seen.filter((value) => value.startsWith('stays'))
    assert.equal(stayed.length, 40)
    assert.equal(new Set(stayed).size, 40)
  })
})
