import { RATE_WINDOW_MS } from './limits.ts'

const SAMPLES_MAX = 64

interface Sample {
  readonly atMs: number
  readonly count: number
}

/** How fast a count that only grows has grown lately, from samples at any times. */
export class Rate {
  #samples: Sample[] = []

  sample(count: number, atMs: number): void {
    const last = this.#samples.at(-1)
    if (last !== undefined && count < last.count) this.#samples = []
    this.#samples.push({ atMs, count })
    // One sample from before the window stays, or a slow reporter would never have two.
    while (this.#samples.length > SAMPLES_MAX || this.#isOld(atMs)) this.#samples.shift()
  }

  /** Per second, as of `nowMs`; null while there is nothing to compare with. */
  perSecond(nowMs: number): number | null {
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || nowMs <= first.atMs) return null
    if (first === last) return null
    const rate = ((last.count - first.count) * 1_000) / (nowMs - first.atMs)
    return Math.round(rate * 100) / 100
  }

  #isOld(nowMs: number): boolean {
    const second = this.#samples[1]
    return second !== undefined && nowMs - second.atMs > RATE_WINDOW_MS
  }
}
