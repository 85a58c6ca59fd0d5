import { gauge, type Metric } from './metric.ts'

/** Names that the exporter passes over. */
const SKIPPED: ReadonlySet<string> = new Set([
  'leaf',
  // No family of the exporter's: the same figures are there as petiole_store_*.
  'petiole',
  'trusted_operators_claim',
  'cluster_tls_timeout',
  'cluster_cluster_port',
  'cluster_auth_timeout',
  'gateway_port',
  'gateway_auth_timeout',
  'gateway_tls_timeout',
  'gateway_connect_retries',
])

/** Texts that it shows: as the label `value` of a 1, or as milliseconds when they are a time. */
const TEXTS: ReadonlySet<string> = new Set([
  'server_id',
  'server_name',
  'version',
  'domain',
  'leader',
  'name',
  'start',
  'config_load_time',
])

/** A report as the exporter flattens it: each number is a gauge, named by the path that leads to it. */
export function* reportMetrics(serverId: string, report: string, body: object): Generator<Metric> {
  const seen = new Set<string>()
  for (const [path, key, value] of leaves(body, '')) {
    const name = path.replaceAll('/', '_').replaceAll(/_{2,}/g, '_').replace(/^_|_$/g, '')
    const full = `gnatsd_${report}_${name}`.replaceAll(/[^A-Za-z0-9_]/g, '_')
    if (seen.has(full)) continue
    if (typeof value === 'number') {
      seen.add(full)
      yield gauge(full, name, ['server_id'], [[[serverId], value]])
    } else if (typeof value === 'string' && TEXTS.has(key)) {
      seen.add(full)
      const time = TIME.test(value) ? Date.parse(value) : Number.NaN
      yield Number.isNaN(time)
        ? gauge(full, name, ['server_id', 'value'], [[[serverId, value], 1]])
        : gauge(full, name, ['server_id'], [[[serverId], time]])
    }
  }
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/

function* leaves(
  value: object,
  prefix: string,
): Generator<readonly [path: string, key: string, value: unknown]> {
  for (const [key, child] of Object.entries(value)) {
    const path = prefix === '' ? key : `${prefix}_${key}`
    if (SKIPPED.has(path)) continue
    if (typeof child === 'object' && child !== null && !Array.isArray(child)) {
      yield* leaves(child, path)
    } else yield [path, key, child]
  }
}
