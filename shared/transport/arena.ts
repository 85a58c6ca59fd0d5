import { invariant } from '../runtime/index.ts'
import {
  CARRY_BYTES_MAX,
  OUTPUT_SLOT_BYTES,
  OUTPUT_SLOTS,
  READ_BYTES,
  REGION_BYTES_MAX,
  SMALL_SLOT_BYTES,
  SMALL_SLOTS,
  WORD_SLACK_BYTES,
} from './limits.ts'

/**
 * The one piece of memory that bytes pass through between two sockets. Input, the router's own
 * tables and output lie in the same ArrayBuffer, so that a message is copied from where it was read
 * to where it leaves with `arenaBytes.copyWithin` or a loop of words, and no view is ever made.
 *
 *     | carried tail 64K | read region 256K | regions of other layers | small slots | large slots |
 *     ^ CARRY_START      ^ READ_START
 *
 * It is some 120 MiB of address space; the system gives memory only to the pages that are touched.
 * Between regions lie WORD_SLACK_BYTES, so copies may overshoot by whole words on both sides.
 */
const CARRY_START = WORD_SLACK_BYTES

/** The read region begins here; a carried tail ends here. */
export const READ_START = CARRY_START + CARRY_BYTES_MAX

const REGIONS_START = READ_START + READ_BYTES + WORD_SLACK_BYTES
const REGIONS_END = REGIONS_START + REGION_BYTES_MAX

export const SMALL_SLOT_STRIDE = SMALL_SLOT_BYTES
export const SMALL_SLOTS_START = (REGIONS_END + WORD_SLACK_BYTES + 4095) & ~4095
export const LARGE_SLOT_STRIDE = OUTPUT_SLOT_BYTES + WORD_SLACK_BYTES
export const LARGE_SLOTS_START = SMALL_SLOTS_START + SMALL_SLOTS * SMALL_SLOT_STRIDE

const ARENA_BYTES = LARGE_SLOTS_START + OUTPUT_SLOTS * LARGE_SLOT_STRIDE + WORD_SLACK_BYTES

const arena = new ArrayBuffer(ARENA_BYTES)

export const arenaBytes: Buffer = Buffer.from(arena)
export const arenaView: DataView = new DataView(arena)

const freeRegions = new Map<number, number[]>()
let regionsTop = REGIONS_START

/**
 * Takes a region of `size` bytes for another layer and returns its offset, a multiple of 8. It is
 * zero when it is new, and keeps its old bytes when it was released before.
 */
export function allocate(size: number): number {
  const released = freeRegions.get(size)?.pop()
  if (released !== undefined) return released
  const start = regionsTop
  const isThereRoom = size > 0 && size <= REGIONS_END - start - WORD_SLACK_BYTES
  invariant(isThereRoom, `no room for a region of ${size} bytes in the arena`)
  regionsTop = (start + size + WORD_SLACK_BYTES + 7) & ~7
  return start
}

/** Gives a region back, for whoever asks for the same size again. */
export function release(start: number, size: number): void {
  const released = freeRegions.get(size)
  if (released === undefined) freeRegions.set(size, [start])
  else released.push(start)
}
