import { crc32 } from 'node:zlib'

/**
 * A checksum of one record. The hub keeps that of the record at the watermark; a leaf that still has
 * a record under that sequence compares, and so finds out that its disk was put back to an older
 * state and has gone on from there with other records under the same sequences.
 */
export function fingerprint(subject: Uint8Array, payload: Uint8Array, timeMs: number): number {
  const time = Buffer.allocUnsafe(8)
  time.writeDoubleBE(timeMs)
  return crc32(time, crc32(payload, crc32(subject)))
}
