import { accountMetrics } from './account-metrics.ts'
import { connectionMetrics } from './connection-metrics.ts'
import type { StoreFacts } from './facts.ts'
import { healthzQuery } from './healthz.ts'
import { jetStreamMetrics } from './jetstream-metrics.ts'
import { gauge, type Metric } from './metric.ts'
import { Query } from './query.ts'
import { reportMetrics } from './report-metrics.ts'
import type { Reports } from './reports.ts'
import { amplificationOf } from './store-block.ts'

/** What a role adds: called for each scrape. */
export type MetricSource = () => Iterable<Metric> | Promise<Iterable<Metric>>

export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * `/metrics`: the families that prometheus-nats-exporter makes of nats-server's endpoints, with its
 * names, labels and units, so that its dashboards work without it; then Petiole's own. All is read
 * when it is scraped. prom-client writes the text; it is loaded by the first scrape.
 */
export async function metricsText(
  reports: Reports,
  added: readonly MetricSource[],
): Promise<string> {
  const { Counter, Gauge, Registry } = await import('prom-client')
  // A new registry each time: a stream or a link that is gone must not leave its last figures.
  const registry = new Registry()
  const metrics = [...coreMetrics(reports)]
  for (const source of added) metrics.push(...(await source()))
  for (const { name, help, type, labels, samples } of metrics) {
    const options = { name, help, labelNames: [...labels], registers: [registry] }
    if (type === 'gauge') {
      const made = new Gauge(options)
      for (const sample of samples) made.set(labelled(labels, sample.values), sample.value)
    } else {
      const made = new Counter(options)
      for (const sample of samples) made.inc(labelled(labels, sample.values), sample.value)
    }
  }
  return registry.metrics()
}

function* coreMetrics(reports: Reports): Generator<Metric> {
  const { id } = reports.sources.server()
  yield* reportMetrics(id, 'varz', reports.varz())
  yield* reportMetrics(id, 'subsz', reports.subsz(NO_SUBSCRIPTIONS))
  yield* reportMetrics(id, 'routez', reports.routez({ subs: 'no' }))
  yield* connectionMetrics(reports.sources)
  yield* accountMetrics(reports.sources)
  yield* healthMetrics(reports)
  yield* jetStreamMetrics(reports.sources)
  yield* ownMetrics(reports)
}

const NO_SUBSCRIPTIONS = { subs: false, offset: 0, limit: 0, account: '', test: '' }

/** 0 when it is well, 1 when not; the second is the other way round, with the status' name. */
function* healthMetrics(reports: Reports): Generator<Metric> {
  const { id } = reports.sources.server()
  const { status } = reports.healthz(healthzQuery(new Query(new URLSearchParams()))).body
  const isWell = status === 'ok'
  yield gauge('gnatsd_healthz_status', 'status', ['server_id'], [[[id], isWell ? 0 : 1]])
  const labels = ['server_id', 'value']
  yield gauge('gnatsd_healthz_status_value', 'status', labels, [[[id, status], isWell ? 1 : 0]])
}

/** What is Petiole's alone. */
function* ownMetrics(reports: Reports): Generator<Metric> {
  const { id, name, version, petioleVersion, startedMs } = reports.sources.server()
  const { memoryBytes, heapBytes, cpuSeconds } = reports.process()
  const server = ['server_id', 'server_name']
  const one = (metric: string, help: string, value: number): Metric =>
    gauge(metric, help, server, [[[id, name], value]])
  const count = (metric: string, help: string, value: number): Metric => ({
    ...one(metric, help, value),
    type: 'counter',
  })
  const info = ['server_id', 'server_name', 'version', 'nats_version', 'node_version']
  const values = [id, name, petioleVersion, version, process.version]
  yield gauge('petiole_build_info', 'Always 1: what runs here', info, [[values, 1]])
  yield one('petiole_start_time_seconds', 'When the server started', startedMs / 1000)
  yield one('petiole_resident_memory_bytes', 'Memory of the process', memoryBytes)
  yield one('petiole_heap_used_bytes', 'JavaScript heap in use', heapBytes)
  yield count('petiole_cpu_seconds_total', 'CPU time of the process', cpuSeconds)
  const jetStream = reports.sources.jetStream()
  if (jetStream === undefined) return
  const { store, messageIdsRefused } = jetStream
  yield count(
    'petiole_message_ids_refused_total',
    'Publishes whose message ids no duplicate window had room for',
    messageIdsRefused,
  )
  yield count('petiole_store_commits_total', 'Commits to the journal', store.commits)
  yield count(
    'petiole_store_syncs_total',
    'Writes and calls that brought the journal to disk',
    store.syncs,
  )
  yield count('petiole_store_written_bytes_total', 'Written to the journal', store.bytesWritten)
  yield one('petiole_store_segments', 'Files of the journal', store.segments)
  yield one('petiole_store_disk_bytes', 'Taken by the journal', store.diskBytes)
  yield one('petiole_store_saved_bytes', 'Not taken, by compression', store.savedBytes)
  yield one('petiole_store_damaged_records', 'Skipped as damaged since start', store.damagedRecords)
  yield one('petiole_store_mended_files', 'Damaged, and made anew since start', store.mendedFiles)
  yield one('petiole_store_writable', '0: full or failed', store.condition === 'open' ? 1 : 0)
  if (Number.isFinite(store.freeBytes)) {
    yield one('petiole_store_free_bytes', 'What it can still grow by', store.freeBytes)
  }
  yield one('petiole_store_torn_bytes', 'Cut from the end at the last start', store.tornBytes)
  yield* upkeepMetrics(store, one, count)
}

type MakeMetric = (metric: string, help: string, value: number) => Metric

/** Wear, damage, and what looks for it. */
function* upkeepMetrics(store: StoreFacts, one: MakeMetric, count: MakeMetric): Generator<Metric> {
  const { indexBytesWritten, rewriteBytesWritten, everWritten, scrub } = store
  yield count('petiole_store_index_written_bytes_total', 'Written to indexes', indexBytesWritten)
  yield count('petiole_store_rewritten_bytes_total', 'Segments rewritten', rewriteBytesWritten)
  yield count('petiole_store_ever_written_bytes_total', 'Since it was made', everWritten.all)
  const amplification = amplificationOf(everWritten)
  yield one('petiole_store_write_amplification', 'All that per byte of journal', amplification)
  const { segmentsLeft = 0, bytesLeft = 0 } = store.encryption ?? {}
  yield one('petiole_store_rekey_segments', 'Segments of another key than configured', segmentsLeft)
  yield one('petiole_store_rekey_bytes', 'Bytes of another key than configured', bytesLeft)
  yield one('petiole_store_quarantine_bytes', 'Damaged bytes kept', store.quarantineBytes)
  yield one('petiole_store_quarantine_files', 'Damaged ranges kept', store.quarantineFiles)
  yield count('petiole_store_scrubs_total', 'Times that all was verified', scrub.passes)
  yield count('petiole_store_scrubbed_bytes_total', 'Verified in the background', scrub.bytes)
  yield one('petiole_store_scrub_time_seconds', 'End of the last, 0: none', scrub.lastPassMs / 1000)
}

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']))
}
