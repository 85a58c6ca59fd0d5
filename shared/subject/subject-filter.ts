import { overlaps } from './subject.ts'

const DOT = 46
const STAR = 42
const MORE = 62

/** One subject with wildcards, compiled to match subjects as bytes, without making strings. */
export class SubjectFilter {
  readonly subject: string
  /** Whether it matches everything. */
  readonly isAll: boolean
  /** Whether it matches one subject only. */
  readonly isLiteral: boolean
  readonly #bytes: Uint8Array

  constructor(subject: string) {
    this.subject = subject
    this.isAll = subject === '>'
    this.isLiteral = !/(^|\.)([*>])(\.|$)/.test(subject)
    this.#bytes = Buffer.from(subject)
  }

  /** Whether the literal subject in bytes [start, end) matches. */
  matches(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (this.isAll) return end > start
    const filter = this.#bytes
    let at = start
    for (let i = 0; i < filter.length; ) {
      const byte = filter[i]
      const isToken = i === 0 || filter[i - 1] === DOT
      if (isToken && byte === MORE && i + 1 === filter.length) return at < end
      if (isToken && byte === STAR && (i + 1 === filter.length || filter[i + 1] === DOT)) {
        const from = at
        while (at < end && bytes[at] !== DOT) at++
        if (at === from) return false
        i++
        continue
      }
      if (at >= end || bytes[at] !== byte) return false
      at++
      i++
    }
    return at === end
  }

  matchesText(subject: string): boolean {
    return this.matches(Buffer.from(subject))
  }

  overlaps(subject: string): boolean {
    return overlaps(this.subject, subject)
  }
}
