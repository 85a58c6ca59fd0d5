/**
 * Subjects of one stream that are not held in memory, because there are too many: what `SubjectTable`
 * keeps of each, in pages of which the used ones are in memory. One that is asked for costs two pages:
 *
 *     directory[first bits of the hash] → a page of (hash, id) pairs, split in two when it is full
 *     id → the page and the place in it of: last seq, a lower bound of the first, count, length, bytes
 *
 * Ids are those of `SubjectTable` continued from `COLD_ID_MIN`, and tell where the record lies; so they
 * stay. Records follow each other in a page, which is free again when none of them lives. What is
 * too long for a page goes on in others.
 */
import { invariant } from '../runtime/index.ts'
import type { SubjectFilter } from '../subject/index.ts'
import { SCRATCH_PAGE_BYTES } from './limits.ts'
import type { ScratchPages } from './scratch-pages.ts'
import { Beginning } from './subject-beginning.ts'
import { hashOf } from './subject-hash.ts'

export const COLD_ID_MIN = 0x8000_0000

const UNIT_BYTES = 8
const PAGE_UNITS = SCRATCH_PAGE_BYTES / UNIT_BYTES
/** Words of a page of records: where it ends in bytes, how many of its records live, the page that goes on + 1. */
const END = 0
const LIVE = 1
const NEXT = 2
const HEAD_BYTES = 16
/** Of a record, in bytes: last f64, first f64, count u32, length u32, then the subject. */
const FIRST = 8
const COUNT = 16
const LENGTH = 20
const TEXT = 24
const INLINE_MAX = SCRATCH_PAGE_BYTES - HEAD_BYTES - TEXT
const CHAINED_BYTES = SCRATCH_PAGE_BYTES - HEAD_BYTES
/** Words of a page of pairs: how many, by how many bits of the hash they are chosen; then the pairs. */
const PAIRS = 0
const DEPTH = 1
const PAIRS_AT = 2
const PAIRS_MAX = SCRATCH_PAGE_BYTES / 8 - 1
const DEPTH_MAX = 26

export class ColdSubjects {
  /** Subjects with live messages. */
  size = 0
  byteLength = 0
  readonly beginning = new Beginning()
  readonly #pages: ScratchPages
  readonly #seed: number
  #directory = new Uint32Array(0)
  #depth = 0
  /** Pages with records, in the order in which they were begun. */
  readonly #records = new Set<number>()
  /** Those of them that go on in other pages. */
  readonly #chained = new Set<number>()
  /** The page that new records go to. */
  #newest = -1

  constructor(pages: ScratchPages, seed: number) {
    this.#pages = pages
    this.#seed = seed
  }

  /** -1 when it is not there. */
  find(bytes: Uint8Array, start: number, end: number): number {
    if (this.#directory.length === 0) return -1
    const hash = hashOf(bytes, start, end, this.#seed) >>> 0
    return this.#lookUp(hash, bytes, start, end)
  }

  /** The id of a subject that is not there yet. */
  insert(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end, this.#seed) >>> 0
    const id = this.#keep(bytes, start, end)
    this.#link(hash, id)
    this.size++
    this.byteLength += end - start
    this.beginning.note(bytes, start, end, this.size)
    return id
  }

  add(id: number, seq: number): void {
    const at = this.#change(id)
    const { words, doubles } = this.#pages
    const count = words[(at + COUNT) / 4] as number
    if (count === 0) doubles[(at + FIRST) / 8] = seq
    words[(at + COUNT) / 4] = count + 1
    doubles[at / 8] = seq
  }

  remove(id: number, seq: number): void {
    const at = this.#change(id)
    const { words, doubles } = this.#pages
    const count = (words[(at + COUNT) / 4] as number) - 1
    words[(at + COUNT) / 4] = count
    if (count === 0) this.#drop(id)
    else if (doubles[at / 8] === seq) doubles[at / 8] = -seq
  }

  count(id: number): number {
    const at = this.#at(id)
    return this.#pages.words[(at + COUNT) / 4] as number
  }

  last(id: number): number {
    const at = this.#at(id)
    return this.#pages.doubles[at / 8] as number
  }

  setLast(id: number, seq: number): void {
    const at = this.#change(id)
    this.#pages.doubles[at / 8] = seq
  }

  firstBound(id: number): number {
    const at = this.#at(id)
    return this.#pages.doubles[(at + FIRST) / 8] as number
  }

  setFirstBound(id: number, seq: number): void {
    const at = this.#change(id)
    this.#pages.doubles[(at + FIRST) / 8] = seq
  }

  /** A copy. */
  bytes(id: number): Uint8Array {
    const at = this.#at(id)
    const length = this.#pages.words[(at + LENGTH) / 4] as number
    const text = new Uint8Array(length)
    if (length <= INLINE_MAX) {
      text.set(this.#pages.bytes.subarray(at + TEXT, at + TEXT + length))
      return text
    }
    let done = 0
    for (let page = pageOf(id); done < length; ) {
      const start = this.#pages.at(page)
      const from = start + (done === 0 ? HEAD_BYTES + TEXT : HEAD_BYTES)
      const size = Math.min(length - done, start + SCRATCH_PAGE_BYTES - from)
      text.set(this.#pages.bytes.subarray(from, from + size), done)
      done += size
      page = (this.#pages.words[start / 4 + NEXT] as number) - 1
    }
    return text
  }

  matches(id: number, filter: SubjectFilter): boolean {
    const at = this.#at(id)
    const length = this.#pages.words[(at + LENGTH) / 4] as number
    if (length > INLINE_MAX) return filter.matches(this.bytes(id), 0, length)
    return filter.matches(this.#pages.bytes, at + TEXT, at + TEXT + length)
  }

  /** Ids with live messages; who goes through them may look up others, but add none. */
  *ids(): IterableIterator<number> {
    for (const page of this.#records) {
      let offset = HEAD_BYTES
      for (;;) {
        const at = this.#pages.at(page) + offset
        const { words } = this.#pages
        if (offset >= (words[(at - offset) / 4 + END] as number)) break
        const isLive = (words[(at + COUNT) / 4] as number) > 0
        const length = words[(at + LENGTH) / 4] as number
        if (isLive) yield idAt(page, offset)
        offset += recordBytes(length)
      }
    }
  }

  /** Ids with live messages whose subjects match, until the callback says false; then false. */
  visit(filter: SubjectFilter, visit: (id: number) => boolean): boolean {
    const isWhole = this.beginning.isUnder(filter)
    for (const id of this.ids()) {
      if ((isWhole || this.matches(id, filter)) && !visit(id)) return false
    }
    return true
  }

  /** Gives all pages back. */
  clear(): void {
    for (const page of new Set(this.#directory)) this.#pages.release(page)
    for (const page of this.#records) this.#release(page)
    this.#records.clear()
    this.#directory = new Uint32Array(0)
    this.#depth = 0
    this.#newest = -1
    this.size = 0
    this.byteLength = 0
  }

  #at(id: number): number {
    return this.#pages.at(pageOf(id)) + offsetOf(id)
  }

  #change(id: number): number {
    return this.#pages.change(pageOf(id)) + offsetOf(id)
  }

  #lookUp(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const bucket = this.#directory[this.#slot(hash)] as number
    let at = this.#pages.at(bucket) / 4
    const count = this.#pages.words[at + PAIRS] as number
    for (let i = 0; i < count; i++) {
      if (this.#pages.words[at + PAIRS_AT + i * 2] !== hash) continue
      const id = this.#pages.words[at + PAIRS_AT + i * 2 + 1] as number
      if (this.#equals(id, bytes, start, end)) return id
      at = this.#pages.at(bucket) / 4
    }
    return -1
  }

  #equals(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.#at(id)
    const length = end - start
    if (this.#pages.words[(at + LENGTH) / 4] !== length) return false
    const text = length <= INLINE_MAX ? this.#pages.bytes : this.bytes(id)
    const offset = (length <= INLINE_MAX ? at + TEXT : 0) - start
    for (let i = end - 1; i >= start; i--) if (text[offset + i] !== bytes[i]) return false
    return true
  }

  #slot(hash: number): number {
    return this.#depth === 0 ? 0 : hash >>> (32 - this.#depth)
  }

  #link(hash: number, id: number): void {
    if (this.#directory.length === 0) this.#directory = Uint32Array.of(this.#pages.allocate())
    for (;;) {
      const bucket = this.#directory[this.#slot(hash)] as number
      const at = this.#pages.change(bucket) / 4
      const { words } = this.#pages
      const count = words[at + PAIRS] as number
      if (count < PAIRS_MAX) {
        words[at + PAIRS_AT + count * 2] = hash
        words[at + PAIRS_AT + count * 2 + 1] = id
        words[at + PAIRS] = count + 1
        return
      }
      this.#split(bucket, hash)
    }
  }

  /** Half of a full page's pairs, by one more bit of their hashes, go to a new page. */
  #split(bucket: number, hash: number): void {
    let at = this.#pages.at(bucket) / 4
    const depth = (this.#pages.words[at + DEPTH] as number) + 1
    invariant(depth <= DEPTH_MAX, 'hashes differ')
    if (depth > this.#depth) this.#double()
    const pairs = this.#pages.words.slice(at + PAIRS_AT, at + PAIRS_AT + PAIRS_MAX * 2)
    const upper = this.#pages.allocate()
    for (const [isUpper, page] of [bucket, upper].entries()) {
      at = this.#pages.change(page) / 4
      const { words } = this.#pages
      let kept = 0
      for (let i = 0; i < pairs.length; i += 2) {
        if ((((pairs[i] as number) >>> (32 - depth)) & 1) !== isUpper) continue
        words[at + PAIRS_AT + kept * 2] = pairs[i] as number
        words[at + PAIRS_AT + kept * 2 + 1] = pairs[i + 1] as number
        kept++
      }
      words[at + PAIRS] = kept
      words[at + DEPTH] = depth
    }
    // Slots of one page lie side by side: all hashes with its first bits.
    const width = 2 ** (this.#depth - depth)
    const from = (hash >>> (32 - depth)) | 1
    this.#directory.fill(upper, from * width, (from + 1) * width)
  }

  #double(): void {
    const doubled = new Uint32Array(this.#directory.length * 2)
    for (let i = 0; i < doubled.length; i++) doubled[i] = this.#directory[i >>> 1] as number
    this.#directory = doubled
    this.#depth++
  }

  /** Writes the record; returns its id. */
  #keep(bytes: Uint8Array, start: number, end: number): number {
    const length = end - start
    const size = recordBytes(length)
    const page = this.#pageFor(size)
    const base = this.#pages.change(page)
    const { words } = this.#pages
    const offset = words[base / 4 + END] as number
    const at = base + offset
    words[base / 4 + END] = offset + size
    words[base / 4 + LIVE] = (words[base / 4 + LIVE] as number) + 1
    words[(at + COUNT) / 4] = 0
    words[(at + LENGTH) / 4] = length
    const inline = Math.min(length, INLINE_MAX)
    const text = this.#pages.bytes
    for (let i = 0; i < inline; i++) text[at + TEXT + i] = bytes[start + i] as number
    if (inline < length) this.#chain(page, bytes.subarray(start + inline, end))
    return idAt(page, offset)
  }

  #chain(page: number, bytes: Uint8Array): void {
    let before = page
    this.#chained.add(page)
    for (let done = 0; done < bytes.length; done += CHAINED_BYTES) {
      const next = this.#pages.allocate()
      const at = this.#pages.change(next) + HEAD_BYTES
      this.#pages.bytes.set(bytes.subarray(done, done + CHAINED_BYTES), at)
      this.#pages.setWord(before, NEXT, next + 1)
      before = next
    }
  }

  /** A page with room for a record; one that is too long for any has a page for itself. */
  #pageFor(size: number): number {
    const need = Math.min(size, SCRATCH_PAGE_BYTES - HEAD_BYTES)
    if (this.#newest >= 0) {
      if (this.#pages.word(this.#newest, END) + need <= SCRATCH_PAGE_BYTES) return this.#newest
    }
    const page = this.#pages.allocate()
    this.#pages.setWord(page, END, HEAD_BYTES)
    this.#records.add(page)
    this.#newest = page
    return page
  }

  #drop(id: number): void {
    const bytes = this.bytes(id)
    const hash = hashOf(bytes, 0, bytes.length, this.#seed) >>> 0
    this.#unlink(hash, id)
    this.size--
    this.byteLength -= bytes.length
    const page = pageOf(id)
    const live = this.#pages.word(page, LIVE) - 1
    this.#pages.setWord(page, LIVE, live)
    if (this.size === 0) this.clear()
    else if (live === 0) {
      this.#records.delete(page)
      if (this.#newest === page) this.#newest = -1
      this.#release(page)
    }
  }

  /** With those that go on from it; a page that has none need not be read for that. */
  #release(page: number): void {
    const isChained = this.#chained.delete(page)
    for (let at = page; at >= 0; ) {
      const next = isChained ? this.#pages.word(at, NEXT) - 1 : -1
      this.#pages.release(at)
      at = next
    }
  }

  #unlink(hash: number, id: number): void {
    const at = this.#pages.change(this.#directory[this.#slot(hash)] as number) / 4
    const { words } = this.#pages
    const last = (words[at + PAIRS] as number) - 1
    let i = 0
    while (words[at + PAIRS_AT + i * 2 + 1] !== id) i++
    words[at + PAIRS_AT + i * 2] = words[at + PAIRS_AT + last * 2] as number
    words[at + PAIRS_AT + i * 2 + 1] = words[at + PAIRS_AT + last * 2 + 1] as number
    words[at + PAIRS] = last
  }
}

function pageOf(id: number): number {
  return Math.floor((id - COLD_ID_MIN) / PAGE_UNITS)
}

function offsetOf(id: number): number {
  return ((id - COLD_ID_MIN) % PAGE_UNITS) * UNIT_BYTES
}

function idAt(page: number, offset: number): number {
  return COLD_ID_MIN + page * PAGE_UNITS + offset / UNIT_BYTES
}

/** In a page; what is longer fills it. */
function recordBytes(length: number): number {
  return TEXT + Math.ceil(Math.min(length, INLINE_MAX) / UNIT_BYTES) * UNIT_BYTES
}
