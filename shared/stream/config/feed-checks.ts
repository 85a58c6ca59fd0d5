/** Mirrors and sources: what they may be, in the order of checkStreamCfg, and that they form no cycle. */
import { isLiteral, isValidSubject, overlaps, SubjectPatterns } from '../../subject/index.ts'
import { goQuote } from '../go-json.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { OVERLAP_DETOURS_MAX, SOURCES_FOLLOWED_MAX } from '../limits.ts'
import { isAssetName } from './asset-text.ts'
import type { StreamRules } from './rules.ts'
import type { StreamConfig } from './stream-config.ts'
import type { StreamRequest } from './stream-request.ts'
import type { StreamSource } from './stream-source.ts'
import { mappingProblem, refuseDetours } from './subject-checks.ts'

const API = '$JS.API'

interface Feeds {
  readonly mirror?: StreamSource
  readonly sources?: readonly StreamSource[]
}

/** What has to be looked at of all feeds together. */
interface Seen {
  readonly subjects: Set<string>
  readonly deliverPrefixes: Set<string>
  readonly apiPrefixes: Set<string>
  readonly origins: Set<string>
}

export function checkFeeds(
  request: StreamRequest,
  feeds: Feeds,
  maxMsgSize: number,
  rules: StreamRules,
): void {
  const { mirror, sources = [] } = feeds
  if (mirror === undefined && sources.length === 0) return
  const seen: Seen = {
    subjects: new Set(),
    deliverPrefixes: new Set(),
    apiPrefixes: new Set(),
    origins: new Set(),
  }
  if (mirror !== undefined) {
    refuseBesideMirror(request)
    checkMirror(mirror, request)
    if (mirror.external === undefined) {
      if (!isAssetName(mirror.name)) throw new JetStreamError(10142)
      see(mirror, maxMsgSize, rules, seen, 10030)
      mirrorDirect(request, rules)
    } else see(mirror, maxMsgSize, rules, seen, 10030)
  }
  if (sources.length > 0 && request.allow_msg_schedules) throw new JetStreamError(10187)
  checkSources(sources, maxMsgSize, rules, seen)
  checkPrefixes(seen)
  const { name = '', subjects = [] } = request
  refuseCycle({ name, subjects, ...feeds }, rules)
}

/** A mirror is read directly when its origin is, if that is here to be seen. */
export function mirrorDirect(request: StreamRequest, rules: StreamRules): boolean {
  const { mirror, mirror_direct = false, pedantic } = request
  if (mirror === undefined || mirror.external !== undefined) return mirror_direct
  const origin = rules.stream(mirror.name ?? '')
  if (origin === undefined) return mirror_direct
  if (pedantic && origin.allow_direct !== mirror_direct) {
    throw new JetStreamError(10157, 'origin stream has direct get set, mirror has it disabled')
  }
  return origin.allow_direct
}

/** Filters that only the making of a stream looks at. Throws 10049. */
export function checkFeedFilters({ mirror, sources = [] }: StreamConfig): void {
  if (mirror?.filter_subject !== undefined && !isValidSubject(mirror.filter_subject)) {
    const problem = `subject filter '${mirror.filter_subject}' for the mirror invalid subject`
    throw new JetStreamError(10049, problem)
  }
  for (const { filter_subject: filter } of sources) {
    if (filter === undefined || isValidSubject(filter)) continue
    throw new JetStreamError(10049, `subject filter '${filter}' for the source: invalid subject`)
  }
}

function refuseBesideMirror(request: StreamRequest): void {
  const refused: readonly (readonly [isAsked: boolean, errCode: number])[] = [
    [(request.first_seq ?? 0) > 0, 10143],
    [(request.subjects ?? []).length > 0, 10034],
    [(request.sources ?? []).length > 0, 10031],
    [request.allow_msg_counter === true, 10173],
    [request.allow_atomic === true, 10198],
    [request.allow_batched === true, 10209],
    [request.allow_msg_schedules === true, 10186],
  ]
  const found = refused.find(([isAsked]) => isAsked)
  if (found !== undefined) throw new JetStreamError(found[1])
}

function checkMirror(mirror: StreamSource, request: StreamRequest): void {
  if (isBadConsumer(mirror)) throw new JetStreamError(10213)
  const transforms = mirror.subject_transforms ?? []
  if (mirror.filter_subject !== undefined && transforms.length > 0) throw new JetStreamError(10150)
  if ((request.subject_delete_marker_ttl ?? 0) > 0) {
    throw new JetStreamError(10052, 'subject delete markers forbidden on mirrors')
  }
  const patterns = new SubjectPatterns(transforms.map(({ src }) => src))
  for (const { src, dest } of transforms) {
    checkTransform(src, dest, 10151, 10154)
    if (patterns.overlapsAnother(src)) throw new JetStreamError(10152)
    refuseDetours(patterns)
  }
}

function checkSources(
  sources: readonly StreamSource[],
  maxMsgSize: number,
  rules: StreamRules,
  seen: Seen,
): void {
  const keys = new Set<string>()
  const consumers = new Set<string>()
  for (const source of sources) {
    if (!isAssetName(source.name)) throw new JetStreamError(10141)
    if (!isNew(keys, sourceKey(source))) throw new JetStreamError(10140)
    const transforms = source.subject_transforms ?? []
    if (source.filter_subject !== undefined && transforms.length > 0) {
      throw new JetStreamError(10144)
    }
    for (const { src, dest } of transforms) checkTransform(src, dest, 10145, 10146)
    const patterns = new SubjectPatterns(transforms.map(({ src }) => src))
    for (const { src } of transforms) {
      if (patterns.isCoveredByAnother(src)) throw new JetStreamError(10147)
      refuseDetours(patterns)
    }
    if (source.consumer !== undefined) {
      if (isBadConsumer(source)) throw new JetStreamError(10215)
      const key = `${originKey(source)} ${source.consumer.name}`
      if (!isNew(consumers, key)) throw new JetStreamError(10216)
    }
    see(source, maxMsgSize, rules, seen, 10046)
  }
}

/** What is sourced by two entries alike would be stored twice. */
function sourceKey(source: StreamSource): string {
  const { filter_subject = '>', subject_transforms = [], consumer } = source
  const isPlain = subject_transforms.length === 0
  const from = isPlain ? filter_subject : subject_transforms.map(({ src }) => src || '>').join('\f')
  const to = isPlain ? '>' : subject_transforms.map(({ dest }) => dest || '>').join('\f')
  const durable = consumer === undefined ? '' : `:C=${consumer.name ?? ''}`
  return `${originKey(source)}${durable} ${from} ${to}`
}

function originKey({ name, external }: StreamSource): string {
  return external === undefined ? name : `${name}:${external.api}`
}

function isNew(set: Set<string>, key: string): boolean {
  const isThere = set.has(key)
  set.add(key)
  return !isThere
}

/** A consumer that somebody made decides itself where it begins and what it filters. */
function isBadConsumer(source: StreamSource): boolean {
  const { consumer } = source
  if (consumer === undefined) return false
  if (!isAssetName(consumer.name ?? '') || !isLiteral(consumer.deliver_subject ?? '')) return true
  if (source.opt_start_seq !== undefined || source.opt_start_time !== undefined) return true
  return source.filter_subject !== undefined
}

function checkTransform(src: string, dest: string, badSource: number, badDest: number): void {
  if (src !== '' && !isValidSubject(src)) {
    throw new JetStreamError(badSource, `invalid subject ${src}`)
  }
  const problem = mappingProblem(src, dest)
  if (problem !== undefined) throw new JetStreamError(badDest, problem)
}

/** Of a stream of another account or domain only its prefixes are known. */
function see(
  { name, external }: StreamSource,
  maxMsgSize: number,
  rules: StreamRules,
  seen: Seen,
  tooSmall: number,
): void {
  if (external !== undefined) {
    if (external.deliver !== '') seen.deliverPrefixes.add(external.deliver)
    if (external.api !== '') seen.apiPrefixes.add(external.api)
    return
  }
  const origin = rules.stream(name)
  if (origin === undefined) return
  if (isNew(seen.origins, name)) for (const subject of origin.subjects) seen.subjects.add(subject)
  const isSmaller = maxMsgSize > 0 && origin.max_msg_size > 0 && maxMsgSize < origin.max_msg_size
  if (isSmaller) throw new JetStreamError(tooSmall)
}

function checkPrefixes({ subjects, deliverPrefixes, apiPrefixes }: Seen): void {
  // A subject has fewer tokens than itself behind a prefix, so both match something only by a `>`.
  const open = [...subjects].filter((subject) => subject.split('.').includes('>'))
  if (open.length * deliverPrefixes.size > OVERLAP_DETOURS_MAX) {
    throw new JetStreamError(10052, 'sources have too many deliver prefixes to be compared')
  }
  for (const prefix of deliverPrefixes) {
    if (!isLiteral(prefix)) throw new JetStreamError(10024, prefix)
    const overlapped = open.find((subject) => overlaps(subject, `${prefix}.${subject}`))
    if (overlapped !== undefined) throw new JetStreamError(10022, [prefix, overlapped])
  }
  for (const prefix of apiPrefixes) {
    if (!isLiteral(prefix)) {
      const problem = 'must be a valid subject without wildcards'
      throw new JetStreamError(10052, `stream external api prefix ${goQuote(prefix)} ${problem}`)
    }
    if (overlaps(prefix, API)) throw new JetStreamError(10021, [prefix, API])
  }
}

type Node = Pick<StreamConfig, 'name' | 'subjects'> & Feeds

/** Streams that feed each other in a circle would never be done. Throws 10052. */
function refuseCycle(first: Node, rules: StreamRules): void {
  const visited = new Set<string>()
  const ahead: Node[] = [first]
  let followed = 0
  // What is sourced twice is gone through twice, as there: what was visited meanwhile may close a circle.
  for (const node of ahead) {
    visited.add(node.name)
    const { subjects, sources = [], mirror } = node
    followed += 1 + sources.length
    if (followed > SOURCES_FOLLOWED_MAX) {
      throw new JetStreamError(10052, 'sources have too many sources to be followed')
    }
    let own: SubjectPatterns | undefined
    for (const { name, external, filter_subject: filter } of sources) {
      if (external !== undefined) continue
      if (!visited.has(name)) {
        const next = rules.stream(name)
        if (next !== undefined) ahead.push(next)
        continue
      }
      if (filter === undefined) throw new JetStreamError(10052, 'detected cycle')
      own ??= new SubjectPatterns(subjects)
      if (own.overlaps(filter)) throw new JetStreamError(10052, 'detected cycle')
      refuseDetours(own)
    }
    if (mirror === undefined || mirror.external !== undefined) continue
    if (visited.has(mirror.name)) throw new JetStreamError(10052, 'detected cycle')
    const next = rules.stream(mirror.name)
    if (next !== undefined) ahead.push(next)
  }
}
