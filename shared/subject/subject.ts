/**
 * Subjects: non-empty tokens separated by dots. `*` as a whole token matches one token, `>` as the
 * last whole token matches one or more. `foo*` and `>x` are literal tokens. Source: nats-server's
 * sublist rules, as digested in the core protocol specification.
 */

/**
 * What ends or splits a subject in the protocol's lines. Other white space and control characters
 * mean nothing there, and are part of the token: as nats-server has it.
 */
const BLANK = /[ \t\r\n\f]/
const STAR = 42
const MORE = 62

/** Whether `subject` may be subscribed to: no empty token, no blank, `>` only at the end. */
export function isValidSubject(subject: string): boolean {
  if (subject === '' || BLANK.test(subject)) return false
  for (let at = 0; at <= subject.length; ) {
    const end = tokenEnd(subject, at)
    if (end === at || (isMore(subject, at, end) && end < subject.length)) return false
    at = end + 1
  }
  return true
}

/** A valid subject without wildcard tokens: one that can be published to. */
export function isLiteral(subject: string): boolean {
  return isValidSubject(subject) && !hasWildcard(subject)
}

/** Whether a valid subject has a wildcard token. */
export function hasWildcard(subject: string): boolean {
  if (!subject.includes('*') && !subject.endsWith('>')) return false
  for (let at = 0; at <= subject.length; ) {
    const end = tokenEnd(subject, at)
    if (isOne(subject, at, end) || isMore(subject, at, end)) return true
    at = end + 1
  }
  return false
}

/**
 * Whether some literal subject matches both. Token by token, up to the first that differs: who holds many
 * subjects against a long one takes a `SubjectFilter`, which passes over the long one's tokens at once.
 */
export function overlaps(left: string, right: string): boolean {
  for (let a = 0, b = 0; ; ) {
    const aEnd = tokenEnd(left, a)
    const bEnd = tokenEnd(right, b)
    if (isMore(left, a, aEnd) || isMore(right, b, bEnd)) return true
    const isOpen = isOne(left, a, aEnd) || isOne(right, b, bEnd)
    if (!isOpen && !isSame(left, a, aEnd, right, b, bEnd)) return false
    if (aEnd === left.length || bEnd === right.length) {
      return aEnd === left.length && bEnd === right.length
    }
    a = aEnd + 1
    b = bEnd + 1
  }
}

/** The subject that matches exactly what both match; undefined when nothing does. */
export function intersection(left: string, right: string): string | undefined {
  const a = left.split('.')
  const b = right.split('.')
  const common: string[] = []
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const x = a[i]
    const y = b[i]
    if (x === undefined || y === undefined) return undefined
    if (x === '>') return [...common, ...b.slice(i)].join('.')
    if (y === '>') return [...common, ...a.slice(i)].join('.')
    if (x !== y && x !== '*' && y !== '*') return undefined
    common.push(x === '*' ? y : x)
  }
  return common.join('.')
}

/** Whether every literal subject that matches `subject` matches `superset` too. */
export function subsetOf(subject: string, superset: string): boolean {
  for (let a = 0, b = 0; ; ) {
    const aEnd = tokenEnd(subject, a)
    const bEnd = tokenEnd(superset, b)
    if (isMore(superset, b, bEnd)) return true
    if (isMore(subject, a, aEnd)) return false
    if (!isOne(superset, b, bEnd) && !isSame(subject, a, aEnd, superset, b, bEnd)) return false
    if (aEnd === subject.length || bEnd === superset.length) {
      return aEnd === subject.length && bEnd === superset.length
    }
    a = aEnd + 1
    b = bEnd + 1
  }
}

function tokenEnd(subject: string, at: number): number {
  const end = subject.indexOf('.', at)
  return end === -1 ? subject.length : end
}

function isOne(subject: string, at: number, end: number): boolean {
  return end - at === 1 && subject.charCodeAt(at) === STAR
}

function isMore(subject: string, at: number, end: number): boolean {
  return end - at === 1 && subject.charCodeAt(at) === MORE
}

function isSame(
  left: string,
  a: number,
  aEnd: number,
  right: string,
  b: number,
  bEnd: number,
): boolean {
  if (aEnd - a !== bEnd - b) return false
  for (let i = a, j = b; i < aEnd; i++, j++) {
    if (left.charCodeAt(i) !== right.charCodeAt(j)) return false
  }
  return true
}
