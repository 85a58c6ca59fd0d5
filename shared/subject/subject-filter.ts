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
  /** Made with the first subject that is held against it: most filters of clients are only kept. */
  #bytes: Uint8Array | undefined
  #tokens: readonly string[] | undefined

  constructor(subject: string) {
    this.subject = subject
    this.isAll = subject === '>'
    this.isLiteral = !/(^|\.)([*>])(\.|$)/.test(subject)
  }

  /** All subjects that it matches, when those can be told. */
  get literals(): readonly string[] | undefined {
    return this.isLiteral ? [this.subject] : undefined
  }

  /** Whether the literal subject in bytes [start, end) matches. */
  matches(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
    if (this.isAll) return end > start
    this.#bytes ??= Buffer.from(this.subject)
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

  /**
   * Whether some literal subject matches both. Costs no more than `subject` is long, however long this one
   * is: many are held against one that a client sent.
   */
  overlaps(subject: string): boolean {
    this.#tokens ??= this.subject.split('.')
    let at = 0
    for (const token of this.#tokens) {
      if (token === '>' || at > subject.length) return at <= subject.length
      const first = subject.charCodeAt(at)
      const isOnly = at + 1 === subject.length || subject.charCodeAt(at + 1) === DOT
      if (isOnly && first === MORE) return true
      if (token === '*' || (isOnly && first === STAR)) {
        const dot = subject.indexOf('.', at)
        at = dot === -1 ? subject.length + 1 : dot + 1
        continue
      }
      const end = at + token.length
      const isEnd = end === subject.length || subject.charCodeAt(end) === DOT
      if (!isEnd || !subject.startsWith(token, at)) return false
      at = end + 1
    }
    return at > subject.length
  }
}
