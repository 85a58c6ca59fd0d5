/** Bytes that come in pieces and are taken in other pieces; what is kept is copied at most once. */
export class ByteQueue {
  #pieces: Uint8Array[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#pieces.push(bytes)
    this.#length += bytes.length
  }

  /** The first `count` bytes, or all when there are fewer. They stay. */
  peek(count: number): Uint8Array {
    const [first] = this.#pieces
    if (first === undefined) return NOTHING
    if (first.length >= count || this.#pieces.length === 1) return first.subarray(0, count)
    const pieces: Uint8Array[] = []
    let length = 0
    for (const piece of this.#pieces) {
      if (length >= count) break
      pieces.push(piece)
      length += piece.length
    }
    const joined = Buffer.concat(pieces, length)
    this.#pieces.splice(0, pieces.length, joined)
    return joined.subarray(0, count)
  }

  /** Takes `count` bytes, or all when there are fewer. */
  take(count: number): Uint8Array {
    const bytes = this.peek(count)
    this.drop(bytes.length)
    return bytes
  }

  drop(count: number): void {
    let left = Math.min(count, this.#length)
    this.#length -= left
    while (left > 0) {
      const [first = NOTHING] = this.#pieces
      if (first.length > left) {
        this.#pieces[0] = first.subarray(left)
        return
      }
      this.#pieces.shift()
      left -= first.length
    }
  }
}

const NOTHING = new Uint8Array(0)
