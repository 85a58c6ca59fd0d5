/**
 * Packet identifiers in blocks of so many: what is on disk of those that a client has not released. A bit for each,
 * from the first byte that has one to the last: u8 1 | u8 number of the first byte | bits. Bytes that make no
 * sense are none of them.
 */
const VERSION = 1
const HEAD = 2
const BITS_BYTES = 256
export const ID_BLOCK_SIZE = BITS_BYTES * 8
export const ID_BLOCKS = 65_536 / ID_BLOCK_SIZE
const RUNS_HEAD = 1
const RUN_BYTES = 4
const EMPTY = Uint8Array.of(VERSION, 0)

/** Bits in each byte there is. */
const BITS = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte.toString(2).replaceAll('0', '').length,
)

export function hasId(block: Uint8Array | undefined, packetId: number): boolean {
  if (!isBlock(block)) return false
  const place = placeOf(packetId) - firstOf(block)
  return place >= 0 && ((block[HEAD + place] ?? 0) & bitOf(packetId)) !== 0
}

/** A copy with it. */
export function withId(block: Uint8Array | undefined, packetId: number): Uint8Array {
  const known = isBlock(block) ? block : EMPTY
  const place = placeOf(packetId)
  const isEmpty = known.length === HEAD
  const first = isEmpty ? place : Math.min(place, firstOf(known))
  const end = isEmpty ? place + 1 : Math.max(place + 1, endOf(known))
  const copy = new Uint8Array(HEAD + end - first)
  copy[0] = VERSION
  copy[1] = first
  if (!isEmpty) copy.set(known.subarray(HEAD), HEAD + firstOf(known) - first)
  const at = HEAD + place - first
  copy[at] = (copy[at] ?? 0) | bitOf(packetId)
  return copy
}

/** A copy without it. */
export function withoutId(block: Uint8Array | undefined, packetId: number): Uint8Array {
  const copy = Uint8Array.from(isBlock(block) ? block : EMPTY)
  const at = HEAD + placeOf(packetId) - firstOf(copy)
  if (at >= HEAD && at < copy.length) copy[at] = (copy[at] ?? 0) & ~bitOf(packetId)
  let [from, to] = [HEAD, copy.length]
  while (from < to && copy[from] === 0) from++
  while (to > from && copy[to - 1] === 0) to--
  if (from === to) return Uint8Array.from(EMPTY)
  const rest = copy.slice(from - HEAD, to)
  rest[0] = VERSION
  rest[1] = firstOf(copy) + from - HEAD
  return rest
}

export function countIds(block: Uint8Array | undefined): number {
  if (!isBlock(block)) return 0
  let count = 0
  for (let at = HEAD; at < block.length; at++) count += BITS[block[at] ?? 0] ?? 0
  return count
}

/**
 * Those of the one record that a session had before there were blocks: u8 1 | n × (u16 first, u16 last), rising.
 * undefined: it makes no sense.
 */
export function idsInRuns(bytes: Uint8Array): Set<number> | undefined {
  if (bytes[0] !== VERSION || bytes.length % RUN_BYTES !== RUNS_HEAD) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const ids = new Set<number>()
  let before = 0
  for (let at = RUNS_HEAD; at < bytes.length; at += RUN_BYTES) {
    const first = view.getUint16(at, true)
    const last = view.getUint16(at + 2, true)
    if (first <= before || last < first) return undefined
    for (let id = first; id <= last; id++) ids.add(id)
    before = last
  }
  return ids
}

function isBlock(block: Uint8Array | undefined): block is Uint8Array {
  return block?.[0] === VERSION && block.length >= HEAD && endOf(block) <= BITS_BYTES
}

/** The number of its first byte of bits. */
function firstOf(block: Uint8Array): number {
  return block[1] ?? 0
}

function endOf(block: Uint8Array): number {
  return firstOf(block) + block.length - HEAD
}

function placeOf(packetId: number): number {
  return (packetId % ID_BLOCK_SIZE) >>> 3
}

function bitOf(packetId: number): number {
  return 1 << (packetId & 7)
}
