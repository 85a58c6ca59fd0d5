import type { AccountConfig, ExportConfig, ImportConfig } from '../config/index.ts'
import { isLiteral } from '../subject/index.ts'
import type { Account } from './account-book.ts'
import {
  type AccountClaims,
  type ExportClaims,
  type ImportClaims,
  permissionsOf,
  type SignerClaims,
} from './claims/index.ts'

const NANOSECONDS_PER_MS = 1e6

export interface AccountSetting {
  readonly isSystem: boolean
  /** The account may not sign with its own key. */
  readonly requiresSigningKeys: boolean
  readonly nowMs: number
}

/** An account out of its JWT. Source: nats-server's server/accounts.go, `updateAccountClaims`. */
export function accountOfClaims(claims: AccountClaims, setting: AccountSetting): Account {
  const own: [string, SignerClaims][] = setting.requiresSigningKeys
    ? []
    : [[claims.subject, { role: '', template: undefined }]]
  return {
    name: claims.subject,
    displayName: claims.name === '' ? claims.subject : claims.name,
    config: configOf(claims),
    isSystem: setting.isSystem,
    jwt: claims.text,
    issuerKey: claims.issuer,
    tags: claims.tags,
    updatedMs: setting.nowMs,
    expiresMs: claims.expires === 0 ? undefined : claims.expires * 1_000,
    claims,
    // Its own key is never scoped, whatever the list says of it.
    signers: new Map([...claims.signers, ...own]),
  }
}

function configOf(claims: AccountClaims): AccountConfig {
  const { limits, storage, trace } = claims
  const hasStorage = [...storage.values()].some(
    ({ memoryBytes, diskBytes }) => memoryBytes !== 0 || diskBytes !== 0,
  )
  return {
    name: claims.subject,
    nkey: claims.subject,
    exports: claims.exports.flatMap(exportOf),
    imports: claims.imports.flatMap(importOf),
    mappings: claims.mappings.map(({ from, destinations }) => ({ subject: from, destinations })),
    default_permissions: permissionsOf(claims.defaultPermissions),
    limits: {
      max_connections: limits.connections,
      max_subscriptions: limits.subscriptions,
      max_payload: limits.payload,
      max_leafnodes: limits.leafnodes,
    },
    jetstream: hasStorage,
    msg_trace:
      trace === undefined || !isLiteral(trace.dest)
        ? undefined
        : { dest: trace.dest, sampling: samplingOf(trace.sampling) },
  }
}

function samplingOf(percent: number): number {
  return percent <= 0 || percent > 100 ? 100 : percent
}

const RESPONSE_TYPES = { Stream: 'stream', Chunked: 'chunked' } as const

function exportOf(claims: ExportClaims): ExportConfig[] {
  if (claims.kind === '') return []
  const type = claims.responseType
  return [
    {
      kind: claims.kind,
      subject: claims.subject,
      accounts: undefined,
      account_token_position: claims.accountTokenPosition,
      token_required: claims.isTokenRequired,
      response_type: type === 'Stream' || type === 'Chunked' ? RESPONSE_TYPES[type] : 'single',
      response_threshold: claims.responseThreshold / NANOSECONDS_PER_MS,
      latency: claims.latency && {
        sampling: claims.latency.sampling,
        subject: claims.latency.results,
      },
      allow_trace: claims.allowTrace,
    },
  ]
}

/** `to`, which `local_subject` replaced, is a prefix for streams, and the exporter's subject for services. */
function importOf(claims: ImportClaims): ImportConfig[] {
  const { account, allowTrace, kind, localSubject, share, subject, to, token } = claims
  if (kind === '') return []
  const local = kind === 'stream' && to !== '' ? `${to.replace(/\.$/, '')}.${subject}` : subject
  return [
    {
      kind,
      account,
      subject: kind === 'service' && to !== '' ? to : subject,
      to: localSubject === '' ? local : localSubject,
      share,
      allow_trace: allowTrace,
      token,
    },
  ]
}
