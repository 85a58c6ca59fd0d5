import type { MonitorSources } from './facts.ts'
import type { Query } from './query.ts'
import type { RequestFields } from './request-fields.ts'

export interface HealthzOptions {
  /** Only whether JetStream is on. `js-meta-only` changes nothing: there is no meta group. */
  readonly jetStreamEnabledOnly: boolean
  /** Only whether the server takes connections. */
  readonly serverOnly: boolean
  readonly account: string
  readonly stream: string
  readonly consumer: string
  readonly details: boolean
}

export interface Health {
  readonly statusCode: number
  /** Without `status_code`, which HTTP says by itself. */
  readonly body: { readonly status: string } & Readonly<Record<string, unknown>>
}

export function healthzQuery(query: Query): HealthzOptions {
  query.flag('js-meta-only')
  return {
    jetStreamEnabledOnly: query.flag('js-enabled-only') || query.flag('js-enabled'),
    serverOnly: query.flag('js-server-only'),
    account: query.text('account'),
    stream: query.text('stream'),
    consumer: query.text('consumer'),
    details: query.flag('details'),
  }
}

export function healthzFields(fields: RequestFields): HealthzOptions {
  return {
    jetStreamEnabledOnly: fields.flag('js-enabled-only') || fields.flag('js-enabled'),
    serverOnly: fields.flag('js-server-only'),
    account: fields.text('account'),
    stream: fields.text('stream'),
    consumer: fields.text('consumer'),
    details: fields.flag('details'),
  }
}

interface Ailment {
  readonly code: number
  readonly type: 'BAD_REQUEST' | 'JETSTREAM' | 'ACCOUNT' | 'STREAM' | 'CONSUMER'
  readonly error: string
  /** What it is about, beside the error. */
  readonly subject: Readonly<Record<string, string>>
}

/** `/healthz`: 200 while the server does its work, else why not. */
export function healthz(sources: MonitorSources, options: HealthzOptions): Health {
  const found = ailment(sources, options)
  if (found === undefined) {
    const blocked = sources.blocked?.() ?? []
    // The server does its work, so this is no ailment; but whoever looks should learn of it.
    const { damagedRecords = 0, mendedFiles = 0 } = sources.jetStream()?.store ?? {}
    const body = {
      status: 'ok',
      ...(blocked.length > 0 && { blocked }),
      ...(damagedRecords > 0 && { damaged_records: damagedRecords }),
      ...(mendedFiles > 0 && { mended_files: mendedFiles }),
    }
    return { statusCode: 200, body }
  }
  const { code: statusCode, type, error, subject } = found
  if (options.details) {
    return { statusCode, body: { status: 'error', errors: [{ type, ...subject, error }] } }
  }
  const status = type === 'BAD_REQUEST' ? 'error' : 'unavailable'
  return { statusCode, body: { status, error } }
}

function ailment(sources: MonitorSources, options: HealthzOptions): Ailment | undefined {
  const { account, stream, consumer } = options
  if (account === '' && stream !== '') return missing('account', 'stream')
  if (stream === '' && consumer !== '') return missing('stream', 'consumer')
  if (options.serverOnly) return undefined
  const facts = sources.jetStream()
  if (facts === undefined) {
    return options.jetStreamEnabledOnly ? ill(503, 'JetStream not enabled') : undefined
  }
  const trouble = sources.trouble()
  if (trouble !== undefined) return ill(503, trouble)
  if (options.jetStreamEnabledOnly || account === '') return undefined
  if (![...facts.accounts()].some(({ name }) => name === account)) {
    const error = `JetStream account "${account}" not found`
    return { code: 404, type: 'ACCOUNT', error, subject: { account } }
  }
  if (stream === '') return undefined
  const found = [...facts.streams()].find((one) => one.account === account && one.name === stream)
  if (found === undefined) {
    const error = `JetStream stream "${stream}" not found on account "${account}"`
    return { code: 404, type: 'STREAM', error, subject: { account, stream } }
  }
  if (consumer === '' || found.hasConsumer(consumer)) return undefined
  const error = `JetStream consumer "${consumer}" not found for stream "${stream}" on account "${account}"`
  return { code: 404, type: 'CONSUMER', error, subject: { account, stream, consumer } }
}

function missing(field: string, what: string): Ailment {
  const error = `"${field}" must not be empty when checking ${what} health`
  return { code: 400, type: 'BAD_REQUEST', error, subject: {} }
}

function ill(code: number, error: string): Ailment {
  return { code, type: 'JETSTREAM', error, subject: {} }
}
