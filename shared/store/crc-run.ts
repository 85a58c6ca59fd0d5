/**
 * The checksums of many records that lie behind each other, with one checksum of all their bytes. zlib takes a
 * chunk in the time that JS takes for a few records, but a call of it for each record costs more than it saves.
 *
 * A checksum is linear: what follows from another start value differs by that difference, moved on by as many
 * bytes. So what all the bytes must have as their checksum follows from what the records say of theirs:
 *
 *     sum(rest of a record, from s) = what it says ^ moved(s ^ its own start value, by its length)
 *
 * Whatever is damaged in one of them changes one side only, and every move can be undone: the two differ then, as
 * surely as the record's own checksum would have.
 */
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crcTables, slicedCrc } from '../runtime/index.ts'
import { type Chunk, RECORD_HEADER_BYTES } from './record.ts'

/** Of the length and the checksum, which the checksum does not cover. */
const UNCOVERED_BYTES = 8
/** Longer ones take as long by themselves. Three digits of the base below. */
const COVERED_BYTES_MAX = 4095
const DIGIT_BITS = 4
const DIGITS = 3
const POLYNOMIAL = 0xedb88320
const ONE = 0x80000000
const TABLES = crcTables(POLYNOMIAL)

/**
 * Puts where each intact record begins into `starts`, from the one at `from` on as far as whole records lie behind
 * each other in the chunk. Returns how many; 0 when any of them does not hold, or there are fewer than two.
 */
export function intactRun(
  { bytes, view, end }: Chunk,
  from: number,
  salt: number,
  starts: Int32Array,
): number {
  let count = 0
  let at = from
  let sum = 0
  while (count < starts.length && at + RECORD_HEADER_BYTES <= end) {
    const length = view.getUint32(at, true)
    const covered = length - UNCOVERED_BYTES
    if (length < RECORD_HEADER_BYTES || covered > COVERED_BYTES_MAX || at + length > end) break
    const said = view.getUint32(at + 4, true)
    if (count === 0) sum = said
    else {
      const start = slicedCrc(TABLES, bytes, at, at + UNCOVERED_BYTES, sum)
      sum = said ^ moved(start ^ salt ^ length, covered)
    }
    starts[count++] = at
    at += length
  }
  if (count < 2) return 0
  const start = (salt ^ view.getUint32(from, true)) >>> 0
  return zlibCrc32(bytes.subarray(from + UNCOVERED_BYTES, at), start) === sum >>> 0 ? count : 0
}

/** What a checksum's difference becomes behind so many more bytes. */
function moved(difference: number, bytes: number): number {
  let value = difference
  for (let digit = 0, rest = bytes; rest > 0; digit++, rest >>>= DIGIT_BITS) {
    const place = rest & 15
    if (place > 0) value = applied(MOVES, ((digit << DIGIT_BITS) | place) << 10, value)
  }
  return value
}

function applied(tables: Int32Array, at: number, value: number): number {
  return (
    (tables[at + (value & 255)] as number) ^
    (tables[at + 256 + ((value >>> 8) & 255)] as number) ^
    (tables[at + 512 + ((value >>> 16) & 255)] as number) ^
    (tables[at + 768 + (value >>> 24)] as number)
  )
}

/** For each digit of a length and each value of it, what each of the four bytes becomes: 192 KiB. */
const MOVES = moves()

function moves(): Int32Array {
  const tables = new Int32Array(DIGITS << (DIGIT_BITS + 10))
  // x to the 8th, for one byte, is what a lone first bit becomes behind it.
  let unit = ONE >>> 8
  for (let digit = 0; digit < DIGITS; digit++) {
    let power = unit
    for (let place = 1; place < 1 << DIGIT_BITS; place++) {
      fill(tables, ((digit << DIGIT_BITS) | place) << 10, power)
      power = product(power, unit)
    }
    unit = power
  }
  return tables
}

function fill(tables: Int32Array, start: number, power: number): void {
  for (let byte = 0; byte < 4; byte++) {
    const at = start + byte * 256
    for (let bit = 0; bit < 8; bit++)
      tables[at + (1 << bit)] = product(power, 1 << (byte * 8 + bit))
    for (let i = 1; i < 256; i++) {
      const low = i & -i
      if (low !== i)
        tables[at + i] = (tables[at + low] as number) ^ (tables[at + i - low] as number)
    }
  }
}

/** Of two polynomials, modulo the checksum's; the first bit is the constant term. */
function product(a: number, b: number): number {
  let sum = 0
  let shifted = b
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) sum ^= shifted
    shifted = (shifted >>> 1) ^ ((shifted & 1) === 0 ? 0 : POLYNOMIAL)
  }
  return sum
}
