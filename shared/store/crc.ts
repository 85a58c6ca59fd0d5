/**
 * CRC-32 as in zlib, continued from a start value. Slicing in JS wins below some 600 bytes, where the
 * call into zlib costs more than it saves.
 */
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crcTables, slicedCrc } from '../runtime/index.ts'

const NATIVE_FROM_BYTES = 600
const TABLES = crcTables(0xedb88320)

/** @param start the checksum so far, or a salt. */
export function crc32(bytes: Uint8Array, from: number, to: number, start: number): number {
  if (to - from > NATIVE_FROM_BYTES) return zlibCrc32(bytes.subarray(from, to), start)
  return slicedCrc(TABLES, bytes, from, to, start)
}
