import type { ConnectionFacts, GatewayLinkFacts, MonitorSources } from './facts.ts'
import { PAGE_DEFAULT } from './limits.ts'
import { gauge, gauges, type Metric } from './metric.ts'

/** What the exporter makes of `/connz`, `/leafz` and `/gatewayz`. */
export function* connectionMetrics(sources: MonitorSources): Generator<Metric> {
  const { id } = sources.server()
  yield* connz(id, [...sources.connections()])
  const links = [...sources.links()]
  const total = 'gnatsd_leafz_conn_nodes_total'
  yield gauge(total, 'nodes_total', ['server_id'], [[[id], links.length]])
  yield* gauges(
    'gnatsd_leafz_',
    ['server_id', 'account', 'account_id', 'ip', 'port', 'name'],
    links,
    (link) => [id, link.account, link.account, link.ip, String(link.port), link.name],
    [
      ['info', () => 1],
      ['conn_rtt', (link) => (link.roundTripMs ?? 0) / 1000],
      ['conn_in_msgs', (link) => link.inMessages],
      ['conn_out_msgs', (link) => link.outMessages],
      ['conn_in_bytes', (link) => link.inBytes],
      ['conn_out_bytes', (link) => link.outBytes],
      ['conn_subscriptions_total', (link) => link.subscriptions],
    ],
  )
  const facts = sources.gateways()
  if (facts === undefined) return
  yield* gateways(id, facts.name, 'outbound', facts.outbound)
  yield* gateways(id, facts.name, 'inbound', facts.inbound)
}

/** Sums over all connections; one series for each would be without bound. */
function connz(id: string, connections: readonly ConnectionFacts[]): Metric[] {
  const sum = (of: (facts: ConnectionFacts) => number) => (): number =>
    connections.reduce((total, facts) => total + of(facts), 0)
  return gauges('gnatsd_connz_', ['server_id'], [id], () => [id], [
    ['num_connections', () => connections.length],
    ['total', () => connections.length],
    ['offset', () => 0],
    ['limit', () => PAGE_DEFAULT],
    ['pending_bytes', sum((facts) => facts.pendingBytes)],
    ['subscriptions', sum((facts) => facts.subscriptions)],
    ['in_bytes', sum((facts) => facts.inBytes)],
    ['out_bytes', sum((facts) => facts.outBytes)],
    ['in_msgs', sum((facts) => facts.inMessages)],
    ['out_msgs', sum((facts) => facts.outMessages)],
  ])
}

function gateways(
  id: string,
  name: string,
  direction: 'inbound' | 'outbound',
  links: readonly GatewayLinkFacts[],
): Metric[] {
  return gauges(
    `gnatsd_gatewayz_${direction}_gateway_`,
    ['gateway_name', 'cid', 'remote_gateway_name', 'server_id'],
    links,
    (link) => [name, String(link.id), link.gateway, id],
    [
      ['configured', (link) => (link.isConfigured ? 1 : 0)],
      ['conn_start_time_seconds', (link) => Math.floor(link.startedMs / 1000)],
      ['conn_last_activity_seconds', (link) => Math.floor(link.lastActivityMs / 1000)],
      ['conn_rtt', (link) => (link.roundTripMs ?? 0) / 1000],
      ['conn_pending_bytes', (link) => link.pendingBytes],
      ['conn_in_msgs', (link) => link.inMessages],
      ['conn_out_msgs', (link) => link.outMessages],
      ['conn_in_bytes', (link) => link.inBytes],
      ['conn_out_bytes', (link) => link.outBytes],
      ['conn_subscriptions', (link) => link.subscriptions],
    ],
  )
}
