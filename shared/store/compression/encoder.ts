/**
 * Says bytes by what came before in them, or lies in a dictionary. Greedy, in one pass; where nothing is
 * found for long it looks less and less often, so that random bytes cost little.
 */
import { type Dictionary, NO_DICTIONARY } from './dictionary.ts'
import { hashAt, readAt, STRING_BYTES } from './hash.ts'
import { DICTIONARY_REACH_BYTES } from './limits.ts'
import { elementBytesMax, putCopy, putLiteral, putRepeat } from './s2-elements.ts'

const HASH_BITS = 14
/** After so many bytes (a power of two) in which nothing was found one more is stepped over. */
const PATIENCE_BITS = 6
const BASE_MAX = 2 ** 30

/** One serves all streams: what it keeps between calls is room. */
export class Encoder {
  out = new Uint8Array(0)
  #source: Uint8Array = this.out
  #size = 0
  #dictionary = NO_DICTIONARY
  /** The newest place by hash, counted from `#base`: what lies before is of an earlier call. */
  readonly #places = new Int32Array(1 << HASH_BITS)
  #base = 1
  /** Where the elements end in `out`, how much of the source they say, and the offset of the last copy. */
  #end = 0
  #said = 0
  #offset = 0

  /** Writes the elements of the first `size` bytes into `out` from `at` on; returns where they end. */
  encode(source: Uint8Array, size: number, dictionary: Dictionary, at: number): number {
    const room = at + elementBytesMax(size)
    if (this.out.length < room) this.out = new Uint8Array(room * 2)
    this.#begin(source, size, dictionary, at)
    const last = size - STRING_BYTES
    for (let place = 0; place <= last; ) {
      place = this.#match(place) ? this.#said : place + 1 + ((place - this.#said) >>> PATIENCE_BITS)
    }
    this.#base += size
    return putLiteral(this.out, this.#end, source, this.#said, size)
  }

  #begin(source: Uint8Array, size: number, dictionary: Dictionary, at: number): void {
    this.#source = source
    this.#size = size
    this.#dictionary = dictionary
    this.#end = at
    this.#said = 0
    this.#offset = 0
    if (this.#base < BASE_MAX) return
    this.#places.fill(0)
    this.#base = 1
  }

  /** Says the string that begins here, and what lies before it; false when it is not known. */
  #match(place: number): boolean {
    const source = this.#source
    const hash = hashAt(source, place, HASH_BITS)
    const before = (this.#places[hash] as number) - this.#base
    this.#places[hash] = place + this.#base
    let length = 0
    let offset = 0
    if (before >= 0 && readAt(source, before) === readAt(source, place)) {
      length = this.#lengthOf(before, place)
      offset = place - before
    }
    if (place < DICTIONARY_REACH_BYTES) {
      const dictionary = this.#dictionary
      const longest = dictionary.longest(source, place, this.#size)
      if (longest > length) {
        length = longest
        offset = place + dictionary.bytes.length - dictionary.foundAt
      }
    }
    if (length > 0) this.#say(place, offset, length)
    return length > 0
  }

  #lengthOf(before: number, place: number): number {
    const source = this.#source
    const most = this.#size - place
    let length = STRING_BYTES
    while (length < most && source[before + length] === source[place + length]) length++
    return length
  }

  #say(place: number, offset: number, length: number): void {
    const source = this.#source
    let from = place
    while (from > this.#said && source[from - 1] === this.#byteBack(from - 1, offset)) from--
    const end = place + length
    const at = putLiteral(this.out, this.#end, source, this.#said, from)
    this.#end =
      offset === this.#offset
        ? putRepeat(this.out, at, end - from)
        : putCopy(this.out, at, offset, end - from)
    this.#offset = offset
    this.#said = end
    // One more place is remembered, near the end, where the next thing often begins.
    const near = end - 2
    if (near > place && near + STRING_BYTES <= this.#size) {
      this.#places[hashAt(source, near, HASH_BITS)] = near + this.#base
    }
  }

  /** The byte so far before a place; undefined where there is none. */
  #byteBack(place: number, offset: number): number | undefined {
    const from = place - offset
    if (from >= 0) return this.#source[from]
    const { bytes } = this.#dictionary
    return bytes[bytes.length + from]
  }
}
