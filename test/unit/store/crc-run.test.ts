import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { intactRun } from '../../../shared/store/crc-run.ts'
import {
  Chunk,
  encodeRecord,
  RecordCursor,
  RecordType,
  stampChecksum,
} from '../../../shared/store/record.ts'

const SALT = 0x9e3779b9

describe('store, checksums of many records at once', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1e9)
  const random = new SeededRandom(seed)
  const bytesOf = (size: number): Uint8Array =>
    Uint8Array.from({ length: size }, () => random.below(256))

  function chunkOf(sizes: readonly number[]): { chunk: Chunk; starts: number[] } {
    const chunk = new Chunk(new Uint8Array(sizes.reduce((sum, size) => sum + size + 100, 64)))
    const starts = sizes.map((size, i) => {
      const at = chunk.end
      encodeRecord(chunk, {
        type: RecordType.message,
        flags: 0,
        streamId: 7,
        seq: i + 1,
        wallMs: 1e12 + i,
        bootRef: 0,
        monotonicMs: i,
        subject: bytesOf(random.below(40)),
        headers: bytesOf(random.below(3) * 10),
        payload: bytesOf(size),
      })
      stampChecksum(chunk, at, SALT)
      return at
    })
    return { chunk, starts }
  }

  function runOf(chunk: Chunk, from = 0, salt = SALT, max = 1024): number[] {
    const starts = new Int32Array(max)
    return [...starts.subarray(0, intactRun(chunk, from, salt, starts))]
  }

  it('finds all that are intact, of whatever length', () => {
    for (let round = 0; round < 50; round++) {
      const sizes = Array.from({ length: 2 + random.below(30) }, () => random.below(3_900))
      const { chunk, starts } = chunkOf(sizes)
      assert.deepEqual(runOf(chunk), starts, `seed=${seed}`)
      assert.deepEqual(runOf(chunk, starts[1]), starts.length > 2 ? starts.slice(1) : [])
      assert.deepEqual(runOf(chunk, 0, SALT + 1), [], 'of another segment')
    }
  })

  it('says nothing of any when one byte of one of them is another, whichever', () => {
    const { chunk, starts } = chunkOf([5, 200, 0, 64])
    for (let at = 0; at < chunk.end; at++) {
      const bit = 1 << random.below(8)
      chunk.bytes[at]! ^= bit
      const found = runOf(chunk)
      // A length that is damaged ends the run before it, or leads elsewhere: what is found must hold.
      for (const start of found) {
        assert.ok(new RecordCursor(chunk, start).isIntact(SALT), `byte ${at}, seed=${seed}`)
        assert.ok(starts.includes(start))
      }
      const damaged = starts.findLast((start) => start <= at)
      assert.ok(!found.includes(damaged ?? -1), `byte ${at}, seed=${seed}`)
      chunk.bytes[at]! ^= bit
    }
    assert.deepEqual(runOf(chunk), starts)
  })

  it('ends at a long record, at the end of the chunk, and where there is no more room', () => {
    const { chunk, starts } = chunkOf([10, 10, 10, 5_000, 10, 10])
    assert.deepEqual(runOf(chunk), starts.slice(0, 3))
    assert.deepEqual(runOf(chunk, starts[3]), [])
    assert.deepEqual(runOf(chunk, 0, SALT, 2), starts.slice(0, 2))
    chunk.end = (starts[2] ?? 0) + 50
    assert.deepEqual(runOf(chunk), starts.slice(0, 2))
    chunk.end = (starts[1] ?? 0) + 50
    assert.deepEqual(runOf(chunk), [], 'one alone is as quick by itself')
  })
})
