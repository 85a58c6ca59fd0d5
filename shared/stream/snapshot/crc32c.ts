/** CRC-32 with Castagnoli's polynomial, which zlib does not have; by eight tables, eight bytes at a time. */
const POLYNOMIAL = 0x82f63b78
const TABLES = makeTables()
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
]

export function crc32c(bytes: Uint8Array): number {
  let c = -1
  let i = 0
  for (; i + 8 <= bytes.length; i += 8) {
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
  for (; i < bytes.length; i++) c = at(T0, c ^ (bytes[i] as number)) ^ (c >>> 8)
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

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256))
  const [first = new Int32Array(256)] = tables
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1
    first[i] = c
  }
  // Each of the others is the one before it after eight zero bits more.
  for (const [k, table] of tables.entries()) {
    const previous = tables[k - 1]
    if (previous === undefined) continue
    for (let i = 0; i < 256; i++) {
      const c = previous[i] as number
      table[i] = at(first, c) ^ (c >>> 8)
    }
  }
  return tables
}
