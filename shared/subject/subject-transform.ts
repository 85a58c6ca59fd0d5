import { PetioleError, type Random } from '../runtime/index.ts'
import { type MappingFunction, mappingError, parseMappingFunction } from './mapping-function.ts'
import { isLiteral, subsetOf } from './subject.ts'

/**
 * Makes one subject of another. The source may hold wildcards; the destination says with `$n` and
 * mapping functions what becomes of what they stand for, and ends with `>` exactly when the source
 * does. Compiled once, so that a mapped subject costs one split and one join.
 */
export class SubjectTransform {
  readonly source: string
  readonly destination: string
  readonly #sourceTokens: readonly string[]
  readonly #steps: readonly Step[]
  /** How many tokens precede the `>` of the source; -1 when it has none. */
  readonly #tailAt: number
  /** The result, when it is the same for every subject. */
  readonly #constant: string | undefined

  /**
   * @param isStrict the transform must be reversible, as imports need it: no function but
   *   `{{wildcard(n)}}`, and every wildcard of the source used
   * @throws PETIOLE_MAPPING_INVALID, with nats-server's words
   */
  constructor(source: string, destination: string, isStrict = false) {
    const from = tokensOf(source)
    const to = tokensOf(destination)
    if (to === undefined) throw mappingError('subject', strayToken(destination))
    if (from === undefined || to.includes('*')) throw subjectError()
    if ((from.at(-1) === '>') !== (to.at(-1) === '>')) throw subjectError()
    this.source = source
    this.destination = destination
    this.#sourceTokens = from
    this.#tailAt = from.at(-1) === '>' ? from.length - 1 : -1
    const wildcards = from.flatMap((token, i) => (token === '*' ? [i] : []))
    const written = this.#tailAt < 0 ? to : to.slice(0, -1)
    const functions = written.map(parseMappingFunction)
    const given = { wildcards: wildcards.length, isOpen: wildcards.length > 0 || this.#tailAt >= 0 }
    for (const [i, fn] of functions.entries()) check(fn, written[i] ?? '', given, isStrict)
    const used = functions.reduce((sum, fn) => sum + wildcardsOf(fn).length, 0)
    if (isStrict && used < wildcards.length) throw mappingError('wildcards', destination)
    const isLiteral = wildcards.length === 0 && this.#tailAt < 0
    this.#steps = functions.map((fn) => stepOf(fn, isLiteral ? undefined : wildcards))
    const isConstant = this.#tailAt < 0 && functions.every((fn) => fn.name === 'text')
    this.#constant = isConstant ? destination : undefined
  }

  /** The transform of a literal subject; undefined when the source does not match it. */
  match(subject: string, random: Random): string | undefined {
    return isLiteral(subject) && subsetOf(subject, this.source)
      ? this.apply(subject, random)
      : undefined
  }

  /** The transform of a subject that is known to match the source. */
  apply(subject: string, random: Random): string {
    if (this.#constant !== undefined) return this.#constant
    const tokens = subject.split('.')
    const out = this.#steps.map((step) => step(tokens, subject, random))
    if (this.#tailAt >= 0) out.push(...tokens.slice(this.#tailAt))
    return out.join('.')
  }

  /** The way back: what `apply` made becomes what it was made of. Only a strict transform has one. */
  reverse(): SubjectTransform {
    const order: number[] = []
    const source = this.destination.split('.').map((token) => {
      const fn = parseMappingFunction(token)
      if (fn.name !== 'wildcard') return token
      order.push(fn.wildcard)
      return '*'
    })
    let wildcard = 0
    const destination = this.#sourceTokens.map((token) => {
      if (token !== '*') return token
      wildcard++
      return `$${order.indexOf(wildcard) + 1}`
    })
    return new SubjectTransform(source.join('.'), destination.join('.'))
  }
}

/** The destination that keeps a subject as it is: `a.*.*` as `a.$1.$2`. */
export function numberWildcards(subject: string): string {
  let wildcard = 0
  return subject
    .split('.')
    .map((token) => (token === '*' ? `$${++wildcard}` : token))
    .join('.')
}

type Step = (tokens: readonly string[], subject: string, random: Random) => string

function subjectError(): PetioleError {
  return new PetioleError('PETIOLE_MAPPING_INVALID', 'invalid subject')
}

/** undefined: no subject. Functions may hold spaces, so white space is not looked at here. */
function tokensOf(subject: string): readonly string[] | undefined {
  const tokens = subject.split('.')
  const isFine = tokens.every(
    (token, i) => token !== '' && (token !== '>' || i + 1 === tokens.length),
  )
  return isFine ? tokens : undefined
}

/** The token behind a `>`, which is what is wrong with a destination; '' when it is an empty one. */
function strayToken(subject: string): string {
  const tokens = subject.split('.')
  const more = tokens.indexOf('>')
  const empty = tokens.indexOf('')
  return more < 0 || (empty >= 0 && empty < more) ? '' : (tokens[more + 1] ?? '')
}

function check(
  fn: MappingFunction,
  token: string,
  source: { readonly wildcards: number; readonly isOpen: boolean },
  isStrict: boolean,
): void {
  if (fn.name === 'text') {
    if (/[ \t\r\n\f]/.test(token)) throw mappingError('subject')
    return
  }
  if (source.isOpen) {
    if (isStrict && fn.name !== 'wildcard') throw mappingError('irreversible', token)
    const beyond = wildcardsOf(fn).find((wildcard) => wildcard > source.wildcards)
    if (beyond !== undefined) throw mappingError('index', `${token}: [${beyond}]`)
  } else if (fn.name !== 'random' && fn.name !== 'partition') throw mappingError('index', token)
}

function wildcardsOf(fn: MappingFunction): readonly number[] {
  if (fn.name === 'text' || fn.name === 'random') return []
  return fn.name === 'partition' ? fn.wildcards : [fn.wildcard]
}

/**
 * @param wildcards where the wildcards of the source are, undefined when it is literal. `$0` is the
 *   first token of the subject, as nats-server has it
 */
function stepOf(fn: MappingFunction, wildcards: readonly number[] | undefined): Step {
  const at = (wildcard: number): number => wildcards?.[wildcard - 1] ?? 0
  switch (fn.name) {
    case 'text':
      return () => fn.text
    case 'wildcard': {
      const index = at(fn.wildcard)
      return (tokens) => tokens[index] ?? ''
    }
    case 'random':
      return (_tokens, _subject, random) =>
        fn.bound === 0 ? '0' : String(random.below(Math.abs(fn.bound)))
    case 'partition': {
      const indexes = wildcards === undefined ? [] : wildcardsOf(fn).map(at)
      return (tokens, subject) => {
        const key = indexes.length === 0 ? subject : indexes.map((it) => tokens[it] ?? '').join('')
        return fn.buckets === 0 ? '0' : String(fnv1a(key) % (fn.buckets >>> 0))
      }
    }
    case 'split': {
      const index = at(fn.wildcard)
      return (tokens) => splitBy(tokens[index] ?? '', fn.delimiter)
    }
    default: {
      const index = at(fn.wildcard)
      const { size } = fn
      const cut = CUTS[fn.name]
      return (tokens) => {
        const bytes = Buffer.from(tokens[index] ?? '')
        if (size <= 0 || size >= bytes.length) return bytes.toString()
        return cut(bytes, size).map(String).join('.')
      }
    }
  }
}

/** Sizes are bytes, as in nats-server; a character that is cut in two becomes U+FFFD on both sides. */
const CUTS = {
  splitfromleft: (bytes: Buffer, size: number) => [bytes.subarray(0, size), bytes.subarray(size)],
  splitfromright: (bytes: Buffer, size: number) => [
    bytes.subarray(0, -size),
    bytes.subarray(-size),
  ],
  slicefromleft: (bytes: Buffer, size: number) => slices(bytes, 0, size),
  slicefromright: (bytes: Buffer, size: number) => slices(bytes, bytes.length % size, size),
  left: (bytes: Buffer, size: number) => [bytes.subarray(0, size)],
  right: (bytes: Buffer, size: number) => [bytes.subarray(-size)],
}

function slices(bytes: Buffer, first: number, size: number): Buffer[] {
  const parts = first === 0 ? [] : [bytes.subarray(0, first)]
  for (let at = first; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  return parts
}

/** Empty parts would be empty tokens, and are left out. */
function splitBy(token: string, delimiter: string): string {
  const parts = delimiter === '' ? [...token] : token.split(delimiter)
  return parts.filter((part) => part !== '').join('.')
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
