/** One bit per record of a span, by ordinal; nothing is held while none is set. */
const WORDS_MIN = 4

export class Bits {
  /** How many are set. */
  count = 0
  #words: Uint32Array

  constructor(words = new Uint32Array(0)) {
    this.#words = words
    for (const word of words) this.count += bitsIn(word)
  }

  has(ordinal: number): boolean {
    return (((this.#words[ordinal >>> 5] ?? 0) >>> (ordinal & 31)) & 1) === 1
  }

  set(ordinal: number): void {
    const at = ordinal >>> 5
    if (at >= this.#words.length) this.#grow(at + 1)
    const word = this.#words[at] as number
    const bit = 1 << (ordinal & 31)
    if ((word & bit) !== 0) return
    this.#words[at] = word | bit
    this.count++
  }

  /** The first ordinal from `ordinal` on that is set, -1 when there is none. */
  next(ordinal: number): number {
    for (let at = ordinal >>> 5; at < this.#words.length; at++) {
      const skipped = at === ordinal >>> 5 ? ordinal & 31 : 0
      const word = ((this.#words[at] as number) >>> skipped) << skipped
      if (word !== 0) return at * 32 + 31 - Math.clz32(word & -word)
    }
    return -1
  }

  /** For the index file. */
  toBytes(): Uint8Array {
    const { buffer, byteOffset, byteLength } = this.#words
    return new Uint8Array(buffer, byteOffset, byteLength)
  }

  static fromBytes(bytes: Uint8Array): Bits {
    return new Bits(new Uint32Array(new Uint8Array(bytes).buffer))
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(WORDS_MIN, words, this.#words.length * 2))
    grown.set(this.#words)
    this.#words = grown
  }
}

function bitsIn(word: number): number {
  let count = 0
  for (let rest = word; rest !== 0; rest &= rest - 1) count++
  return count
}
