import type { ConnectionType, PermissionsConfig } from '../../config/index.ts'
import type { Fields } from './fields.ts'
import { subjectProblem } from './subject-claims.ts'

/** `pub`, `sub` and `resp` of a user, a signing key's template, or an account's defaults. */
export interface PermissionClaims {
  readonly publishAllow: readonly string[]
  readonly publishDeny: readonly string[]
  readonly subscribeAllow: readonly string[]
  readonly subscribeDeny: readonly string[]
  /** `ttl` in nanoseconds. */
  readonly responses: { readonly max: number; readonly ttl: number } | undefined
}

export interface TimeRange {
  /** `15:04:05`. */
  readonly start: string
  readonly end: string
}

/** All that limits a user: of its own JWT, or of the scoped signing key that issued it. */
export interface UserTerms {
  readonly permissions: PermissionClaims
  /** CIDR blocks; empty: from everywhere. */
  readonly sources: readonly string[]
  readonly times: readonly TimeRange[]
  /** IANA name; '' for the server's own time zone. */
  readonly timesLocation: string
  /** -1: no limit. */
  readonly subscriptions: number
  readonly payloadBytes: number
  readonly data: number
  readonly isBearer: boolean
  readonly isProxyRequired: boolean
  /** As written: names that are none are ignored, unless there are only such. */
  readonly connectionTypes: readonly string[]
}

const CONNECTION_TYPES: readonly ConnectionType[] = [
  'STANDARD',
  'WEBSOCKET',
  'LEAFNODE',
  'LEAFNODE_WS',
  'MQTT',
  'MQTT_WS',
  'IN_PROCESS',
]

/** A response may be given once and for two minutes, when the claims do not say. */
const RESPONSES_MAX = 1
const RESPONSES_TTL_MS = 2 * 60_000
const NANOSECONDS_PER_MS = 1e6

/** @param unlimited what an absent limit stands for: -1 in a template, 0 in a user */
export function readUserTerms(claims: Fields, unlimited: 0 | -1): UserTerms {
  const limit = (name: string): number => (claims.has(name) ? claims.integer(name) : unlimited)
  return {
    permissions: readPermissions(claims),
    sources: readSources(claims),
    times: claims.objects('times').map((range) => ({
      start: range.text('start'),
      end: range.text('end'),
    })),
    timesLocation: claims.text('times_location'),
    subscriptions: limit('subs'),
    payloadBytes: limit('payload'),
    data: limit('data'),
    isBearer: claims.flag('bearer_token'),
    isProxyRequired: claims.flag('proxy_required'),
    connectionTypes: claims.texts('allowed_connection_types'),
  }
}

export function readPermissions(claims: Fields): PermissionClaims {
  const publish = claims.object('pub')
  const subscribe = claims.object('sub')
  const responses = claims.has('resp') ? claims.object('resp') : undefined
  return {
    publishAllow: publish.texts('allow'),
    publishDeny: publish.texts('deny'),
    subscribeAllow: subscribe.texts('allow'),
    subscribeDeny: subscribe.texts('deny'),
    responses: responses && { max: responses.integer('max'), ttl: responses.integer('ttl') },
  }
}

/** undefined when the claims restrict nothing. An empty list says nothing in a JWT, unlike in a file. */
export function permissionsOf(claims: PermissionClaims): PermissionsConfig | undefined {
  const { publishAllow, publishDeny, subscribeAllow, subscribeDeny, responses } = claims
  const lists = [publishAllow, publishDeny, subscribeAllow, subscribeDeny]
  if (lists.every((list) => list.length === 0) && responses === undefined) return undefined
  return {
    publish: { allow: publishAllow.length === 0 ? undefined : publishAllow, deny: publishDeny },
    subscribe: {
      allow: subscribeAllow.length === 0 ? undefined : subscribeAllow,
      deny: subscribeDeny,
    },
    allow_responses: responses && {
      max: responses.max === 0 ? RESPONSES_MAX : Math.max(responses.max, -1),
      expires:
        responses.ttl === 0 ? RESPONSES_TTL_MS : Math.max(responses.ttl / NANOSECONDS_PER_MS, 0),
    },
  }
}

/** Whether a user says nothing of what it may do, as one must whose signing key says it. */
export function saysNothing(terms: UserTerms): boolean {
  return (
    permissionsOf(terms.permissions) === undefined &&
    terms.sources.length === 0 &&
    terms.times.length === 0 &&
    terms.timesLocation === '' &&
    terms.subscriptions === 0 &&
    terms.payloadBytes === 0 &&
    terms.data === 0 &&
    terms.connectionTypes.length === 0 &&
    !terms.isBearer &&
    !terms.isProxyRequired
  )
}

/** undefined when a list names only types that are unknown here: it means to exclude the rest. */
export function connectionTypesOf(terms: UserTerms): readonly ConnectionType[] | undefined {
  const known = CONNECTION_TYPES.filter((type) =>
    terms.connectionTypes.some((name) => name.toUpperCase() === type),
  )
  return terms.connectionTypes.length > 0 && known.length === 0 ? undefined : known
}

export function permissionProblems(claims: PermissionClaims): string[] {
  const subscribe = [...claims.subscribeAllow, ...claims.subscribeDeny]
  const publish = [...claims.publishAllow, ...claims.publishDeny]
  return [
    ...subscribe.flatMap((line) => lineProblems(line, true)),
    ...publish.flatMap((line) => lineProblems(line, false)),
  ]
}

function lineProblems(line: string, mayHaveQueue: boolean): string[] {
  const words = line.split(' ')
  if (words.length > 2) return [`Permission Subject "${line}" contains too many spaces`]
  const problems = words.map(subjectProblem).filter((problem) => problem !== '')
  if (words.length === 2 && !mayHaveQueue) {
    problems.push(`Permission Subject "${line}" is not allowed to contain queue`)
  }
  return problems
}

/** A list, or one string with commas. */
function readSources(claims: Fields): string[] {
  const value = claims.raw('src')
  if (typeof value !== 'string') return claims.texts('src')
  return value
    .split(',')
    .map((source) => source.trim().toLowerCase())
    .filter((source) => source !== '')
}
