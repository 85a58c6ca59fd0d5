import { PetioleError } from '../runtime/index.ts'

/**
 * One token of a transform's destination, as it is written: plain text, `$n`, or a function in double
 * braces. Source: nats-server's server/subject_transform.go, ADR-30.
 *
 *     $1  {{wildcard(1)}}                   the text that the first `*` stands for
 *     {{partition(10,1,2)}}                 FNV-1a of those texts, modulo 10
 *     {{partition(10)}}                     the same of the whole subject
 *     {{random(10)}}                        0 to 9
 *     {{split(1,-)}}                        `a-b` becomes `a.b`
 *     {{splitfromleft(1,3)}} …fromright     cut once
 *     {{slicefromleft(1,3)}} …fromright     cut every three bytes
 *     {{left(1,3)}} {{right(1,3)}}          the first or last three bytes
 */
export type MappingFunction =
  | { readonly name: 'text'; readonly text: string }
  | { readonly name: 'wildcard'; readonly wildcard: number }
  | { readonly name: 'partition'; readonly buckets: number; readonly wildcards: readonly number[] }
  | { readonly name: 'random'; readonly bound: number }
  | { readonly name: 'split'; readonly wildcard: number; readonly delimiter: string }
  | { readonly name: CutName; readonly wildcard: number; readonly size: number }

export type CutName =
  | 'splitfromleft'
  | 'splitfromright'
  | 'slicefromleft'
  | 'slicefromright'
  | 'left'
  | 'right'

/** nats-server's words for what is wrong with a destination. */
export const MAPPING_FAULTS = {
  subject: 'invalid transform',
  wildcards: 'not using all of the token wildcard(s)',
  function: 'unknown function',
  index: 'wildcard index out of range',
  few: 'not enough arguments passed to the function',
  argument: 'function argument is invalid or in the wrong format',
  many: 'too many arguments passed to the function',
  irreversible: 'the only mapping function allowed for import transforms is {{Wildcard()}}',
} as const

export function mappingError(fault: keyof typeof MAPPING_FAULTS, where = ''): PetioleError {
  const text = `invalid mapping destination: ${MAPPING_FAULTS[fault]}`
  return new PetioleError('PETIOLE_MAPPING_INVALID', where === '' ? text : `${text} in ${where}`)
}

/** Throws PETIOLE_MAPPING_INVALID. */
export function parseMappingFunction(token: string): MappingFunction {
  if (token.startsWith('$')) {
    const wildcard = integerOf(token.slice(1))
    // Much begins with a dollar that is no place holder: $JS, $SYS.
    return wildcard === undefined ? { name: 'text', text: token } : { name: 'wildcard', wildcard }
  }
  if (token.length <= 4 || !token.startsWith('{{') || !token.endsWith('}}')) {
    return { name: 'text', text: token }
  }
  const call = CALL.exec(token)
  const name = call?.[1] === undefined ? undefined : nameOf(call[1])
  if (name === undefined) throw mappingError('function', token)
  const args = (call?.[2] ?? '').split(/,\s*/)
  switch (name) {
    case 'wildcard':
      if (args.length > 1) throw mappingError('many', token)
      if (args[0] === '') throw mappingError('few', token)
      return { name, wildcard: argument(args[0], token) }
    case 'partition': {
      const buckets = argument(args[0], token, INT32_MAX)
      return { name, buckets, wildcards: args.slice(1).map((arg) => argument(arg, token)) }
    }
    case 'random':
      if (args.length !== 1) throw mappingError('few', token)
      return { name, bound: argument(args[0], token, INT32_MAX) }
    default: {
      if (args.length < 2) throw mappingError('few', token)
      if (args.length > 2) throw mappingError('many', token)
      const wildcard = argument(args[0], token)
      if (name !== 'split') return { name, wildcard, size: argument(args[1], token, INT32_MAX) }
      const delimiter = args[1] ?? ''
      if (/[ .]/.test(delimiter)) throw mappingError('argument', token)
      return { name, wildcard, delimiter }
    }
  }
}

const INT32_MAX = 2 ** 31 - 1
const CALL = /^\{\{\s*([a-zA-Z]+)\s*\((.*)\)\s*\}\}$/s

/** Capitals may begin the words of a name: `SplitFromLeft`, and nothing but that. */
const NAMES: Readonly<Record<Exclude<MappingFunction['name'], 'text'>, RegExp>> = {
  wildcard: /^[wW]ildcard$/,
  partition: /^[pP]artition$/,
  random: /^[rR]andom$/,
  split: /^[sS]plit$/,
  splitfromleft: /^[sS]plit[fF]rom[lL]eft$/,
  splitfromright: /^[sS]plit[fF]rom[rR]ight$/,
  slicefromleft: /^[sS]lice[fF]rom[lL]eft$/,
  slicefromright: /^[sS]lice[fF]rom[rR]ight$/,
  left: /^[lL]eft$/,
  right: /^[rR]ight$/,
}

function nameOf(text: string): Exclude<MappingFunction['name'], 'text'> | undefined {
  const name = text.toLowerCase()
  return isName(name) && NAMES[name].test(text) ? name : undefined
}

function isName(text: string): text is Exclude<MappingFunction['name'], 'text'> {
  return Object.hasOwn(NAMES, text)
}

function argument(text: string | undefined, token: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = integerOf(trimmed(text ?? ''))
  if (value === undefined || value > max) throw mappingError('argument', token)
  return value
}

/** Without the spaces around it. An expression would try each of many spaces for the end. */
function trimmed(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && text[start] === ' ') start++
  while (end > start && text[end - 1] === ' ') end--
  return text.slice(start, end)
}

function integerOf(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
