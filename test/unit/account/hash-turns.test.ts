import assert from 'node:assert/strict'
import { HashTurns, networkOf } from '../../../shared/account/hash-turns.ts'
import {
  HASHES_RUNNING_MAX,
  HASHES_WAITING_EACH_MAX,
  HASHES_WAITING_MAX,
} from '../../../shared/account/limits.ts'
import type { PasswordHashes } from '../../../shared/runtime/index.ts'

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

describe('turns at bcrypt', () => {
  it('let a newcomer pass the rest of a flood', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const flood = Array.from({ length: 500 }, (_, i) => turns.matches(`f${i}`, 'h', '10.0.0.1'))
    const other = turns.matches('other', 'h', '10.0.0.2')
    assert.deepEqual(hashes.asked, ['f0', 'f1'])
    const behind = HASHES_RUNNING_MAX + HASHES_WAITING_EACH_MAX
    assert.deepEqual(await Promise.all(flood.slice(behind)), Array(500 - behind).fill(false))
    await hashes.answer(HASHES_RUNNING_MAX)
    assert.deepEqual(hashes.asked.slice(HASHES_RUNNING_MAX), ['f2', 'other'])
    await hashes.answer(2)
    assert.equal(await other, true)
    await hashes.answer(500)
    assert.deepEqual(await Promise.all(flood.slice(0, behind)), Array(behind).fill(true))
  })

  it('take from the longest line when all of them are full', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const flooders = HASHES_WAITING_MAX / HASHES_WAITING_EACH_MAX
    const refused: string[] = []
    for (let nth = 0; nth <= flooders; nth++) {
      for (let i = 0; i <= HASHES_WAITING_EACH_MAX; i++) {
        const name = `${nth}.${i}`
        void turns.matches(name, 'h', `10.0.0.${nth}`).then((is) => is || refused.push(name))
      }
    }
    void turns.matches('other', 'h', '10.9.9.9').then((is) => is || refused.push('other'))
    await hashes.answer(2 * HASHES_WAITING_MAX)
    assert.ok(hashes.asked.indexOf('other') > 0)
    assert.ok(!refused.includes('other') && refused.length > 0)
    assert.ok(hashes.asked.length <= HASHES_WAITING_MAX + HASHES_RUNNING_MAX + flooders + 2)
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
