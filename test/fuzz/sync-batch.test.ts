import assert from 'node:assert/strict'
import { crc32 } from 'node:zlib'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import { encodeBatch, ReceivedBatch } from '../../shared/sync/index.ts'

/**
 * A batch comes over the network. Whatever its bytes are, even with a checksum that holds, reading it
 * ends with a batch that adds up or with the one error that says that it is none.
 */

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = 30_000

describe('sync batch decoder', () => {
  it(`takes any bytes, seed=${SEED}`, () => {
    const random = new SeededRandom(SEED)
    let accepted = 0
    for (let i = 0; i < ROUNDS; i++) {
      const bytes = mutated(valid(random), random)
      try {
        read(new ReceivedBatch(bytes))
        accepted++
      } catch (error) {
        assert.equal(
          codeOf(error),
          'PETIOLE_SYNC_BATCH_INVALID',
          `seed=${SEED} round=${i} ${error}`,
        )
      }
    }
    assert.ok(accepted > 0 && accepted < ROUNDS, `${accepted} accepted, seed=${SEED}`)
  })
})

function valid(random: SeededRandom): Buffer {
  const count = random.below(6)
  const records = Array.from({ length: count }, () => ({
    subjectBytes: Buffer.from(`a.${random.below(100)}`),
    headers: random.below(3) === 0 ? Buffer.from('NATS/1.0\r\nA: b\r\n\r\n') : Buffer.alloc(0),
    payload: random.bytes(random.below(40)),
    timeMs: random.float() * 1e12,
  }))
  const gap = { firstSeq: 1, lastSeq: 1 + random.below(5), cause: 'evicted' as const }
  const header = { leaf: 'l', buffer: 'b', incarnation: 'i', firstSeq: 1, gaps: [gap] }
  return encodeBatch({ ...header, lastSeq: gap.lastSeq + count }, records, random.below(4) === 0)
}

function mutated(bytes: Buffer, random: SeededRandom): Buffer {
  let out = bytes
  for (let i = random.below(4); i > 0; i--) {
    const at = random.below(out.length)
    const kind = random.below(4)
    if (kind === 0) out = out.subarray(0, Math.max(8, at))
    else if (kind === 1)
      out = Buffer.concat([out.subarray(0, at), random.bytes(3), out.subarray(at)])
    else out[at] = random.below(256)
  }
  // The checksum is mended, so that what is behind it is reached.
  out[0] = 0x50
  out[1] = 1
  if (random.below(8) !== 0) out.writeUInt32BE(crc32(out.subarray(8)), 4)
  return out
}

function read(batch: ReceivedBatch): void {
  let records = 0
  let lastSeq = batch.firstSeq - 1
  while (batch.next()) {
    assert.ok(batch.seq > lastSeq && batch.seq <= batch.lastSeq)
    assert.ok(batch.payloadEnd <= batch.bytes.length)
    lastSeq = batch.seq
    records++
  }
  const gaps = batch.gaps.reduce((sum, gap) => sum + gap.lastSeq - gap.firstSeq + 1, 0)
  assert.equal(records + gaps, batch.lastSeq - batch.firstSeq + 1)
}
