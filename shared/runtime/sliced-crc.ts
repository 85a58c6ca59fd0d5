/**
 * CRC-32 of any polynomial by slicing: sixteen bytes at a time, each with a table of its own. The first table is the
 * checksum of each byte; each of the others is the one before it after eight zero bits more.
 */
const SLICES = 16
const LAST = (SLICES - 1) << 8

/** Of all slices behind each other. */
export type CrcTables = Int32Array

/** @param polynomial its bits reversed: the lowest is that of the highest power */
export function crcTables(polynomial: number): CrcTables {
  const tables = new Int32Array(SLICES << 8)
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1
    tables[i] = c
  }
  for (let i = 256; i < tables.length; i++) {
    const before = at(tables, i - 256)
    tables[i] = at(tables, before & 255) ^ (before >>> 8)
  }
  return tables
}

/** @param start the checksum so far, or a salt */
export function slicedCrc(
  t: CrcTables,
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
): number {
  let c = ~start
  let i = from
  // Spelled out: as a loop over the slices it takes twice as long.
  for (; i + SLICES <= to; i += SLICES) {
    c =
      at(t, LAST | ((c ^ byte(bytes, i)) & 255)) ^
      at(t, 0xe00 | (((c >>> 8) ^ byte(bytes, i + 1)) & 255)) ^
      at(t, 0xd00 | (((c >>> 16) ^ byte(bytes, i + 2)) & 255)) ^
      at(t, 0xc00 | ((c >>> 24) ^ byte(bytes, i + 3))) ^
      at(t, 0xb00 | byte(bytes, i + 4)) ^
      at(t, 0xa00 | byte(bytes, i + 5)) ^
      at(t, 0x900 | byte(bytes, i + 6)) ^
      at(t, 0x800 | byte(bytes, i + 7)) ^
      at(t, 0x700 | byte(bytes, i + 8)) ^
      at(t, 0x600 | byte(bytes, i + 9)) ^
      at(t, 0x500 | byte(bytes, i + 10)) ^
      at(t, 0x400 | byte(bytes, i + 11)) ^
      at(t, 0x300 | byte(bytes, i + 12)) ^
      at(t, 0x200 | byte(bytes, i + 13)) ^
      at(t, 0x100 | byte(bytes, i + 14)) ^
      at(t, byte(bytes, i + 15))
  }
  for (; i < to; i++) c = at(t, (c ^ byte(bytes, i)) & 255) ^ (c >>> 8)
  return ~c >>> 0
}

/** Two functions, because one for both kinds of cells takes twice as long. */
function at(tables: CrcTables, index: number): number {
  return tables[index] as number
}

function byte(bytes: Uint8Array, index: number): number {
  return bytes[index] as number
}
