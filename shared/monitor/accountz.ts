import type { ExportConfig, ImportConfig, MappingConfig } from '../config/index.ts'
import type { AccountFacts, MonitorSources } from './facts.ts'
import { given } from './given.ts'
import { badQuery, type Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'
import { routerStats } from './subsz.ts'
import { timeText } from './text.ts'

export interface AccountzOptions {
  /** '': their names only. */
  readonly account: string
}

export function accountzQuery(query: Query): AccountzOptions {
  return { account: query.text('acc') }
}

export function accountzFields(fields: RequestFields): AccountzOptions {
  return { account: fields.text('account') }
}

/** `/accountz`: which accounts there are, or all that is known of one. Throws PETIOLE_BAD_QUERY. */
export function accountz(sources: MonitorSources, options: AccountzOptions, nowMs: number): object {
  const { id, config } = sources.server()
  return {
    server_id: id,
    now: timeText(nowMs),
    ...given({ system_account: config.system_account }),
    ...(options.account === ''
      ? { accounts: Array.from(sources.accounts(), ({ account }) => account.name) }
      : { account_detail: accountInfo(sources, options.account, nowMs) }),
  }
}

/** The detail of one account, also the answer to `$SYS.REQ.ACCOUNT.<acc>.INFO`. */
export function accountInfo(sources: MonitorSources, name: string, nowMs: number): object {
  const facts = sources.account(name)
  if (facts === undefined) throw badQuery(`Account ${name} does not exist`)
  const { account } = facts
  const { exports, imports, mappings } = account.config
  return {
    account_name: account.name,
    update_time: timeText(account.updatedMs),
    ...given({ is_system: account.isSystem }),
    expired: account.expiresMs !== undefined && account.expiresMs <= nowMs,
    complete: imports.every(({ account: exporter }) => sources.account(exporter) !== undefined),
    jetstream_enabled: facts.hasJetStream,
    leafnode_connections: facts.leafNodes,
    client_connections: facts.connections,
    subscriptions: facts.subscriptions,
    ...(mappings.length === 0 ? {} : { mappings: Object.fromEntries(mappings.map(mapping)) }),
    ...given({
      exports: exports.map(exported),
      imports: imports.map((one) => imported(sources, one)),
      jwt: account.jwt,
      issuer_key: account.issuerKey,
      name_tag: account.displayName,
      tags: account.tags,
      decoded_jwt: claimsOf(account.jwt),
    }),
    sublist_stats: routerStats([facts.router()]),
  }
}

function mapping({ subject, destinations }: MappingConfig): readonly [string, object[]] {
  const list = destinations.map(({ subject: to, weight, cluster }) => ({
    subject: to,
    weight,
    ...given({ cluster }),
  }))
  return [subject, list]
}

const RESPONSE_TYPES = { single: 'Singleton', stream: 'Streamed', chunked: 'Chunked' } as const

function exported(one: ExportConfig): object {
  const isService = one.kind === 'service'
  return {
    subject: one.subject,
    type: one.kind,
    ...given({ token_req: one.token_required }),
    ...(isService ? { response_type: RESPONSE_TYPES[one.response_type] } : {}),
    ...(one.latency === undefined
      ? {}
      : {
          service_latency: {
            sampling: one.latency.sampling === 0 ? 'headers' : one.latency.sampling,
            results: one.latency.subject,
          },
        }),
    ...given({
      account_token_position: one.account_token_position,
      allow_trace: one.allow_trace,
      approved_accounts: one.accounts,
    }),
  }
}

function imported(sources: MonitorSources, one: ImportConfig): object {
  const isService = one.kind === 'service'
  return {
    subject: one.subject,
    account: one.account,
    ...given({ to: isService ? one.to : '', local_subject: one.to }),
    type: one.kind,
    ...given({ allow_trace: one.allow_trace }),
    invalid: sources.account(one.account) === undefined,
    share: one.share,
    tracking: false,
  }
}

/** What the JWT claims. It was verified when the account was taken on. */
function claimsOf(jwt: string): object | undefined {
  const claims = jwt.split('.')[1]
  if (claims === undefined) return undefined
  try {
    const decoded: unknown = JSON.parse(Buffer.from(claims, 'base64url').toString())
    return typeof decoded === 'object' && decoded !== null ? decoded : undefined
  } catch {
    return undefined
  }
}

export function isUsed({ connections, leafNodes }: AccountFacts): boolean {
  return connections + leafNodes > 0
}
