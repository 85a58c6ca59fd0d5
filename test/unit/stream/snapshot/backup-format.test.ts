import assert from 'node:assert/strict'
import { SeededRandom } from '../../../../shared/runtime/index.ts'
import {
  ARCHIVE_END,
  ARCHIVE_MAGIC,
  type ArchiveEntry,
  encodeEntry,
} from '../../../../shared/stream/snapshot/archive.ts'
import { BackupReader } from '../../../../shared/stream/snapshot/backup-reader.ts'
import { ByteQueue } from '../../../../shared/stream/snapshot/byte-queue.ts'
import { crc32c } from '../../../../shared/stream/snapshot/crc32c.ts'
import { decodeS2Block } from '../../../../shared/stream/snapshot/s2-block.ts'
import { S2Reader, s2Begin, s2Frames } from '../../../../shared/stream/snapshot/s2-frames.ts'

const ENTRY_BYTES_MAX = 1024 * 1024

describe('the format of backups', () => {
  it('has the checksums of RFC 3720', () => {
    assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa)
    assert.equal(crc32c(Buffer.alloc(32, 255)), 0x62a8ab43)
    assert.equal(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 0x46dd794e)
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  })

  it('decodes literals, copies of each kind, and repeats', () => {
    const text = (...bytes: number[]): string =>
      Buffer.from(decodeS2Block(Buffer.from(bytes), 70_000)).toString()
    assert.equal(text(3, 2 << 2, 97, 98, 99), 'abc')
    assert.equal(text(7, 2 << 2, 97, 98, 99, 0b001, 3), 'abcabca')
    assert.equal(text(6, 2 << 2, 97, 98, 99, (2 << 2) | 2, 3, 0), 'abcabc')
    assert.equal(text(6, 2 << 2, 97, 98, 99, (2 << 2) | 3, 3, 0, 0, 0), 'abcabc')
    // The last is a repeat of four: as far back as the copy before it.
    assert.equal(text(11, 2 << 2, 97, 98, 99, 0b001, 3, 0b001, 0), 'abcabcabcab')
    assert.equal(text(13 + 4, 0, 97, 0b001, 1, (5 << 2) | 1, 0, 4), 'a'.repeat(17))
    assert.equal(text(9 + 128, 2, 0, 97, 0b001, 1, (6 << 2) | 1, 0, 0, 0).length, 265)
  })

  it('refuses blocks that lie', () => {
    const blocks: number[][] = [
      [],
      [3, 2 << 2, 97, 98],
      [2, 2 << 2, 97, 98, 99],
      [4, 2 << 2, 97, 98, 99],
      [7, 2 << 2, 97, 98, 99, 0b001, 4],
      [7, 2 << 2, 97, 98, 99, 0b001, 0],
      [7, 2 << 2, 97, 98, 99, (2 << 2) | 2, 0, 0],
      [255, 255, 255, 255, 255, 255],
      [3, 63 << 2, 255, 255, 255, 255, 97],
    ]
    for (const block of blocks) {
      assert.throws(() => decodeS2Block(Buffer.from(block), 70_000), /corrupt input/)
    }
    assert.throws(() => decodeS2Block(Buffer.from([3, 2 << 2, 97, 98, 99]), 2), /too large/)
  })

  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  it(`is read as it was written, cut anywhere: SEED=${seed}`, () => {
    const random = new SeededRandom(seed)
    for (let round = 0; round < 40; round++) {
      const entries = drawnEntries(random)
      const bytes = Buffer.concat([
        s2Begin(),
        s2Frames(Buffer.from(ARCHIVE_MAGIC)),
        ...entries.map((entry) => s2Frames(encodeEntry(entry))),
      ])
      const reader = new BackupReader(ENTRY_BYTES_MAX)
      const read: ArchiveEntry[] = []
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random.below(round % 2 === 0 ? 7 : 50_000)
        read.push(...reader.push(bytes.subarray(at, at + size)))
        at += size
      }
      assert.deepEqual(read.map(plain), entries.map(plain), `SEED=${seed}`)
      assert.ok(reader.isAtEnd)
    }
  })

  it(`notices any byte that is another: SEED=${seed}`, () => {
    const random = new SeededRandom(seed)
    const entry = { ...ARCHIVE_END, name: 'a.b', seq: 5, timeNs: 1n, payload: random.bytes(40) }
    const bytes = Buffer.concat([
      s2Begin(),
      s2Frames(Buffer.concat([Buffer.from(ARCHIVE_MAGIC), encodeEntry(entry)])),
    ])
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] ?? 0) ^ (1 + random.below(255))
      const read = (): ArchiveEntry[] => [...new BackupReader(ENTRY_BYTES_MAX).push(damaged)]
      // A length that grew, or a frame that is passed over, leaves nothing; all else is refused.
      let entries: ArchiveEntry[] = []
      try {
        entries = read()
      } catch (error) {
        assert.match(String(error), /corrupt input/, `byte ${at} SEED=${seed}`)
      }
      assert.deepEqual(entries, [], `byte ${at} SEED=${seed}`)
    }
  })

  it('refuses what is no stream, and entries beyond their bound', () => {
    assert.throws(() => [...new S2Reader().push(Buffer.from('hello, here is a tar'))], /corrupt/)
    const unknown = Buffer.concat([s2Begin(), Buffer.from([2, 0, 0, 0])])
    assert.throws(() => [...new S2Reader().push(unknown)], /unknown kind/)
    const skipped = Buffer.concat([s2Begin(), Buffer.from([0xfe, 3, 0, 0, 1, 2, 3]), s2Begin()])
    assert.deepEqual([...new S2Reader().push(skipped)], [])
    const entry = { ...ARCHIVE_END, name: 'a', seq: 1, payload: Buffer.alloc(100) }
    const bytes = Buffer.concat([
      s2Begin(),
      s2Frames(Buffer.concat([Buffer.from(ARCHIVE_MAGIC), encodeEntry(entry)])),
    ])
    assert.throws(() => [...new BackupReader(100).push(bytes)], /too large an entry/)
    assert.equal([...new BackupReader(101).push(bytes)].length, 1)
  })

  it('keeps bytes in order, whatever they are taken by', () => {
    const queue = new ByteQueue()
    for (const piece of ['ab', '', 'c', 'defg']) queue.push(Buffer.from(piece))
    assert.equal(Buffer.from(queue.peek(4)).toString(), 'abcd')
    assert.equal(Buffer.from(queue.take(3)).toString(), 'abc')
    queue.drop(1)
    assert.equal(queue.length, 3)
    assert.equal(Buffer.from(queue.take(9)).toString(), 'efg')
    assert.equal(queue.take(1).length, 0)
  })
})

function drawnEntries(random: SeededRandom): ArchiveEntry[] {
  const entries = Array.from({ length: 1 + random.below(6) }, (_, i) => ({
    name: `s.${'x'.repeat(random.below(20))}`,
    timeNs: BigInt(random.below(2 ** 31)) * 1_000_000_007n * (random.below(5) === 0 ? -1n : 1n),
    seq: i + 1 + random.below(2 ** 31) * 1024,
    headers: random.bytes(random.below(30)),
    payload: random.bytes(random.below(random.below(4) === 0 ? 200_000 : 300)),
  }))
  return [...entries, ARCHIVE_END]
}

function plain({ name, timeNs, seq, headers, payload }: ArchiveEntry) {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  return { name, timeNs, seq, headers: hex(headers), payload: hex(payload) }
}
