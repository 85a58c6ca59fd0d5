import assert from 'node:assert/strict'
import { SWEEP_CANDIDATES_MAX } from '../../../../bridge-mqtt/durable/limits.ts'
import { SeqPile } from '../../../../bridge-mqtt/durable/seq-pile.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

describe('sequences that gather', () => {
  it(`are given back rising and once each (SEED=${SEED})`, () => {
    const random = new SeededRandom(SEED)
    const pile = new SeqPile()
    const model = new Set<number>()
    for (let i = 0; i < 5_000; i++) {
      const seq = 2 ** 40 + random.below(1_000)
      pile.push(seq)
      model.add(seq)
    }
    assert.deepEqual(
      [...pile.take()],
      [...model].sort((a, b) => a - b),
    )
    assert.equal(pile.size, 0)
    assert.deepEqual([...pile.take()], [])
  })

  it('are given back so when only some of them come late, behind a tidying too', () => {
    const pile = new SeqPile()
    for (let seq = 1; seq <= 10; seq++) pile.push(seq)
    assert.deepEqual([...pile.take()], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    for (let seq = 1; seq < 2 * SWEEP_CANDIDATES_MAX; seq++) pile.push(seq)
    pile.push(3)
    for (const seq of [4, 5]) pile.push(seq)
    const taken = [...pile.take()]
    assert.equal(taken.length, 2 * SWEEP_CANDIDATES_MAX - 1)
    assert.deepEqual(
      taken,
      taken.map((_, i) => i + 1),
    )
  })

  it('the same ones take no more memory however often they come', () => {
    const pile = new SeqPile()
    for (let i = 0; i < 10 * SWEEP_CANDIDATES_MAX; i++) pile.push(1 + (i % 100))
    assert.ok(pile.size <= 2 * SWEEP_CANDIDATES_MAX, `${pile.size}`)
    assert.equal([...pile.take()].length, 100)
  })
})
