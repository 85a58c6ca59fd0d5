import assert from 'node:assert/strict'
import { type Asker, HashTurns, networkOf } from '../../../shared/account/hash-turns.ts'
import { HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from '../../../shared/account/limits.ts'
import { type PasswordHashes, SeededRandom } from '../../../shared/runtime/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Answers when the test wants it. */
class HeldHashes implements PasswordHashes {
  readonly asked: string[] = []
  readonly #held: ((matches: boolean) => void)[] = []

  matches(password: string): Promise<boolean> {
    this.asked.push(password)
    return new Promise((resolve) => this.#held.push(resolve))
  }

  async answer(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.#held.shift()?.(true)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  close(): void {}
}

/** One comparison after another, each of which takes its time. */
class SlowHashes implements PasswordHashes {
  asked = 0
  readonly #clock: ManualClock
  #freeAtMs = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  matches(): Promise<boolean> {
    this.asked++
    const nowMs = this.#clock.monotonicMs()
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + HASH_MS
    return new Promise((resolve) => this.#clock.after(this.#freeAtMs - nowMs, () => resolve(true)))
  }

  close(): void {}
}

const HASH_MS = 200
const STEP_MS = 10

/**
 * Clients of one address who have `patienceMs` each, hang up, and dial again a while later.
 * Returns when the last was in; undefined when some were not within the time.
 */
async function storm(
  count: number,
  patienceMs: number,
  leave: (applicant: { isClosed: boolean; hasEnded: boolean }) => void,
): Promise<number | undefined> {
  const clock = new ManualClock()
  const random = new SeededRandom(seed)
  const turns = new HashTurns(new SlowHashes(clock))
  let waiting = count
  const dial = (name: string): void => {
    const applicant = { isClosed: false, hasEnded: false }
    const cancel = clock.after(patienceMs, () => {
      leave(applicant)
      clock.after(1_000 + random.below(2_000), () => dial(name))
    })
    void turns.matches(name, 'h', { remoteAddress: '10.0.0.1', applicant }).then((isIn) => {
      if (!isIn || applicant.hasEnded || applicant.isClosed) return
      cancel()
      waiting--
    })
  }
  for (let i = 0; i < count; i++) clock.after(random.below(2_000), () => dial(`u${i}`))
  // As long as it takes to compare with each one ten times.
  for (const endMs = count * HASH_MS * 10; waiting > 0; ) {
    if (clock.monotonicMs() > endMs) return undefined
    clock.advance(STEP_MS)
    await Promise.resolve()
    await Promise.resolve()
    await Promise.resolve()
  }
  return clock.monotonicMs()
}

function at(remoteAddress: string, applicant = { isClosed: false, hasEnded: false }): Asker {
  return { remoteAddress, applicant }
}

describe('turns at bcrypt', () => {
  it('let everybody in when clients of one address give up, are seen to be gone, and dial again', async () => {
    for (const patienceMs of [1_000, 2_000, 5_000]) {
      const lastMs = await storm(300, patienceMs, (applicant) => {
        applicant.isClosed = true
      })
      assert.ok(lastMs !== undefined, `some never got in, patience=${patienceMs} seed=${seed}`)
    }
  })

  it('let everybody in too when clients who give up have left something to be done', async () => {
    for (const patienceMs of [1_000, 2_000, 5_000]) {
      const lastMs = await storm(300, patienceMs, (applicant) => {
        applicant.hasEnded = true
      })
      assert.ok(lastMs !== undefined, `some never got in, patience=${patienceMs} seed=${seed}`)
    }
  })

  it('compare once for all who present the same', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const busy = ['x', 'y'].map((name) => turns.matches(name, 'h', at('10.0.0.9')))
    const same = [1, 2, 3].map((n) => turns.matches('same', 'h', at(`10.0.0.${n}`)))
    const otherHash = turns.matches('same', 'g', at('10.0.0.1'))
    await hashes.answer(1)
    const late = turns.matches('same', 'h', at('10.0.0.4'))
    await hashes.answer(3)
    assert.deepEqual(hashes.asked, ['x', 'y', 'same', 'same'])
    const answers = await Promise.all([...busy, ...same, otherHash, late])
    assert.deepEqual(answers, Array(7).fill(true))
  })

  it('refuse unasked those who are gone, and serve last those who have hung up', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const busy = ['x', 'y'].map((name) => turns.matches(name, 'h', at('10.0.0.1')))
    const leaver = { isClosed: false, hasEnded: false }
    const ender = { isClosed: false, hasEnded: false }
    const gone = turns.matches('gone', 'h', at('10.0.0.1', leaver))
    const ended = turns.matches('ended', 'h', at('10.0.0.2', ender))
    const here = [1, 2, 3].map((n) => turns.matches(`here${n}`, 'h', at('10.0.0.3')))
    leaver.isClosed = true
    ender.hasEnded = true
    await hashes.answer(6)
    assert.deepEqual(hashes.asked, ['x', 'y', 'here1', 'here3', 'here2', 'ended'])
    assert.equal(await gone, false)
    assert.deepEqual(await Promise.all([...busy, ...here, ended]), Array(6).fill(true))
  })

  it('give the room of those who are gone to others', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const crowd = { isClosed: false, hasEnded: false }
    const total = HASHES_WAITING_MAX + HASHES_RUNNING_MAX
    for (let i = 0; i < total; i++) void turns.matches(`f${i}`, 'h', at('10.0.0.1', crowd))
    crowd.isClosed = true
    const others = Array.from({ length: 50 }, (_, i) => turns.matches(`o${i}`, 'h', at('10.0.0.2')))
    await hashes.answer(HASHES_RUNNING_MAX + 50)
    assert.deepEqual(await Promise.all(others), Array(50).fill(true))
    assert.equal(hashes.asked.length, HASHES_RUNNING_MAX + 50)
  })

  it('let a newcomer pass the rest of a flood, and refuse none of one address for that', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const many = Array.from({ length: 500 }, (_, i) => turns.matches(`f${i}`, 'h', at('10.0.0.1')))
    const other = turns.matches('other', 'h', at('10.0.0.2'))
    assert.deepEqual(hashes.asked, ['f0', 'f1'])
    await hashes.answer(HASHES_RUNNING_MAX)
    assert.deepEqual(hashes.asked.slice(HASHES_RUNNING_MAX), ['f2', 'other'])
    await hashes.answer(500)
    assert.equal(await other, true)
    assert.deepEqual(await Promise.all(many), Array(500).fill(true))
  })

  it('take from the longest line when there is no room', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const refused: string[] = []
    const ask = (name: string, address: string): void => {
      void turns.matches(name, 'h', at(address)).then((is) => is || refused.push(name))
    }
    ask('early', '10.0.0.2')
    for (let i = 0; i < HASHES_WAITING_MAX + 50; i++) ask(`f${i}`, '10.0.0.1')
    ask('late', '10.0.0.2')
    await hashes.answer(2 * HASHES_WAITING_MAX)
    assert.ok(hashes.asked.includes('early') && hashes.asked.includes('late'))
    assert.ok(refused.length >= 50 && refused.every((name) => name.startsWith('f')))
    assert.ok(hashes.asked.length <= HASHES_WAITING_MAX + HASHES_RUNNING_MAX + 1)
  })

  it('take a network of IPv6 for one address', () => {
    const cases: [string, string][] = [
      ['10.1.2.3', '10.1.2.3'],
      ['::ffff:10.1.2.3', '::ffff:10.1.2.3'],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
      ['2001:db8:1:2::7', '2001:db8:1:2'],
      ['2001:db8::7', '2001:db8:0:0'],
      ['::1', '0:0:0:0'],
      ['fe80::', 'fe80:0:0:0'],
      ['', ''],
    ]
    for (const [address, expected] of cases) assert.equal(networkOf(address), expected)
  })
})
