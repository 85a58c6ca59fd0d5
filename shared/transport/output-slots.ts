import { invariant } from '../runtime/index.ts'
import {
  LARGE_SLOT_STRIDE,
  LARGE_SLOTS_START,
  SMALL_SLOT_STRIDE,
  SMALL_SLOTS_START,
} from './arena.ts'
import {
  OUTPUT_SLOT_BYTES,
  OUTPUT_SLOTS,
  SLOTS_SPARED_SHARE,
  SMALL_SLOT_BYTES,
  SMALL_SLOTS,
  WORD_SLACK_BYTES,
} from './limits.ts'

/**
 * The free output slots of the arena. Slots 0 to SMALL_SLOTS - 1 are small, those above are large.
 * The slot freed last is taken first: it is warm in the cache, and the rest stays untouched memory.
 */
class FreeSlots {
  readonly #slots: Int32Array
  #count: number

  constructor(first: number, count: number) {
    this.#slots = Int32Array.from({ length: count }, (_, i) => first + count - 1 - i)
    this.#count = count
  }

  get used(): number {
    return this.#slots.length - this.#count
  }

  get isPlentiful(): boolean {
    return this.#count > this.#slots.length * SLOTS_SPARED_SHARE
  }

  take(): number {
    return this.#count === 0 ? NO_SLOT : (this.#slots[--this.#count] ?? NO_SLOT)
  }

  give(slot: number): void {
    invariant(this.#count < this.#slots.length, `slot ${slot} given back twice`)
    this.#slots[this.#count++] = slot
  }
}

export const NO_SLOT = -1

/** What fits into a small slot. */
export const SMALL_SLOT_ROOM = SMALL_SLOT_BYTES - WORD_SLACK_BYTES

const small = new FreeSlots(0, SMALL_SLOTS)
const large = new FreeSlots(SMALL_SLOTS, OUTPUT_SLOTS)

export function takeSmallSlot(): number {
  return small.take()
}

export function takeLargeSlot(): number {
  return large.take()
}

export function giveSlot(slot: number): void {
  if (isSmallSlot(slot)) small.give(slot)
  else large.give(slot)
}

export function isSmallSlot(slot: number): boolean {
  return slot < SMALL_SLOTS
}

/** Whether blocked receivers may still hold slots of this size; else they go to the heap. */
export function areSlotsPlentiful(size: 'small' | 'large'): boolean {
  return size === 'small' ? small.isPlentiful : large.isPlentiful
}

export function slotStart(slot: number): number {
  return isSmallSlot(slot)
    ? SMALL_SLOTS_START + slot * SMALL_SLOT_STRIDE
    : LARGE_SLOTS_START + (slot - SMALL_SLOTS) * LARGE_SLOT_STRIDE
}

export function slotEnd(slot: number): number {
  return isSmallSlot(slot) ? slotStart(slot) + SMALL_SLOT_ROOM : slotStart(slot) + OUTPUT_SLOT_BYTES
}

/** Slots in use, for tests and monitoring. */
export function slotsInUse(): number {
  return small.used + large.used
}
