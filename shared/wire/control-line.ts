const TAB = 9
const LF = 10
const CR = 13
const SPACE = 32

/** Arguments that one control line can have, unless its parser says otherwise. */
export const ARGUMENTS_MAX = 256

/** The offset of the LF that ends the line at `start`, -1 when it is not in [start, end). */
export function findLineEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === LF) return i
  return -1
}

/** The end of a line's text: `lineFeed` is its LF, and a CR before it does not belong to the text. */
export function textEnd(bytes: Uint8Array, start: number, lineFeed: number): number {
  return lineFeed > start && bytes[lineFeed - 1] === CR ? lineFeed - 1 : lineFeed
}

/**
 * The arguments of a control line as offset pairs, without a string per argument. Runs of spaces and
 * tabs separate them. One object is used again and again: `split` overwrites what was there.
 */
export class ControlLine {
  readonly #spans: Int32Array
  readonly #argumentsMax: number
  #count = 0
  #bytes: Uint8Array = new Uint8Array(0)

  constructor(argumentsMax: number = ARGUMENTS_MAX) {
    this.#argumentsMax = argumentsMax
    this.#spans = new Int32Array(argumentsMax * 2)
  }

  get count(): number {
    return this.#count
  }

  /** Returns the number of arguments in bytes [start, end); -1 when there are more than it can hold. */
  split(bytes: Uint8Array, start: number, end: number): number {
    this.#bytes = bytes
    this.#count = 0
    let at = start
    for (;;) {
      while (at < end && isBlank(bytes[at])) at++
      if (at >= end) return this.#count
      if (this.#count === this.#argumentsMax) return -1
      this.#spans[this.#count * 2] = at
      while (at < end && !isBlank(bytes[at])) at++
      this.#spans[this.#count * 2 + 1] = at
      this.#count++
    }
  }

  start(index: number): number {
    return this.#spans[index * 2] ?? 0
  }

  end(index: number): number {
    return this.#spans[index * 2 + 1] ?? 0
  }

  /** '' for an argument that is not there. */
  text(index: number): string {
    if (index < 0 || index >= this.#count) return ''
    const { buffer, byteOffset } = this.#bytes
    const start = this.start(index)
    return Buffer.from(buffer, byteOffset + start, this.end(index) - start).toString()
  }

  /** A view, valid as long as the bytes that were split. */
  bytes(index: number): Uint8Array {
    return this.#bytes.subarray(this.start(index), this.end(index))
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB
}
