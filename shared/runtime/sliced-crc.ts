/**
 * CRC-32 of any polynomial by slicing: eight tables, eight bytes at a time. `t0` is the checksum of each byte;
 * each of the others is the one before it after eight zero bits more.
 */
export interface CrcTables {
  readonly t0: Int32Array
  readonly t1: Int32Array
  readonly t2: Int32Array
  readonly t3: Int32Array
  readonly t4: Int32Array
  readonly t5: Int32Array
  readonly t6: Int32Array
  readonly t7: Int32Array
}

/** @param polynomial its bits reversed: the lowest is that of the highest power */
export function crcTables(polynomial: number): CrcTables {
  const t0 = new Int32Array(256)
  for (let i = 0; i < 256; i++) {
    let c = i
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1
    t0[i] = c
  }
  const after = (previous: Int32Array): Int32Array => previous.map((c) => at(t0, c) ^ (c >>> 8))
  const t1 = after(t0)
  const t2 = after(t1)
  const t3 = after(t2)
  const t4 = after(t3)
  const t5 = after(t4)
  const t6 = after(t5)
  return { t0, t1, t2, t3, t4, t5, t6, t7: after(t6) }
}

/** @param start the checksum so far, or a salt */
export function slicedCrc(
  { t0, t1, t2, t3, t4, t5, t6, t7 }: CrcTables,
  bytes: Uint8Array,
  from: number,
  to: number,
  start: number,
): number {
  let c = ~start
  let i = from
  for (; i + 8 <= to; i += 8) {
    const low = c ^ word(bytes, i)
    const high = word(bytes, i + 4)
    c =
      at(t7, low) ^
      at(t6, low >>> 8) ^
      at(t5, low >>> 16) ^
      at(t4, low >>> 24) ^
      at(t3, high) ^
      at(t2, high >>> 8) ^
      at(t1, high >>> 16) ^
      at(t0, high >>> 24)
  }
  for (; i < to; i++) c = at(t0, c ^ (bytes[i] as number)) ^ (c >>> 8)
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
