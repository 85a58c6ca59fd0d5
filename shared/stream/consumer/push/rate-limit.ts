/** A token bucket in bytes. A message larger than the bucket goes when that is full, and is owed. */
export class RateLimit {
  readonly #bytesPerMs: number
  readonly #bytesMax: number
  #bytes: number
  #atMs: number

  constructor(bitsPerSecond: number, burstBytes: number, nowMs: number) {
    this.#bytesPerMs = bitsPerSecond / 8 / 1000
    this.#bytesMax = burstBytes
    this.#bytes = burstBytes
    this.#atMs = nowMs
  }

  /** Takes them and returns 0; or takes nothing and returns in how many milliseconds they are there. */
  take(bytes: number, nowMs: number): number {
    this.#bytes = Math.min(this.#bytesMax, this.#bytes + (nowMs - this.#atMs) * this.#bytesPerMs)
    this.#atMs = nowMs
    const lacking = Math.min(bytes, this.#bytesMax) - this.#bytes
    if (lacking > 0) return lacking / this.#bytesPerMs
    this.#bytes -= bytes
    return 0
  }
}
