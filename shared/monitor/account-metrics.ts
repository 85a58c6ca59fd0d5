import { isUsed } from './accountz.ts'
import type { AccountFacts, MonitorSources } from './facts.ts'
import { gauges, type Metric } from './metric.ts'

/** What the exporter makes of `/accstatz` (accounts in use) and `/accountz` (all of them). */
export function* accountMetrics(sources: MonitorSources): Generator<Metric> {
  const { id } = sources.server()
  const accounts = [...sources.accounts()]
  yield* gauges(
    'gnatsd_accstatz_',
    ['server_id', 'account', 'account_id', 'account_name'],
    accounts.filter(isUsed),
    ({ account }) => [id, account.name, account.name, account.displayName],
    STATZ,
  )
  yield* gauges(
    'gnatsd_accountz_',
    ['server_id', 'account_id', 'account_name'],
    accounts,
    ({ account }) => [id, account.name, account.displayName],
    ACCOUNTZ,
  )
}

type Figures = readonly (readonly [suffix: string, of: (facts: AccountFacts) => number])[]

const STATZ: Figures = [
  ['current_connections', (facts) => facts.connections],
  ['total_connections', (facts) => facts.connections + facts.leafNodes],
  ['subscriptions', (facts) => facts.subscriptions],
  ['leaf_nodes', (facts) => facts.leafNodes],
  ['sent_messages', ({ traffic }) => traffic.all.outMessages],
  ['sent_bytes', ({ traffic }) => traffic.all.outBytes],
  ['received_messages', ({ traffic }) => traffic.all.inMessages],
  ['received_bytes', ({ traffic }) => traffic.all.inBytes],
  ['slow_consumers', ({ traffic }) => traffic.slowConsumers],
]

const ACCOUNTZ: Figures = [
  ['client_connections', (facts) => facts.connections],
  ['leafnode_connections', (facts) => facts.leafNodes],
  ['subscriptions', (facts) => facts.subscriptions],
  ['is_system', ({ account }) => (account.isSystem ? 1 : 0)],
  ['jetstream_enabled', (facts) => (facts.hasJetStream ? 1 : 0)],
  ['limit_subs', ({ account }) => account.config.limits.max_subscriptions],
  ['limit_payload', ({ account }) => account.config.limits.max_payload],
  ['limit_conn', ({ account }) => account.config.limits.max_connections],
  ['limit_leaf', ({ account }) => account.config.limits.max_leafnodes],
]
