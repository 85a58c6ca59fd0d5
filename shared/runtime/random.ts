import { randomFillSync } from 'node:crypto'

/** Chance as a dependency: the simulator and every property test seed it. */
export interface Random {
  /** Uniform in [0, 1). */
  float(): number
  /** Uniform integer in [0, bound); `bound` from 1 to 2^32. */
  below(bound: number): number
  /** `size` random bytes. Only SystemRandom's are fit for secrets. */
  bytes(size: number): Uint8Array
}

const POOL_WORDS = 1024

export class SystemRandom implements Random {
  readonly #pool = new Uint32Array(POOL_WORDS)
  #next = POOL_WORDS

  float(): number {
    return this.#word() / 2 ** 32
  }

  below(bound: number): number {
    return Math.floor((this.#word() / 2 ** 32) * bound)
  }

  bytes(size: number): Uint8Array {
    return randomFillSync(new Uint8Array(size))
  }

  #word(): number {
    if (this.#next === POOL_WORDS) {
      randomFillSync(this.#pool)
      this.#next = 0
    }
    return this.#pool[this.#next++] ?? 0
  }
}

/** sfc32: small, fast, and the same sequence for the same seed on every machine. Not for secrets. */
export class SeededRandom implements Random {
  #a = 0x9e3779b9
  #b = 0x243f6a88
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#c = seed | 0
    for (let i = 0; i < 12; i++) this.#word()
  }

  float(): number {
    return this.#word() / 2 ** 32
  }

  below(bound: number): number {
    return Math.floor((this.#word() / 2 ** 32) * bound)
  }

  bytes(size: number): Uint8Array {
    const out = new Uint8Array(size)
    for (let i = 0; i < size; i++) out[i] = this.#word()
    return out
  }

  /** An independent stream for one part of a simulation, so that parts do not disturb each other. */
  fork(): SeededRandom {
    return new SeededRandom(this.#word())
  }

  #word(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }
}
