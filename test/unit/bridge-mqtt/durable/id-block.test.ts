import assert from 'node:assert/strict'
import { countIds, hasId, withId, withoutId } from '../../../../bridge-mqtt/durable/id-block.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const FIRST = 4_096
const SIZE = 2_048
const STEPS = 3_000

describe('mqtt durable: a block of packet identifiers', () => {
  it(`has what a set has (SEED=${SEED})`, () => {
    const random = new SeededRandom(SEED)
    const model = new Set<number>()
    let block: Uint8Array | undefined
    for (let step = 0; step < STEPS; step++) {
      const before = block && Uint8Array.from(block)
      const given = block
      const id = FIRST + drawn(random)
      const isAdded = random.below(step % 1_000 < 500 ? 4 : 20) === 0
      block = isAdded ? withId(block, id) : withoutId(block, id)
      if (isAdded) model.add(id)
      else model.delete(id)
      assert.deepEqual(given, before, 'what it was given stays as it was')
      assert.equal(countIds(block), model.size)
      assert.equal(hasId(block, id), model.has(id))
      assert.ok(block.length <= 2 + span(model), `${block.length}`)
    }
    for (let id = FIRST; id < FIRST + SIZE; id++) assert.equal(hasId(block, id), model.has(id))
  })

  it('has nothing where there is none, or where bytes make no sense', () => {
    const whole = withId(undefined, 7)
    for (const block of [
      undefined,
      new Uint8Array(0),
      whole.subarray(1),
      Uint8Array.of(1, 255, 9, 9),
    ]) {
      assert.equal(hasId(block, 7), false)
      assert.equal(countIds(block), 0)
      assert.equal(hasId(withId(block, 9), 7), false)
      assert.equal(hasId(withId(block, 9), 9), true)
    }
  })
})

/** Close to each other mostly, as a client counts. */
function drawn(random: SeededRandom): number {
  return random.below(4) === 0 ? random.below(SIZE) : 900 + random.below(40)
}

/** Bytes from the first that has a bit to the last. */
function span(ids: ReadonlySet<number>): number {
  const places = [...ids].map((id) => (id - FIRST) >>> 3)
  return ids.size === 0 ? 0 : Math.max(...places) - Math.min(...places) + 1
}
