/**
 * Which subjects on disk match a filter: a bit for each, for the newest few filters. It is found out by going
 * through all pages once, in steps when there is time; what comes meanwhile and later is noted as it comes.
 *
 *     chunks[c]  16 pages' bits, there when one of them is set
 */
import type { SubjectFilter } from '../subject/index.ts'
import { FILTERS_KEPT_MAX } from './limits.ts'

/** No two records begin in the same four units. */
const PLACE_BITS = 2
const CHUNK_BITS = 11
const CHUNK_BYTES = 2 ** CHUNK_BITS / 8

export class FilterMatches {
  readonly filter: SubjectFilter
  /** Nothing is left of `pages`: it says the truth of all. */
  isWhole = false
  /** Pages that were not looked at yet, those that are made meanwhile too. */
  readonly pages: Iterator<number>
  readonly #chunks: (Uint8Array | undefined)[] = []

  constructor(filter: SubjectFilter, pages: Iterator<number>) {
    this.filter = filter
    this.pages = pages
  }

  /** @param unit which of all units the record begins in */
  has(unit: number): boolean {
    const place = unit >>> PLACE_BITS
    const chunk = this.#chunks[place >>> CHUNK_BITS]
    if (chunk === undefined) return false
    return (((chunk[(place >>> 3) % CHUNK_BYTES] as number) >> (place & 7)) & 1) === 1
  }

  /** A place may have been another subject's before. */
  set(unit: number, isMatch: boolean): void {
    const place = unit >>> PLACE_BITS
    let chunk = this.#chunks[place >>> CHUNK_BITS]
    if (chunk === undefined) {
      if (!isMatch) return
      chunk = new Uint8Array(CHUNK_BYTES)
      this.#chunks[place >>> CHUNK_BITS] = chunk
    }
    const at = (place >>> 3) % CHUNK_BYTES
    const bit = 1 << (place & 7)
    chunk[at] = isMatch ? (chunk[at] as number) | bit : (chunk[at] as number) & ~bit
  }
}

export class ColdMatches {
  /** The one that was asked for last is the last. */
  #kept: FilterMatches[] = []

  /** Undefined when it is not known of all subjects. */
  whole(filter: SubjectFilter): FilterMatches | undefined {
    const found = this.#find(filter)
    return found?.isWhole === true ? found : undefined
  }

  /** What is known by now; the oldest makes room for what is not known at all. */
  of(filter: SubjectFilter, pages: ReadonlySet<number>): FilterMatches {
    const found = this.#find(filter) ?? new FilterMatches(filter, pages.values())
    if (this.#kept[this.#kept.length - 1] === found) return found
    this.drop(found)
    if (this.#kept.length >= FILTERS_KEPT_MAX) this.#kept.shift()
    this.#kept.push(found)
    return found
  }

  /** A new subject. */
  note(unit: number, bytes: Uint8Array, start: number, end: number): void {
    for (const matches of this.#kept) matches.set(unit, matches.filter.matches(bytes, start, end))
  }

  drop(matches: FilterMatches): void {
    this.#kept = this.#kept.filter((one) => one !== matches)
  }

  clear(): void {
    this.#kept = []
  }

  #find(filter: SubjectFilter): FilterMatches | undefined {
    return this.#kept.find((one) => one.filter.subject === filter.subject)
  }
}
