import type { MonitorSources } from './facts.ts'
import type { Query } from './query.ts'

/** `/healthz`: 200 while the server does its work, else 503 with the reason. */
export function healthz(
  sources: MonitorSources,
  query: Query,
): { readonly status: number; readonly body: object } {
  const needsJetStream = query.flag('js-enabled-only') || query.flag('js-enabled')
  const isOff = needsJetStream && sources.jetStream() === undefined
  const error = isOff ? 'JetStream not enabled' : sources.trouble()
  if (error === undefined) return { status: 200, body: { status: 'ok' } }
  if (!query.flag('details')) {
    return { status: 503, body: { status: 'unavailable', status_code: 503, error } }
  }
  const errors = [{ type: 'JETSTREAM', error }]
  return { status: 503, body: { status: 'error', status_code: 503, errors } }
}
