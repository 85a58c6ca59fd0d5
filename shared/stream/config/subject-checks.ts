/** Which subjects a stream may have, and what may become of them, in the order of checkStreamCfg. */
import { messageOf } from '../../runtime/index.ts'
import {
  isValidSubject,
  overlaps,
  SubjectPatterns,
  SubjectTransform,
  subsetOf,
} from '../../subject/index.ts'
import { goQuote } from '../go-json.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { OVERLAP_DETOURS_MAX, TRANSFORM_CHARS_MAX } from '../limits.ts'
import type { Republish, StreamConfig } from './stream-config.ts'
import type { StreamRequest } from './stream-request.ts'
import type { SubjectTransform as TransformConfig } from './stream-source.ts'

const NO_ACK = 'require no-ack to be true'

/** The API would answer itself; events are safe, nothing asks for them with a reply. */
const RESERVED: readonly (readonly [reserved: string, allowed: string, problem: string])[] = [
  ['$JS.>', '$JS.EVENT.>', `subjects that overlap with jetstream api ${NO_ACK}`],
  ['$JSC.>', '$JS.EVENT.>', `subjects that overlap with jetstream api ${NO_ACK}`],
  ['$NRG.>', '$JS.EVENT.>', `subjects that overlap with jetstream api ${NO_ACK}`],
  ['$SYS.>', '$SYS.ACCOUNT.>', `subjects that overlap with system api ${NO_ACK}`],
]

/** A stream's own subjects; its name when it has neither subjects nor anything that feeds it. */
export function subjectsOf(request: StreamRequest, replicas: number): readonly string[] {
  const { name = '', subjects = [], mirror, sources = [], no_ack = false } = request
  if (subjects.length === 0) {
    return mirror === undefined && sources.length === 0 ? [name] : []
  }
  const isMet = overlapsLater(subjects)
  for (const [i, subject] of subjects.entries()) {
    if (!isValidSubject(subject)) refuse('invalid subject')
    if (subject === '>') {
      if (!no_ack) refuse('capturing all subjects requires no-ack to be true')
      if (replicas !== 1) refuse('capturing all subjects requires replicas of 1')
    }
    if (!no_ack) refuseReserved(subject)
    if (isMet[i] !== true) continue
    const other = subjects.slice(i + 1).find((candidate) => overlaps(candidate, subject)) ?? ''
    refuse(`subject ${goQuote(subject)} overlaps with ${goQuote(other)}`)
  }
  return subjects
}

/** Of each subject, whether one behind it overlaps it. */
function overlapsLater(subjects: readonly string[]): readonly boolean[] {
  const later = new SubjectPatterns()
  const isMet: boolean[] = []
  for (let i = subjects.length - 1; i >= 0; i--) {
    const subject = subjects[i] ?? ''
    isMet[i] = later.overlaps(subject)
    refuseDetours(later)
    later.add(subject)
  }
  return isMet
}

/** Wildcards can be laid out so that holding subjects against each other takes minutes. Throws 10052. */
export function refuseDetours({ detours }: SubjectPatterns): void {
  if (detours > OVERLAP_DETOURS_MAX) refuse('subjects have too many wildcards to be compared')
}

export function checkTransform({ subject_transform }: StreamRequest): {
  readonly subject_transform?: TransformConfig
} {
  if (subject_transform === undefined) return {}
  const { src = '', dest = '' } = subject_transform
  if (src !== '' && !isValidSubject(src)) throw new JetStreamError(10155, `invalid subject ${src}`)
  const problem = mappingProblem(src, dest)
  if (problem !== undefined) throw new JetStreamError(10156, problem)
  return { subject_transform: { src, dest } }
}

/** What is wrong with a transform; an empty destination leaves subjects as they are. */
export function mappingProblem(src: string, dest: string): string | undefined {
  if (dest === '') return undefined
  if (dest.length > TRANSFORM_CHARS_MAX) {
    return `invalid mapping destination: longer than ${TRANSFORM_CHARS_MAX} characters`
  }
  try {
    void new SubjectTransform(src === '' ? '>' : src, dest)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

export function republishOf(
  request: StreamRequest,
  subjects: readonly string[],
): { readonly republish?: Republish } {
  const { republish, subject_transform: transform, pedantic } = request
  if (republish === undefined) return {}
  let { src = '', dest = '' } = republish
  if (src === '') {
    if (pedantic) throw new JetStreamError(10157, 'republish source can not be empty')
    src = '>'
  }
  // Everything to everything is a cycle, unless what is stored has other subjects than what comes in.
  const isImplied = transform !== undefined && subjects.length === 1
  if (src === '>' && dest === '>' && isImplied && transform.src === subjects[0]) {
    if (pedantic) {
      throw new JetStreamError(10157, 'implicit republish based on subject transform')
    }
    src = transform.dest ?? ''
    dest = src
  }
  if (subjects.some((subject) => overlaps(dest, subject))) {
    refuse('stream configuration for republish destination forms a cycle')
  }
  if (mappingProblem(src, dest) !== undefined) {
    const problem = `transform from '${src}' to '${dest}' not valid`
    refuse(`stream configuration for republish with ${problem}`)
  }
  const { headers_only } = republish
  return { republish: { src, dest, ...(headers_only ? { headers_only } : {}) } }
}

/** Whether a consumer that delivers there would deliver to its own stream. */
export function deliversToItself({ subjects }: StreamConfig, deliverSubject: string): boolean {
  return subjects.some((subject) => subsetOf(deliverSubject, subject))
}

function refuseReserved(subject: string): void {
  for (const [reserved, allowed, problem] of RESERVED) {
    if (overlaps(subject, reserved) && !subsetOf(subject, allowed)) refuse(problem)
  }
}

function refuse(problem: string): never {
  throw new JetStreamError(10052, problem)
}
