/**
 * What subjects have in common: with it many filters are known to match all of them without looking.
 * It is that of those that were, until none is left.
 */
import type { SubjectFilter } from '../subject/index.ts'

export class Beginning {
  #common: Uint8Array | undefined
  #shortest = 0

  /** @param subjects how many there are, with this one */
  note(bytes: Uint8Array, start: number, end: number, subjects: number): void {
    if (this.#common === undefined || subjects === 1) {
      this.#common = Uint8Array.from(bytes.subarray(start, end))
      this.#shortest = end - start
      return
    }
    const { length } = this.#common
    let same = 0
    while (same < length && start + same < end && this.#common[same] === bytes[start + same]) same++
    if (same < length) this.#common = this.#common.subarray(0, same)
    if (end - start < this.#shortest) this.#shortest = end - start
  }

  /** Whether all subjects match. May say no when they do. */
  isUnder(filter: SubjectFilter): boolean {
    if (filter.isAll) return true
    const { subject } = filter
    const common = this.#common
    if (common === undefined || !subject.endsWith('.>')) return false
    const beginning = Buffer.from(subject.slice(0, -1))
    if (beginning.length > common.length || this.#shortest <= beginning.length) return false
    // Bytes that are equal to those of subjects have no wildcards.
    return beginning.equals(common.subarray(0, beginning.length))
  }
}
