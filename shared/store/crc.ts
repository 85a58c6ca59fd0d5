/**
 * CRC-32 as in zlib, continued from a start value. Slicing-by-8 in JS wins below some 600 bytes,
 * where the call into zlib costs more than it saves.
 */
import { crc32 as zlibCrc32 } from 'node:zlib'

const NATIVE_FROM_BYTES = 600
const POLYNOMIAL = 0xedb88320

const [T0, T1, T2, T3, T4, T5, T6, T7] = makeTables()

/** @param start the checksum so far, or a salt. */
export function crc32(bytes: Uint8Array, from: number, to: number, start: number): number {
  if (to - from > NATIVE_FROM_BYTES) return zlibCrc32(bytes.subarray(from, to), start)
  let c = ~start
  let i = from
  for (; i + 8 <= to; i += 8) {
    const low = c ^ word(bytes, i)
    const high = word(bytes, i + 4)
    c =
      at(T7, low) ^
      at(T6, low >>> 8) ^
      at(T5, low >>> 16) ^
      at(T4, low >>> 24) ^
      at(T3, high) ^
      at(T2, high >>> 8) ^
      at(T1, high >>> 16) ^
      at(T0, high >>> 24)
  }
  for (; i < to; i++) c = at(T0, c ^ (bytes[i] as number)) ^ (c >>> 8)
  return ~c >>> 0
}

function at(table: Int32Array, index: number): number {
  return table[index & 255] as number
}

function word(b: Uint8Array, i: number): number {
  return (
    (b[i] as number) |
    ((b[i + 1] as number) << 8) |
    ((b[i + 2] as number) << 16) |
    ((b[i + 3] as number) << 24)
  )
}

type Tables = [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

function makeTables(): Tables {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256)) as Tables
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1
    tables[0][i] = c
  }
  for (let k = 1; k < 8; k++) {
    const table = tables[k] as Int32Array
    const previous = tables[k - 1] as Int32Array
    for (let i = 0; i < 256; i++) {
      const c = previous[i] as number
      table[i] = at(tables[0], c) ^ (c >>> 8)
    }
  }
  return tables
}
