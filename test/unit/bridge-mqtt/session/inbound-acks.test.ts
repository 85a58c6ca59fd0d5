import assert from 'node:assert/strict'
import { InboundAcks } from '../../../../bridge-mqtt/session/inbound-acks.ts'
import type { PublishOptions } from '../../../../shared/broker/index.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'

describe('inbound acknowledgements', () => {
  it('leave in the order of the publishes, whatever commits first [MQTT-4.6.0-2]', () => {
    const { acks, sent } = recorder()
    const [first, second, third] = [1, 2, 3].map((id) => acks.open(id, 1))
    third?.committed?.(undefined)
    second?.committed?.(undefined)
    assert.deepEqual(sent, [])
    first?.committed?.(undefined)
    assert.deepEqual(sent, [1, 2, 3])
    assert.equal(acks.pending, 0)
  })

  it('do not leave any more after one that could not be stored', () => {
    const { acks, sent, errors } = recorder()
    const open = [1, 2, 3].map((id) => acks.open(id, 1))
    open[0]?.committed?.(undefined)
    open[1]?.committed?.(new PetioleError('PETIOLE_STORE_FULL', 'full'))
    open[2]?.committed?.(undefined)
    assert.deepEqual(sent, [1])
    assert.deepEqual(errors, ['PETIOLE_STORE_FULL'])
  })

  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  it(`keep their order through growth and reuse of the ring (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const { acks, sent } = recorder()
    const waiting: PublishOptions[] = []
    let opened = 0
    while (opened < 20_000 || waiting.length > 0) {
      if (opened < 20_000 && random.below(5) < 3) {
        waiting.push(acks.open((opened++ % 65_535) + 1, 1))
      } else if (waiting.length > 0) {
        // Mostly near the front, as a group commit is, sometimes anywhere.
        const index = random.below(10) === 0 ? random.below(waiting.length) : 0
        waiting.splice(index, 1)[0]?.committed?.(undefined)
      }
    }
    assert.equal(acks.pending, 0)
    assert.deepEqual(
      sent,
      Array.from({ length: opened }, (_, i) => (i % 65_535) + 1),
    )
  })

  it('use their entries again', () => {
    const { acks } = recorder()
    const seen = new Set<PublishOptions>()
    for (let i = 0; i < 1_000; i++) {
      const entry = acks.open(1, 1)
      seen.add(entry)
      entry.committed?.(undefined)
    }
    assert.ok(seen.size <= 8, `${seen.size} entries`)
  })
})

function recorder() {
  const sent: number[] = []
  const errors: string[] = []
  const acks = new InboundAcks({
    acknowledge: ({ packetId }) => sent.push(packetId),
    reasonOf: () => 0,
    uncommitted: (error) => errors.push(error.code),
  })
  return { acks, sent, errors }
}
