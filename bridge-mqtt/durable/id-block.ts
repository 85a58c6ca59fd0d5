/**
 * Packet identifiers in blocks of so many, a bit for each behind a byte that says how: what is on disk of those
 * that a client has not released. Bytes that make no sense are none of them.
 */
const VERSION = 1
const HEAD = 1
export const ID_BLOCK_SIZE = 256
export const ID_BLOCKS = 65_536 / ID_BLOCK_SIZE
const BLOCK_BYTES = HEAD + ID_BLOCK_SIZE / 8
const RUN_BYTES = 4

/** Bits in each byte there is. */
const BITS = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte.toString(2).replaceAll('0', '').length,
)

export function hasId(block: Uint8Array | undefined, packetId: number): boolean {
  return isBlock(block) && ((block[placeOf(packetId)] ?? 0) & bitOf(packetId)) !== 0
}

/** A copy with it. */
export function withId(block: Uint8Array | undefined, packetId: number): Uint8Array {
  const copy = copyOf(block)
  const place = placeOf(packetId)
  copy[place] = (copy[place] ?? 0) | bitOf(packetId)
  return copy
}

/** A copy without it. */
export function withoutId(block: Uint8Array | undefined, packetId: number): Uint8Array {
  const copy = copyOf(block)
  const place = placeOf(packetId)
  copy[place] = (copy[place] ?? 0) & ~bitOf(packetId)
  return copy
}

export function countIds(block: Uint8Array | undefined): number {
  if (!isBlock(block)) return 0
  let count = 0
  for (let at = HEAD; at < BLOCK_BYTES; at++) count += BITS[block[at] ?? 0] ?? 0
  return count
}

/**
 * Those of the one record that a session had before there were blocks: u8 1 | n × (u16 first, u16 last), rising.
 * undefined: it makes no sense.
 */
export function idsInRuns(bytes: Uint8Array): Set<number> | undefined {
  if (bytes[0] !== VERSION || bytes.length % RUN_BYTES !== HEAD) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const ids = new Set<number>()
  let before = 0
  for (let at = HEAD; at < bytes.length; at += RUN_BYTES) {
    const first = view.getUint16(at, true)
    const last = view.getUint16(at + 2, true)
    if (first <= before || last < first) return undefined
    for (let id = first; id <= last; id++) ids.add(id)
    before = last
  }
  return ids
}

function isBlock(block: Uint8Array | undefined): block is Uint8Array {
  return block?.length === BLOCK_BYTES && block[0] === VERSION
}

function copyOf(block: Uint8Array | undefined): Uint8Array {
  if (isBlock(block)) return Uint8Array.from(block)
  const bytes = new Uint8Array(BLOCK_BYTES)
  bytes[0] = VERSION
  return bytes
}

function placeOf(packetId: number): number {
  return HEAD + ((packetId % ID_BLOCK_SIZE) >>> 3)
}

function bitOf(packetId: number): number {
  return 1 << (packetId & 7)
}
