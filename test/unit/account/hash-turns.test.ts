import assert from 'node:assert/strict'
import { HashTurns, networkOf } from '../../../shared/account/hash-turns.ts'
import { HASHES_RUNNING_MAX, HASHES_WAITING_MAX } from '../../../shared/account/limits.ts'
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
  it('let a newcomer pass the rest of a flood, and refuse none of one address for that', async () => {
    const hashes = new HeldHashes()
    const turns = new HashTurns(hashes)
    const many = Array.from({ length: 500 }, (_, i) => turns.matches(`f${i}`, 'h', '10.0.0.1'))
    const other = turns.matches('other', 'h', '10.0.0.2')
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
      void turns.matches(name, 'h', address).then((is) => is || refused.push(name))
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
