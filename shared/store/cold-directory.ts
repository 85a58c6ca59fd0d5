/**
 * The ids of subjects on disk by their hashes, in pages (extendible hashing): one page is read to find one.
 *
 *     slots[first bits of the hash] → page
 *     page    how many pairs, by how many bits of the hash the page is chosen | places of (hash, id)
 *
 * A pair is looked for from the place on that the whole hash says, until one is empty. When three in four places
 * are taken the page is split in two by one bit more, and the slots double when there are none for that.
 */
import { invariant } from '../runtime/index.ts'
import { SCRATCH_PAGE_BYTES } from './limits.ts'
import type { ScratchPages } from './scratch-pages.ts'

/** Words of a page. */
const PAIRS = 0
const DEPTH = 1
const PAIRS_AT = 2
const PLACES = SCRATCH_PAGE_BYTES / 8 - 1
const PAIRS_MAX = Math.floor((PLACES * 3) / 4)
const DEPTH_MAX = 24

export class ColdDirectory {
  readonly #pages: ScratchPages
  readonly #equals: (id: number, bytes: Uint8Array, start: number, end: number) => boolean
  #slots = new Uint32Array(0)
  #depth = 0

  /** @param equals whether the id is that of the subject */
  constructor(
    pages: ScratchPages,
    equals: (id: number, bytes: Uint8Array, start: number, end: number) => boolean,
  ) {
    this.#pages = pages
    this.#equals = equals
  }

  /** -1 when it is not there. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    if (this.#slots.length === 0) return -1
    const bucket = this.#slots[this.#slot(hash)] as number
    for (let place = hash % PLACES; ; place = (place + 1) % PLACES) {
      // Anew for each: to compare a subject may need the place in memory.
      const at = this.#pages.at(bucket) / 4 + PAIRS_AT + place * 2
      const id = this.#pages.words[at + 1] as number
      if (id === 0) return -1
      if (this.#pages.words[at] === hash && this.#equals(id, bytes, start, end)) return id
    }
  }

  /** A subject that is not there yet. */
  insert(hash: number, id: number): void {
    if (this.#slots.length === 0) this.#slots = Uint32Array.of(this.#pages.allocate())
    for (;;) {
      const bucket = this.#slots[this.#slot(hash)] as number
      const at = this.#pages.change(bucket) / 4
      const { words } = this.#pages
      const count = words[at + PAIRS] as number
      if (count < PAIRS_MAX) {
        words[at + PAIRS] = count + 1
        place(words, at, hash, id)
        return
      }
      this.#split(bucket, hash)
    }
  }

  remove(hash: number, id: number): void {
    const at = this.#pages.change(this.#slots[this.#slot(hash)] as number) / 4
    const { words } = this.#pages
    words[at + PAIRS] = (words[at + PAIRS] as number) - 1
    let gap = hash % PLACES
    while (words[at + PAIRS_AT + gap * 2 + 1] !== id) gap = (gap + 1) % PLACES
    // Those behind it move up, unless that would be in front of where they are looked for.
    for (let from = (gap + 1) % PLACES; ; from = (from + 1) % PLACES) {
      const moved = words[at + PAIRS_AT + from * 2 + 1] as number
      if (moved === 0) break
      const home = (words[at + PAIRS_AT + from * 2] as number) % PLACES
      if ((from - home + PLACES) % PLACES < (from - gap + PLACES) % PLACES) continue
      words[at + PAIRS_AT + gap * 2] = words[at + PAIRS_AT + from * 2] as number
      words[at + PAIRS_AT + gap * 2 + 1] = moved
      gap = from
    }
    words[at + PAIRS_AT + gap * 2 + 1] = 0
  }

  /** Gives all pages back. */
  clear(): void {
    for (const page of new Set(this.#slots)) this.#pages.release(page)
    this.#slots = new Uint32Array(0)
    this.#depth = 0
  }

  #slot(hash: number): number {
    return this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)
  }

  /** Half of a full page's pairs, by one more bit of their hashes, go to a new page. */
  #split(bucket: number, hash: number): void {
    let at = this.#pages.at(bucket) / 4
    const depth = (this.#pages.words[at + DEPTH] as number) + 1
    invariant(depth <= DEPTH_MAX, 'hashes differ')
    if (depth > this.#depth) this.#double()
    const pairs = this.#pages.words.slice(at + PAIRS_AT, at + PAIRS_AT + PLACES * 2)
    const upper = this.#pages.allocate()
    for (const [isUpper, page] of [bucket, upper].entries()) {
      at = this.#pages.change(page) / 4
      const { words } = this.#pages
      words.fill(0, at, at + SCRATCH_PAGE_BYTES / 4)
      words[at + DEPTH] = depth
      for (let i = 0; i < pairs.length; i += 2) {
        const [one = 0, id = 0] = [pairs[i], pairs[i + 1]]
        if (id === 0 || ((one >>> (32 - depth)) & 1) !== isUpper) continue
        words[at + PAIRS] = (words[at + PAIRS] as number) + 1
        place(words, at, one, id)
      }
    }
    // Slots of one page lie side by side: all hashes with its first bits.
    const width = 2 ** (this.#depth - depth)
    const from = (hash >>> (32 - depth)) | 1
    this.#slots.fill(upper, from * width, (from + 1) * width)
  }

  #double(): void {
    const doubled = new Uint32Array(this.#slots.length * 2)
    for (let i = 0; i < doubled.length; i++) doubled[i] = this.#slots[i >>> 1] as number
    this.#slots = doubled
    this.#depth++
  }
}

/** In the page that begins at a word. */
function place(words: Uint32Array, at: number, hash: number, id: number): void {
  let free = hash % PLACES
  while (words[at + PAIRS_AT + free * 2 + 1] !== 0) free = (free + 1) % PLACES
  words[at + PAIRS_AT + free * 2] = hash
  words[at + PAIRS_AT + free * 2 + 1] = id
}
