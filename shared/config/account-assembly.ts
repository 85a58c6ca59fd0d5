import type {
  AccountConfig,
  ExportConfig,
  ImportConfig,
  MappingConfig,
  OperatorConfig,
  ResolverConfig,
} from './account-config.ts'
import type { AccountFile, ExportFile, ImportFile, MappingFile } from './account-schema.ts'
import { permissionsOf } from './authorization-assembly.ts'
import { ROOT_ACCOUNT, SYSTEM_ACCOUNT } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import { claimsOf } from './credential-values.ts'
import { tlsOf } from './tls-assembly.ts'

/** '$G' first, the system account last when the file does not name it. */
export function accountsOf(file: CoreFile): AccountConfig[] {
  const root = { ...plainAccount(ROOT_ACCOUNT), jetstream: true }
  const accounts = [
    { ...root, mappings: file.mappings.map(mappingOf) },
    ...file.accounts.map(accountOf),
  ]
  const system = systemAccountOf(file)
  if (system === '' || isOperated(file) || accounts.some(({ name }) => name === system)) {
    return accounts
  }
  return [...accounts, plainAccount(system)]
}

/** As named, else by the operator's JWT, else the usual one unless there shall be none. */
export function systemAccountOf(file: CoreFile): string {
  if (file.system_account !== undefined) return file.system_account
  if (isOperated(file)) return operatorClaim(file, 'system_account')
  return file.no_system_account ? '' : SYSTEM_ACCOUNT
}

export function operatorOf(file: CoreFile): OperatorConfig | undefined {
  if (!isOperated(file)) return undefined
  return {
    jwts: file.operator,
    trusted_keys: file.trusted_keys,
    resolver: resolverOf(file),
    resolver_preload: Object.fromEntries(
      file.resolver_preload.map(({ name, value }) => [name, value]),
    ),
    resolver_pinned_accounts: file.resolver_pinned_accounts,
    default_sentinel: file.default_sentinel,
  }
}

export function isOperated(file: CoreFile): boolean {
  return file.operator.length > 0 || file.trusted_keys.length > 0
}

/** Something that the operator's JWT says about itself; '' when it does not. */
export function operatorClaim(file: CoreFile, name: string): string {
  const [jwt = ''] = file.operator
  const nats: unknown = claimsOf(jwt)?.['nats']
  const claim: unknown = Object(nats)[name]
  return typeof claim === 'string' ? claim : ''
}

function accountOf(file: AccountFile): AccountConfig {
  const trace = file.msg_trace
  return {
    name: file.name,
    nkey: file.nkey,
    exports: file.exports.map(exportOf),
    imports: file.imports.map(importOf),
    mappings: file.mappings.map(mappingOf),
    default_permissions: file.default_permissions && permissionsOf(file.default_permissions),
    limits: file.limits,
    jetstream: file.jetstream?.enabled ?? false,
    ...jetstreamLimitsOf(file.jetstream),
    msg_trace: trace?.dest ? { dest: trace.dest, sampling: trace.sampling ?? 100 } : undefined,
  }
}

function jetstreamLimitsOf(file: AccountFile['jetstream']): Partial<AccountConfig> {
  if (file === undefined) return {}
  const { enabled: _, ...limits } = file
  return { jetstream_limits: limits }
}

function plainAccount(name: string): AccountConfig {
  return {
    name,
    nkey: '',
    exports: [],
    imports: [],
    mappings: [],
    default_permissions: undefined,
    limits: { max_connections: -1, max_subscriptions: -1, max_payload: -1, max_leafnodes: -1 },
    jetstream: false,
    msg_trace: undefined,
  }
}

function exportOf(file: ExportFile): ExportConfig {
  return {
    kind: file.stream === undefined ? 'service' : 'stream',
    subject: file.stream ?? file.service ?? '',
    accounts: file.accounts.length === 0 ? undefined : file.accounts,
    account_token_position: file.account_token_position,
    token_required: false,
    response_type: file.response_type ?? 'single',
    response_threshold: file.response_threshold ?? 0,
    latency: file.latency,
    allow_trace: file.allow_trace ?? false,
  }
}

function importOf(file: ImportFile): ImportConfig {
  const { account, subject } = file.stream ?? file.service ?? { account: '', subject: '' }
  // The prefix may end with the dot that joins it.
  const prefix = (file.prefix ?? '').replace(/\.$/, '')
  return {
    kind: file.stream === undefined ? 'service' : 'stream',
    account,
    subject,
    to: prefix === '' ? (file.to ?? subject) : `${prefix}.${subject}`,
    share: file.share,
    allow_trace: file.allow_trace ?? false,
    token: '',
  }
}

function mappingOf(file: MappingFile): MappingConfig {
  return {
    subject: file.name,
    destinations: file.value.map(({ destination, weight, cluster }) => {
      return { subject: destination, weight: weight ?? 100, cluster }
    }),
  }
}

const SYNC_INTERVAL_MS = 60_000
const CACHE_TTL_MS = 3_600_000
const CACHE_FILES_MAX = 1_000

function resolverOf(file: CoreFile): ResolverConfig {
  const own = file.resolver
  const tls = file.resolver_tls && tlsOf(file.resolver_tls)
  if (own?.type === 'full' || own?.type === 'cache') {
    const isCache = own.type === 'cache'
    return {
      type: own.type,
      dir: own.dir,
      allow_delete: own.allow_delete,
      limit: own.limit === 0 && isCache ? CACHE_FILES_MAX : own.limit,
      interval: own.interval ?? SYNC_INTERVAL_MS,
      ttl: own.ttl ?? CACHE_TTL_MS,
      timeout: own.timeout,
    }
  }
  if (own?.short?.type === 'url') return { type: 'url', url: own.short.url, tls }
  const server = operatorClaim(file, 'account_server_url').replace(/\/+$/, '')
  if (own === undefined && server !== '') return { type: 'url', url: `${server}/accounts`, tls }
  return { type: 'memory' }
}
