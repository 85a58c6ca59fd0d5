import { hasWildcard, subsetOf } from '../../subject/index.ts'

/** What nats-server says of a subject in claims; '' when nothing is wrong. Looser than what may be subscribed to. */
export function subjectProblem(subject: string): string {
  if (subject === '') return 'subject cannot be empty'
  if (subject.includes(' ')) return `subject ${JSON.stringify(subject)} cannot have spaces`
  if (subject.startsWith('.') || subject.endsWith('.')) {
    return `subject ${JSON.stringify(subject)} cannot start or end with a \`.\``
  }
  return subject.includes('..')
    ? `subject ${JSON.stringify(subject)} cannot contain consecutive \`.\``
    : ''
}

/** What is wrong with `to`, which takes the wildcards of `from` as `*` or `$n`. */
export function renamingProblems(to: string, from: string): string[] {
  const problems = [subjectProblem(to)]
  if (isOpenEnded(to) !== isOpenEnded(from)) {
    problems.push('both, renaming subject and subject, need to end or not end in >')
  }
  const wildcards = from.split('.').filter((token) => token === '*').length
  let references = 0
  for (const token of to.split('.')) {
    const reference = /^\$(\d+)$/.exec(token)?.[1]
    if (reference !== undefined && Number(reference) > wildcards) {
      const what = `Reference $${reference} in ${JSON.stringify(to)}`
      problems.push(`${what} reference * in ${JSON.stringify(from)} that do not exist`)
    } else if (token === '*' || reference !== undefined) references++
  }
  if (references !== wildcards) {
    problems.push('subject does not contain enough * or reference wildcards $[0-9]')
  }
  return problems.filter((problem) => problem !== '')
}

/** The subject that a renaming one stands for: references are wildcards. */
export function withoutReferences(subject: string): string {
  return subject
    .split('.')
    .map((token) => (/^\$\d+$/.test(token) ? '*' : token))
    .join('.')
}

export { hasWildcard, subsetOf as isContainedIn }

function isOpenEnded(subject: string): boolean {
  return subject === '>' || subject.endsWith('.>')
}
