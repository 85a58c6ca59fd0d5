import assert from 'node:assert/strict'
import { InboundWindow } from '../../../../bridge-mqtt/remotes/inbound-window.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'

const FULL = new PetioleError('PETIOLE_STORE_FULL', 'full')
const LARGE = new PetioleError('PETIOLE_MESSAGE_TOO_LARGE', 'large')

describe('mqtt remotes: what waits for its commit', () => {
  let said: (number | string)[]
  let window: InboundWindow

  beforeEach(() => {
    said = []
    window = new InboundWindow({
      stored: (packetId) => said.push(packetId),
      unstored: (error) => said.push(error.code),
      refused: (error) => said.push(error.code),
    })
  })

  it('is acknowledged in the order in which it came, whatever is stored first', () => {
    const entries = [1, 2, 3].map((id) => window.open(id))
    entries[2]?.committed(undefined)
    entries[1]?.committed(undefined)
    assert.deepEqual(said, [])
    assert.equal(window.pending, 3)
    entries[0]?.committed(undefined)
    assert.deepEqual(said, [1, 2, 3])
    assert.equal(window.pending, 0)
  })

  it('waits for all that store it', () => {
    const entry = window.open(1)
    const held = entry.hold()
    entry.committed(undefined)
    assert.deepEqual(said, [])
    held(undefined)
    assert.deepEqual(said, [1])
  })

  it('is not acknowledged when it is not stored, nor is anything behind it', () => {
    const [one, two, three] = [1, 2, 3].map((id) => window.open(id))
    one?.committed(undefined)
    two?.committed(FULL)
    three?.committed(undefined)
    window.open(4).committed(FULL)
    assert.deepEqual(said, [1, 'PETIOLE_STORE_FULL'])
  })

  it('is acknowledged when no try could ever store it', () => {
    window.open(1).committed(LARGE)
    assert.deepEqual(said, ['PETIOLE_MESSAGE_TOO_LARGE', 1])
  })

  it('tells when nothing waits, and when nothing will be acknowledged any more', () => {
    const told: string[] = []
    window.whenIdle(() => told.push('empty'))
    const entry = window.open(1)
    window.whenIdle(() => told.push('stored'))
    assert.deepEqual(told, ['empty'])
    entry.committed(undefined)
    assert.deepEqual(told, ['empty', 'stored'])
    window.open(2)
    window.whenIdle(() => told.push('ended'))
    window.end()
    assert.deepEqual(told, ['empty', 'stored', 'ended'])
  })

  it('in any order: each once, in the order in which they came', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed)
      const open: (() => void)[] = []
      said.length = 0
      let next = 1
      for (let step = 0; step < 500; step++) {
        if (random.below(2) === 0) {
          const entry = window.open(next++)
          open.push(() => entry.committed(undefined))
          if (random.below(3) === 0) {
            const held = entry.hold()
            open.push(() => held(undefined))
          }
        } else {
          open.splice(random.below(open.length + 1), 1)[0]?.()
        }
      }
      for (const call of open.splice(0)) call()
      assert.deepEqual(
        said,
        Array.from({ length: next - 1 }, (_, i) => i + 1),
        `seed ${seed}`,
      )
    }
  })
})
