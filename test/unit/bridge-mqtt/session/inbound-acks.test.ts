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

  it('wait for all who store the message', () => {
    const { acks, sent } = recorder()
    const entry = acks.open(1, 1)
    const [log, retained] = [entry.hold(), entry.hold()]
    entry.committed(undefined)
    log(undefined)
    assert.deepEqual(sent, [])
    retained(undefined)
    assert.deepEqual(sent, [1])
  })

  it('tell who can be told of an error, and go on', () => {
    const { acks, sent, reasons, errors } = recorder(0x97)
    const [first, second] = [acks.open(1, 1), acks.open(2, 2)]
    second?.committed(new PetioleError('PETIOLE_STORE_FULL', 'full'))
    assert.deepEqual(sent, [])
    first?.committed(undefined)
    assert.deepEqual(sent, [1, 2])
    assert.deepEqual(reasons, [0, 0x97])
    assert.deepEqual(errors, [])
  })

  it('of a publish that was undone tell its error, whoever calls back for it later', () => {
    const { acks, sent, reasons } = recorder(0x97)
    const entry = acks.open(1, 2)
    const late = entry.hold()
    acks.abandon(entry, new PetioleError('PETIOLE_STORE_FULL', 'full'))
    assert.deepEqual([sent, reasons], [[1], [0x97]])
    const next = acks.open(2, 1)
    late(undefined)
    entry.committed(undefined)
    assert.deepEqual(sent, [1])
    next.committed(undefined)
    assert.deepEqual(sent, [1, 2])
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

/** @param told the reason code of errors; 0: there is none */
function recorder(told = 0) {
  const sent: number[] = []
  const reasons: number[] = []
  const errors: string[] = []
  const acks = new InboundAcks({
    acknowledge: ({ packetId, reason }) => {
      sent.push(packetId)
      reasons.push(reason)
    },
    refused: () => {},
    transact: (write) => write(),
    reasonOf: () => told,
    uncommitted: (error) => errors.push(error.code),
  })
  return { acks, sent, reasons, errors }
}
