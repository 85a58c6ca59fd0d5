import { crc32 } from 'node:zlib'

/**
 * A checksum of one record. The hub keeps that of the record at the watermark; a leaf that still has
 * a record under that sequence compares, and so finds out that its disk was put back to an older
 * state and has gone on from there with other records under the same sequences. The time is left out:
 * a leaf repairs it when it learns what time it is.
 */
export function fingerprint(record: Fingerprinted): number {
  return crc32(record.payload, crc32(record.headers, crc32(record.subjectBytes)))
}

export interface Fingerprinted {
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}
