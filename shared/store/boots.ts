/**
 * Boots of the process, by the small reference that records carry. A machine without a clock starts
 * in 1970: the times of its records are then shifted as soon as it learns the time, by what the
 * boot's own record says, also after a restart.
 */
export interface Boot {
  readonly ref: number
  /** What to add to the times of records that a wrong clock stamped; NaN while unknown. */
  readonly shiftMs: number
  readonly segmentId: number
  readonly offset: number
}

export class Boots {
  readonly #boots = new Map<number, Boot>()

  get nextRef(): number {
    let last = 0
    for (const ref of this.#boots.keys()) last = Math.max(last, ref)
    return last + 1
  }

  apply(boot: Boot): Boot | undefined {
    const before = this.#boots.get(boot.ref)
    this.#boots.set(boot.ref, boot)
    return before
  }

  get(ref: number): Boot | undefined {
    return this.#boots.get(ref)
  }

  values(): IterableIterator<Boot> {
    return this.#boots.values()
  }

  /** 0 for boots whose clock was right, or that never learned the time. */
  shiftMs(ref: number): number {
    if (ref === 0) return 0
    const shift = this.#boots.get(ref)?.shiftMs
    return shift === undefined || Number.isNaN(shift) ? 0 : shift
  }
}
