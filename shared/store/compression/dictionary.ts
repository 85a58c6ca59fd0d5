/** What messages of a stream have in common: bytes, with the places of their strings by hash. */
import { crc32 } from '../crc.ts'
import { hashAt, readAt, STRING_BYTES } from './hash.ts'

const HASH_BITS = 11
/** Places of equal hash that are looked at. */
const CHAIN_MAX = 8

export class Dictionary {
  /** By which messages name it: of its content, so that none is ever taken for another that was lost. */
  readonly id: number
  readonly bytes: Uint8Array
  /** Where the string lies that `longest` found. */
  foundAt = 0
  /** The newest place + 1 by hash, and for each place the one before it with the same hash; made when asked for. */
  #newest = new Uint16Array(0)
  #before = new Uint16Array(0)

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.id = dictionaryId(bytes)
  }

  /** The length of the longest string in it that `source` goes on with at `place`; 0 when it is too short to be of use. */
  longest(source: Uint8Array, place: number, end: number): number {
    const { bytes } = this
    if (bytes.length === 0) return 0
    if (this.#newest.length === 0) this.#index()
    const wanted = readAt(source, place)
    let best = 0
    let next = this.#newest[hashAt(source, place, HASH_BITS)] as number
    for (let tries = 0; next > 0 && tries < CHAIN_MAX; tries++) {
      const at = next - 1
      next = this.#before[at] as number
      if (readAt(bytes, at) !== wanted) continue
      const most = Math.min(bytes.length - at, end - place)
      let length = STRING_BYTES
      while (length < most && bytes[at + length] === source[place + length]) length++
      if (length <= best) continue
      best = length
      this.foundAt = at
    }
    return best
  }

  #index(): void {
    const { bytes } = this
    this.#newest = new Uint16Array(1 << HASH_BITS)
    this.#before = new Uint16Array(bytes.length)
    for (let at = 0; at + STRING_BYTES <= bytes.length; at++) {
      const hash = hashAt(bytes, at, HASH_BITS)
      this.#before[at] = this.#newest[hash] as number
      this.#newest[hash] = at + 1
    }
  }
}

/** 1 up to 65,535; 0 for no bytes. */
export function dictionaryId(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : (crc32(bytes, 0, bytes.length, 0) % 0xffff) + 1
}

export const NO_DICTIONARY = new Dictionary(new Uint8Array(0))
