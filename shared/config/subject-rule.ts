/**
 * Just enough of the rules for subjects to check a configuration: this folder lies beside `subject`
 * in the order of layers and cannot import it.
 */

/** What is wrong with a subject that buffers or streams take; undefined when nothing is. */
export function captureFault(subject: unknown): string | undefined {
  const fault = subjectFault(subject)
  if (fault !== undefined || !/^\$(SYS|JS|FLEET)\./.test(String(subject))) return fault
  return `the subject "${subject}" belongs to the server itself`
}

/** What is wrong with a subject that may hold wildcards; undefined when nothing is. */
export function subjectFault(subject: unknown): string | undefined {
  if (typeof subject !== 'string') return `a subject must be a string, not ${String(subject)}`
  if (subject === '') return 'a subject may not be empty'
  if (/\s/.test(subject)) return `the subject "${subject}" holds white space`
  const tokens = subject.split('.')
  if (tokens.includes('')) {
    return `the subject "${subject}" has an empty token: no dot may begin, end or follow another`
  }
  const more = tokens.indexOf('>')
  if (more >= 0 && more < tokens.length - 1) {
    return `the subject "${subject}" has ">" before its end`
  }
  return undefined
}

const FUNCTIONS =
  /^\{\{\s*(wildcard|partition|split|splitfromleft|splitfromright|slicefromleft|slicefromright|left|right|random)\s*\(.*\)\s*\}\}$/i

/**
 * What is wrong with the destination of a mapping; undefined when nothing is. Only its form: the numbers
 * in its functions are looked at where it is compiled.
 */
export function mappingFault(source: string, destination: string): string | undefined {
  if (destination === '') return undefined
  if (endsOpen(source) !== endsOpen(destination)) {
    return `"${source}" and "${destination}" must both end with ">", or neither`
  }
  const wildcards = source.split('.').filter((token) => token === '*').length
  for (const token of tokensOf(destination)) {
    if (token.startsWith('{{')) {
      if (!FUNCTIONS.test(token)) return `"${token}" is no mapping function`
      continue
    }
    if (token === '' || /\s/.test(token)) return subjectFault(destination)
    if (token === '*') return `"${destination}" must say which wildcard is meant: $1 in place of *`
    const number = /^\$(\d+)$/.exec(token)?.[1]
    if (number !== undefined && Number(number) > wildcards) {
      return `"${token}" is out of range: "${source}" has ${wildcards} *`
    }
  }
  return undefined
}

/**
 * The same for an import under another subject: there a `*` stands for the next wildcard, and each must be
 * used, or different messages would become the same.
 */
export function importFault(source: string, target: string): string | undefined {
  if (source === target) return undefined
  let next = 0
  const numbered = target
    .split('.')
    .map((token) => (token === '*' ? `$${++next}` : token))
    .join('.')
  const fault = mappingFault(source, numbered)
  if (fault !== undefined) return fault
  const used = numbered.match(/\$\d+|\{\{.*?\d+.*?\}\}/g) ?? []
  const wildcards = source.split('.').filter((token) => token === '*').length
  if (new Set(used).size >= wildcards) return undefined
  return `"${target}" must have all ${wildcards} wildcards of "${source}"`
}

function endsOpen(subject: string): boolean {
  return subject === '>' || subject.endsWith('.>')
}

/** Functions may hold dots. */
function tokensOf(destination: string): string[] {
  return destination.match(/\{\{.*?\}\}|[^.]+|(?<=^|\.)(?=\.|$)/g) ?? ['']
}

/** Whether `wide` matches every subject that `narrow` matches. */
export function covers(wide: string, narrow: string): boolean {
  const outer = wide.split('.')
  const inner = narrow.split('.')
  for (const [i, token] of outer.entries()) {
    const other = inner[i]
    if (other === undefined) return false
    if (token === '>') return true
    if (other === '>' || (token !== '*' && token !== other)) return false
  }
  return outer.length === inner.length
}

/** Whether some subject matches both. */
export function overlap(left: string, right: string): boolean {
  const [a, b] = [left.split('.'), right.split('.')]
  for (let i = 0; ; i++) {
    const [x, y] = [a[i], b[i]]
    if (x === undefined || y === undefined) return x === y
    if (x === '>' || y === '>') return true
    if (x !== y && x !== '*' && y !== '*') return false
  }
}
