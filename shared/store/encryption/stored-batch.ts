/**
 * A batch as it goes to disk. Encrypted it lies in chunks of its own, because what waits in memory is still to be
 * applied as it was written; between chunks others may run.
 */
import type { Clock } from '../../runtime/index.ts'
import type { Batch, Gather } from '../gather.ts'
import { type Chunk, RECORD_HEADER_BYTES, RecordFlag, stampChecksum } from '../record.ts'
import type { Segment } from '../segment.ts'
import { ENCRYPTION_BYTES, type SegmentCipher } from './segment-cipher.ts'

/** The mark of a first record behind a sync. */
export function markStart(batch: Batch, isAllSynced: boolean): void {
  const first = batch.chunks[0]?.bytes
  if (isAllSynced && first !== undefined) first[9] = (first[9] as number) | RecordFlag.commitStart
}

/** The checksums, now that the salt is known. */
function stamp(batch: Batch, salt: number): void {
  for (const chunk of batch.chunks) {
    for (let at = 0; at < chunk.end; ) {
      stampChecksum(chunk, at, salt)
      at += chunk.view.getUint32(at, true)
    }
  }
}

/** The batch's own chunks, or others that are to be given back to the pool. */
export function storedChunks(
  batch: Batch,
  { cipher, salt, size }: Segment,
  pool: Pick<Gather, 'lend'>,
  clock: Clock,
): readonly Chunk[] | Promise<readonly Chunk[]> {
  if (cipher !== undefined) return encryptBatch(batch, { cipher, salt, offset: size }, pool, clock)
  stamp(batch, salt)
  return batch.chunks
}

interface EncryptionPlace {
  readonly cipher: SegmentCipher
  readonly salt: number
  /** Where the batch will lie in the segment. */
  readonly offset: number
}

async function encryptBatch(
  batch: Batch,
  { cipher, salt, offset }: EncryptionPlace,
  pool: Pick<Gather, 'lend'>,
  clock: Clock,
): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  cipher.begin()
  let start = offset
  let target: Chunk | undefined
  for (const [i, source] of batch.chunks.entries()) {
    if (i > 0) await new Promise<void>((resolve) => clock.soon(resolve))
    const { buffer, byteOffset } = source.bytes
    for (let at = 0; at < source.end; ) {
      const length = source.view.getUint32(at, true)
      const stored = length + ENCRYPTION_BYTES
      if (target === undefined || target.end + stored > target.bytes.length) {
        start += target?.end ?? 0
        target = pool.lend(stored)
        chunks.push(target)
      }
      const to = target.end
      target.bytes.set(new Uint8Array(buffer, byteOffset + at, RECORD_HEADER_BYTES), to)
      const bodyAt = byteOffset + at + RECORD_HEADER_BYTES
      const body = new Uint8Array(buffer, bodyAt, length - RECORD_HEADER_BYTES)
      cipher.encrypt(target, to, body, start + to)
      stampChecksum(target, to, salt)
      target.end = to + stored
      at += length
    }
  }
  return chunks
}
