/**
 * Subjects of one stream that are not held in memory, because there are too many: what `SubjectTable`
 * keeps of each, in pages of which the used ones are in memory. One that is asked for costs two pages:
 *
 *     hash → id, in `ColdDirectory`
 *     id → the page and the place in it of: last seq, a lower bound of the first, count, length, bytes
 *
 * Ids are those of `SubjectTable` continued from `COLD_ID_MIN`, and tell where the record lies; so they
 * stay. Records follow each other in a page, which is free again when none of them lives. What is
 * too long for a page goes on in others.
 */
import type { SubjectFilter } from '../subject/index.ts'
import { ColdDirectory } from './cold-directory.ts'
import { ColdMatches, type FilterMatches } from './cold-matches.ts'
import { COLD_LOOKUPS_MAX, SCRATCH_PAGE_BYTES } from './limits.ts'
import type { ScratchPages } from './scratch-pages.ts'
import { Beginning } from './subject-beginning.ts'
import { hashOf } from './subject-hash.ts'

export const COLD_ID_MIN = 0x8000_0000

const UNIT_BYTES = 8
const PAGE_UNITS = SCRATCH_PAGE_BYTES / UNIT_BYTES
/** Words of a page of records: where it ends in bytes, how many live, the page that goes on, the page begun next; pages + 1. */
const END = 0
const LIVE = 1
const NEXT = 2
const AFTER = 3
const HEAD_BYTES = 16
/** Of a record, in bytes: last f64, first f64, count u32, length u32, then the subject. */
const FIRST = 8
const COUNT = 16
const LENGTH = 20
const TEXT = 24
const INLINE_MAX = SCRATCH_PAGE_BYTES - HEAD_BYTES - TEXT
const CHAINED_BYTES = SCRATCH_PAGE_BYTES - HEAD_BYTES

export class ColdSubjects {
  /** Subjects with live messages. */
  size = 0
  byteLength = 0
  readonly beginning = new Beginning()
  readonly #pages: ScratchPages
  readonly #seed: number
  readonly #directory: ColdDirectory
  /** Pages with records, in the order in which they were begun. */
  readonly #records = new Set<number>()
  /** Those of them that go on in other pages. */
  readonly #chained = new Set<number>()
  readonly #matches = new ColdMatches()
  /** The page that new records go to. */
  #newest = -1

  constructor(pages: ScratchPages, seed: number) {
    this.#pages = pages
    this.#seed = seed
    this.#directory = new ColdDirectory(pages, (id, bytes, start, end) =>
      this.#equals(id, bytes, start, end),
    )
  }

  /** -1 when it is not there. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#directory.find(hashOf(bytes, start, end, this.#seed) >>> 0, bytes, start, end)
  }

  /** The id of a subject that is not there yet. */
  insert(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end, this.#seed) >>> 0
    const id = this.#keep(bytes, start, end)
    this.#directory.insert(hash, id)
    this.size++
    this.byteLength += end - start
    this.beginning.note(bytes, start, end, this.size)
    this.#matches.note(id - COLD_ID_MIN, bytes, start, end)
    return id
  }

  /**
   * The id behind this one, in the order in which they came, when it is that of the subject; else -1.
   * Who asks for many in that order again need not look them up.
   */
  after(id: number, bytes: Uint8Array, start: number, end: number): number {
    let page = pageOf(id)
    let offset = offsetOf(id)
    const at = this.#pages.at(page)
    const { words } = this.#pages
    offset += recordBytes(words[(at + offset + LENGTH) / 4] as number)
    if (offset >= (words[at / 4 + END] as number)) {
      page = (words[at / 4 + AFTER] as number) - 1
      offset = HEAD_BYTES
      if (!this.#records.has(page)) return -1
    }
    const next = idAt(page, offset)
    return this.#equals(next, bytes, start, end) && this.count(next) > 0 ? next : -1
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
    if (count === 0) {
      this.#drop(id)
      return
    }
    words[(at + COUNT) / 4] = count
    if (doubles[at / 8] === seq) doubles[at / 8] = -seq
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
    const at = this.#note(id)
    this.#pages.doubles[at / 8] = seq
  }

  firstBound(id: number): number {
    const at = this.#at(id)
    return this.#pages.doubles[(at + FIRST) / 8] as number
  }

  setFirstBound(id: number, seq: number): void {
    const at = this.#note(id)
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

  /** Whether it is known of all subjects if they match. */
  isReady(filter: SubjectFilter): boolean {
    return this.beginning.isUnder(filter) || this.#matches.whole(filter) !== undefined
  }

  /** Finds it out of so many pages more; true when there are no others. Each page is read once. */
  prepare(filter: SubjectFilter, pagesMax: number): boolean {
    if (this.isReady(filter)) return true
    const matches = this.#matches.of(filter, this.#records)
    for (let left = pagesMax; left > 0; left--) {
      const next = matches.pages.next()
      if (next.done === true) {
        matches.isWhole = true
        return true
      }
      this.#look(next.value, matches)
    }
    return false
  }

  /** Says of ids whether they match, while nothing changes; of all at once when it is asked about many. */
  matcher(filter: SubjectFilter, lookupsMax = COLD_LOOKUPS_MAX): (id: number) => boolean {
    if (this.beginning.isUnder(filter)) return () => true
    let whole = this.#matches.whole(filter)
    let left = lookupsMax
    return (id) => {
      if (whole === undefined && left-- <= 0) {
        this.prepare(filter, Number.POSITIVE_INFINITY)
        whole = this.#matches.whole(filter)
      }
      return whole === undefined ? this.matches(id, filter) : whole.has(id - COLD_ID_MIN)
    }
  }

  /** Ids with live messages; who goes through them may look up others, but add none. */
  *ids(): IterableIterator<number> {
    for (const page of this.#records) yield* this.idsOn(page)
  }

  /** Those that have subjects: who takes one now and then has all in the end that were there all the time. */
  pages(): Iterator<number> {
    return this.#records.values()
  }

  *idsOn(page: number): IterableIterator<number> {
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

  /** Ids with live messages whose subjects match, until the callback says false; then false. */
  visit(filter: SubjectFilter, visit: (id: number) => boolean): boolean {
    const isWhole = this.beginning.isUnder(filter)
    const known = this.#matches.whole(filter)
    for (const id of this.ids()) {
      const isMatch = isWhole || (known?.has(id - COLD_ID_MIN) ?? this.matches(id, filter))
      if (isMatch && !visit(id)) return false
    }
    return true
  }

  /** Gives all pages back. */
  clear(): void {
    this.#directory.clear()
    for (const page of this.#records) this.#release(page)
    this.#records.clear()
    this.#matches.clear()
    this.#newest = -1
    this.size = 0
    this.byteLength = 0
  }

  #look(page: number, matches: FilterMatches): void {
    const { filter } = matches
    try {
      for (let offset = HEAD_BYTES; ; ) {
        const at = this.#pages.at(page)
        const { words } = this.#pages
        if (offset >= (words[at / 4 + END] as number)) return
        const length = words[(at + offset + LENGTH) / 4] as number
        const id = idAt(page, offset)
        matches.set(id - COLD_ID_MIN, this.matches(id, filter))
        offset += recordBytes(length)
      }
    } catch (error) {
      // The page is not known, and would not be looked at again.
      this.#matches.drop(matches)
      throw error
    }
  }

  #at(id: number): number {
    return this.#pages.at(pageOf(id)) + offsetOf(id)
  }

  #change(id: number): number {
    return this.#pages.change(pageOf(id)) + offsetOf(id)
  }

  /** To keep an answer, which may be asked for also when nothing may change any more. */
  #note(id: number): number {
    return this.#pages.note(pageOf(id)) + offsetOf(id)
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
    if (this.#newest >= 0) this.#pages.setWord(this.#newest, AFTER, page + 1)
    this.#records.add(page)
    this.#newest = page
    return page
  }

  #drop(id: number): void {
    const bytes = this.bytes(id)
    const hash = hashOf(bytes, 0, bytes.length, this.#seed) >>> 0
    this.#directory.remove(hash, id)
    const page = pageOf(id)
    const base = this.#pages.change(page)
    const { words } = this.#pages
    const live = (words[base / 4 + LIVE] as number) - 1
    words[base / 4 + LIVE] = live
    words[(base + offsetOf(id) + COUNT) / 4] = 0
    this.size--
    this.byteLength -= bytes.length
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
