import assert from 'node:assert/strict'
import { BytesCache } from '../../../shared/subject/index.ts'

/** Keys that share the lowest `bits` of FNV-1a's hash as the cache folds it: what an attacker would send. */
function colliding(count: number, bits: number): Buffer[] {
  const keys: Buffer[] = []
  for (let i = 0; keys.length < count; i++) {
    const key = Buffer.from(i.toString(36))
    let hash = -2128831035
    for (const byte of key) hash = Math.imul(hash ^ byte, 16777619)
    hash ^= hash >>> 15
    if ((hash & (2 ** bits - 1)) === 0) keys.push(key)
  }
  return keys
}

describe('cache by bytes', () => {
  it('finds what it keeps, and forgets all when it is full', () => {
    const cache = new BytesCache<number>(100, 16)
    const keys = Array.from({ length: 100 }, (_, i) => Buffer.from(`plant.${i}`))
    for (const [i, key] of keys.entries()) cache.add(key, 0, key.length, i)
    for (const [i, key] of keys.entries()) assert.equal(cache.get(key, 0, key.length), i)
    const one = Buffer.from('one.more')
    cache.add(one, 0, one.length, 1)
    assert.equal(cache.size, 1)
    assert.equal(cache.get(one, 0, one.length), 1)
    for (const key of keys) assert.equal(cache.get(key, 0, key.length), undefined)
  })

  it('tells those apart that are asked for in turn, and again and again', () => {
    const cache = new BytesCache<number>(4, 16)
    const keys = ['a', 'ab', 'b'].map((text) => Buffer.from(text))
    for (const [i, key] of keys.entries()) cache.add(key, 0, key.length, i)
    for (const i of [0, 0, 1, 0, 2, 2, 1, 1]) {
      const key = keys[i] as Buffer
      assert.equal(cache.get(Buffer.concat([key, key]), key.length, 2 * key.length), i)
    }
    cache.clear()
    for (const key of keys) assert.equal(cache.get(key, 0, key.length), undefined)
  })

  it('keeps no more of the keys that share a place than one search looks at', () => {
    const cache = new BytesCache<number>(512, 16)
    const keys = colliding(200, 10)
    for (const [i, key] of keys.entries()) cache.add(key, 0, key.length, i)
    assert.equal(cache.size, 32)
    for (const [i, key] of keys.entries()) {
      assert.equal(cache.get(key, 0, key.length), i < 32 ? i : undefined)
    }
  })

  it('keeps what it is given again, where those that come once are to cost nothing', () => {
    const cache = new BytesCache<number>(1_000, 16, 'second sight')
    const known = Buffer.from('plant.known')
    const add = (key: Buffer, value: number): void => {
      if (cache.get(key, 0, key.length) === undefined) cache.add(key, 0, key.length, value)
    }
    add(known, 1)
    assert.equal(cache.get(known, 0, known.length), undefined)
    add(known, 2)
    assert.equal(cache.get(known, 0, known.length), 2)
    let kept = 0
    for (let i = 0; i < 1_000; i++) add(Buffer.from(`once.${i}`), i)
    for (let i = 0; i < 1_000; i++) {
      const key = Buffer.from(`once.${i}`)
      if (cache.get(key, 0, key.length) !== undefined) kept++
    }
    assert.ok(kept < 250, `${kept} of those that came once are kept`)
    assert.equal(cache.get(known, 0, known.length), 2)
  })
})
