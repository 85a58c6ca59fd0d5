import { isPublicKey } from '../nkey.ts'
import { type Fields, invalid } from './fields.ts'
import { decodeToken, type Token } from './token.ts'
import {
  type PermissionClaims,
  readPermissions,
  readUserTerms,
  type UserTerms,
} from './user-terms.ts'

export type ImportKind = 'stream' | 'service' | ''

export interface ImportClaims {
  readonly kind: ImportKind
  readonly subject: string
  readonly account: string
  readonly token: string
  /** Deprecated: prefix of a stream's subjects, or the exporter's subject of a service. */
  readonly to: string
  readonly localSubject: string
  readonly share: boolean
  readonly allowTrace: boolean
}

export interface ExportClaims {
  readonly kind: ImportKind
  readonly subject: string
  readonly isTokenRequired: boolean
  /** Of activation tokens, by account or `*`: those issued at or before that second are void. */
  readonly revocations: ReadonlyMap<string, number>
  /** `Singleton`, `Stream`, `Chunked`, or '' for the first. */
  readonly responseType: string
  /** Nanoseconds. */
  readonly responseThreshold: number
  readonly latency: { readonly sampling: number; readonly results: string } | undefined
  readonly accountTokenPosition: number
  readonly allowTrace: boolean
}

/** A signing key; with a template it issues users that may do what the template says. */
export interface SignerClaims {
  readonly role: string
  readonly template: UserTerms | undefined
}

export interface AccountLimitClaims {
  readonly imports: number
  readonly exports: number
  readonly wildcards: boolean
  readonly disallowBearer: boolean
  readonly connections: number
  readonly leafnodes: number
  readonly subscriptions: number
  readonly data: number
  readonly payload: number
}

/** JetStream's limits of one tier; '' is the tier of those without. */
export interface StorageLimitClaims {
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly streams: number
  readonly consumers: number
  readonly maxAckPending: number
  readonly memoryMaxStreamBytes: number
  readonly diskMaxStreamBytes: number
  readonly maxBytesRequired: boolean
}

export interface MappingClaims {
  readonly from: string
  readonly destinations: readonly {
    readonly subject: string
    readonly weight: number
    readonly cluster: string
  }[]
}

export interface AccountClaims extends Token {
  readonly imports: readonly ImportClaims[]
  readonly exports: readonly ExportClaims[]
  readonly limits: AccountLimitClaims
  readonly storage: ReadonlyMap<string, StorageLimitClaims>
  readonly signers: ReadonlyMap<string, SignerClaims>
  /** Of users, by nkey or `*`: those issued at or before that second may not log in. */
  readonly revocations: ReadonlyMap<string, number>
  readonly defaultPermissions: PermissionClaims
  readonly mappings: readonly MappingClaims[]
  /** Auth callout: active when there are auth users. */
  readonly authorization: {
    readonly authUsers: readonly string[]
    readonly allowedAccounts: readonly string[]
    readonly xkey: string
  }
  readonly trace: { readonly dest: string; readonly sampling: number } | undefined
  readonly clusterTraffic: string
}

/** Throws PETIOLE_TOKEN_INVALID. */
export function decodeAccount(text: string): AccountClaims {
  const token = decodeToken(text)
  if (token.type !== 'account') throw invalid('not account claim')
  if (!isPublicKey(token.subject, 'A')) throw invalid('expected subject to be account public key')
  const { claims } = token
  const authorization = claims.object('authorization')
  const limits = claims.object('limits')
  return {
    ...token,
    imports: claims.objects('imports').map(readImport),
    exports: claims.objects('exports').map(readExport),
    limits: readLimits(limits),
    storage: readStorage(limits),
    signers: new Map(claims.mixed('signing_keys').map(readSigner)),
    revocations: claims.integers('revocations'),
    defaultPermissions: readPermissions(claims.object('default_permissions')),
    mappings: readMappings(claims.object('mappings')),
    authorization: {
      authUsers: authorization.texts('auth_users'),
      allowedAccounts: authorization.texts('allowed_accounts'),
      xkey: authorization.text('xkey'),
    },
    trace: readTrace(claims),
    clusterTraffic: claims.text('cluster_traffic'),
  }
}

/** Whether a list of revocations speaks of a key and a second of issue. */
export function isRevoked(
  revocations: ReadonlyMap<string, number>,
  key: string,
  issuedAt: number,
): boolean {
  const since = Math.max(revocations.get(key) ?? -1, revocations.get('*') ?? -1)
  return since >= issuedAt
}

function readImport(claims: Fields): ImportClaims {
  return {
    kind: readKind(claims),
    subject: claims.text('subject'),
    account: claims.text('account'),
    token: claims.text('token'),
    to: claims.text('to'),
    localSubject: claims.text('local_subject'),
    share: claims.flag('share'),
    allowTrace: claims.flag('allow_trace'),
  }
}

function readExport(claims: Fields): ExportClaims {
  return {
    kind: readKind(claims),
    subject: claims.text('subject'),
    isTokenRequired: claims.flag('token_req'),
    revocations: claims.integers('revocations'),
    responseType: claims.text('response_type'),
    responseThreshold: claims.integer('response_threshold'),
    latency: readLatency(claims),
    accountTokenPosition: claims.integer('account_token_position'),
    allowTrace: claims.flag('allow_trace'),
  }
}

function readKind(claims: Fields): ImportKind {
  const kind = claims.text('type')
  if (kind === 'stream' || kind === 'service' || kind === '') return kind
  throw invalid(`unknown export type ${JSON.stringify(kind)}`)
}

/** `sampling` is percent, or "headers". */
function readLatency(claims: Fields): ExportClaims['latency'] {
  if (!claims.has('service_latency')) return undefined
  const latency = claims.object('service_latency')
  const sampling = latency.raw('sampling')
  const isByHeaders = typeof sampling === 'string' && sampling.toLowerCase() === 'headers'
  return {
    sampling: isByHeaders ? 0 : latency.integer('sampling'),
    results: latency.text('results'),
  }
}

function readLimits(limits: Fields): AccountLimitClaims {
  return {
    imports: limits.integer('imports'),
    exports: limits.integer('exports'),
    wildcards: limits.flag('wildcards'),
    disallowBearer: limits.flag('disallow_bearer'),
    connections: limits.integer('conn'),
    leafnodes: limits.integer('leaf'),
    subscriptions: limits.integer('subs'),
    data: limits.integer('data'),
    payload: limits.integer('payload'),
  }
}

function readStorage(limits: Fields): ReadonlyMap<string, StorageLimitClaims> {
  const tiers = limits.object('tiered_limits')
  const names = tiers.names()
  if (names.length === 0) return new Map([['', readTier(limits)]])
  return new Map(names.map((name) => [name, readTier(tiers.object(name))]))
}

function readTier(limits: Fields): StorageLimitClaims {
  return {
    memoryBytes: limits.integer('mem_storage'),
    diskBytes: limits.integer('disk_storage'),
    streams: limits.integer('streams'),
    consumers: limits.integer('consumer'),
    maxAckPending: limits.integer('max_ack_pending'),
    memoryMaxStreamBytes: limits.integer('mem_max_stream_bytes'),
    diskMaxStreamBytes: limits.integer('disk_max_stream_bytes'),
    maxBytesRequired: limits.flag('max_bytes_required'),
  }
}

function readSigner(entry: string | Fields): [string, SignerClaims] {
  if (typeof entry === 'string') return [entry, { role: '', template: undefined }]
  const kind = entry.text('kind')
  if (kind !== 'user_scope') throw invalid(`unknown signing key scope ${JSON.stringify(kind)}`)
  const template = readUserTerms(entry.object('template'), -1)
  return [entry.text('key'), { role: entry.text('role'), template }]
}

/** An absent weight is all of it. */
function readMappings(mappings: Fields): MappingClaims[] {
  return mappings.names().map((from) => ({
    from,
    destinations: mappings.objects(from).map((each) => ({
      subject: each.text('subject'),
      weight: each.integer('weight') === 0 ? 100 : each.integer('weight'),
      cluster: each.text('cluster'),
    })),
  }))
}

function readTrace(claims: Fields): AccountClaims['trace'] {
  if (!claims.has('trace')) return undefined
  const trace = claims.object('trace')
  return { dest: trace.text('dest'), sampling: trace.integer('sampling') }
}
