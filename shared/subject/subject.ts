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

/** Whether `subject` may be subscribed to: no empty token, no blank, `>` only at the end. */
export function isValidSubject(subject: string): boolean {
  if (subject === '' || BLANK.test(subject)) return false
  const tokens = subject.split('.')
  return tokens.every((token, i) => token !== '' && (token !== '>' || i === tokens.length - 1))
}

/** A valid subject without wildcard tokens: one that can be published to. */
export function isLiteral(subject: string): boolean {
  return isValidSubject(subject) && !subject.split('.').some(isWildcard)
}

/** Whether a valid subject has a wildcard token. */
export function hasWildcard(subject: string): boolean {
  if (!subject.includes('*') && !subject.endsWith('>')) return false
  return subject.split('.').some(isWildcard)
}

/** Whether some literal subject matches both. */
export function overlaps(left: string, right: string): boolean {
  const a = left.split('.')
  const b = right.split('.')
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const x = a[i]
    const y = b[i]
    if (x === undefined || y === undefined) return false
    if (x === '>' || y === '>') return true
    if (x !== y && x !== '*' && y !== '*') return false
  }
  return true
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
  const a = subject.split('.')
  const b = superset.split('.')
  for (let i = 0; i < b.length; i++) {
    const x = a[i]
    const y = b[i]
    if (x === undefined) return false
    if (y === '>') return true
    if (x === '>' || (y !== '*' && x !== y)) return false
  }
  return a.length === b.length
}

function isWildcard(token: string): boolean {
  return token === '*' || token === '>'
}
