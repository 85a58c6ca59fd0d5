/** CRC-32 with Castagnoli's polynomial, which zlib does not have. */
import { crcTables, slicedCrc } from '../../runtime/index.ts'

const TABLES = crcTables(0x82f63b78)

export function crc32c(bytes: Uint8Array): number {
  return slicedCrc(TABLES, bytes, 0, bytes.length, 0)
}
