import { type Clock, codeOf, messageOf } from '../runtime/index.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../transport/index.ts'
import { accountzQuery } from './accountz.ts'
import { accstatzQuery } from './accstatz.ts'
import { connzQuery } from './connz.ts'
import { gatewayzQuery } from './gatewayz.ts'
import { healthzQuery } from './healthz.ts'
import { indexPage } from './index-page.ts'
import { jszQuery } from './jsz.ts'
import { leafzQuery } from './leafz.ts'
import { type MetricSource, metricsText, PROMETHEUS_TYPE } from './metrics.ts'
import { Query } from './query.ts'
import { ReportQueue } from './report-queue.ts'
import type { Reports } from './reports.ts'
import { routezQuery } from './routez.ts'
import { subszQuery } from './subsz.ts'

export interface MonitorOptions {
  readonly clock: Clock
  readonly reports: Reports
  /** In front of every path: '' or '/nats'. */
  readonly basePath: string
  /** What a role shows beside the core's own: path to title and handler. */
  readonly routes?: ReadonlyMap<string, MonitorRoute>
  /** What a role adds to `/metrics`. */
  readonly metrics?: readonly MetricSource[]
}

export interface MonitorRoute {
  /** Shown on the index page; '' keeps it out. */
  readonly title: string
  readonly handler: HttpHandler
}

/**
 * Monitoring as one handler for `listenHttp`: nats-server's endpoints with its field names, so that its
 * exporters, `nats` commands and dashboards work, and `/metrics`. Answers are open to any origin, as
 * there. Whatever lists things is made in the order of the queue; small reports and what a role adds are
 * made at once.
 */
export function createMonitor(options: MonitorOptions): HttpHandler {
  const { clock, reports } = options
  const queue = new ReportQueue(clock)
  const base = options.basePath.replace(/\/+$/, '')
  const routes = new Map<string, MonitorRoute>([
    ...coreRoutes(reports),
    ['/metrics', metricsRoute(options)],
    ...(options.routes ?? []),
  ])
  const titles = [...routes]
    .filter(([, { title }]) => title !== '')
    .map(([path, { title }]) => [path, title] as const)
  return async (request) => {
    const path = pathBelow(base, request.path)
    if (path === '/') {
      count(reports, '/')
      return html(indexPage(reports.sources.server(), titles))
    }
    const route = path === undefined ? undefined : routes.get(path)
    if (route === undefined || path === undefined) return plain(404, '404 page not found\n')
    count(reports, path === '/subscriptionsz' ? '/subsz' : path)
    try {
      if (!LISTS.has(path)) return await route.handler(request)
      return (await queue.ask(request, () => route.handler(request))) ?? BUSY
    } catch (error) {
      if (codeOf(error) !== 'PETIOLE_BAD_QUERY') throw error
      return plain(400, messageOf(error))
    }
  }
}

/** A JSON answer, or JavaScript for a `callback`. Roles use it for their own routes. */
export function jsonResponse(request: HttpRequest, status: number, body: object): HttpResponse {
  return textResponse(request, status, JSON.stringify(body, undefined, 2))
}

function coreRoutes(reports: Reports): [string, MonitorRoute][] {
  const json = (title: string, read: (query: Query) => object): MonitorRoute => ({
    title,
    handler: (request) => jsonResponse(request, 200, read(new Query(request.query))),
  })
  const subscriptions = (title: string) => json(title, (query) => reports.subsz(subszQuery(query)))
  return [
    ['/varz', json('General', () => reports.varz())],
    ['/jsz', json('JetStream', (query) => reports.jsz(jszQuery(query)))],
    ['/connz', json('Connections', (query) => reports.connz(connzQuery(query)))],
    ['/accountz', json('Accounts', (query) => reports.accountz(accountzQuery(query)))],
    ['/accstatz', json('Account Stats', (query) => reports.accstatz(accstatzQuery(query)))],
    ['/subsz', subscriptions('Subscriptions')],
    ['/subscriptionsz', subscriptions('')],
    ['/routez', json('Routes', (query) => reports.routez(routezQuery(query)))],
    ['/leafz', json('LeafNodes', (query) => reports.leafz(leafzQuery(query)))],
    ['/gatewayz', json('Gateways', (query) => reports.gatewayz(gatewayzQuery(query)))],
    // There is no Raft here: nats-server answers so, too, when it runs alone.
    ['/raftz', { title: 'Raft Groups', handler: () => plain(404, 'No Raft nodes registered') }],
    ['/ipqueuesz', json('', () => ({}))],
    ['/healthz', { title: 'Health Probe', handler: (request) => health(request, reports) }],
    ['/debug/vars', json('Expvar', () => reports.expvarz())],
  ]
}

function metricsRoute({ reports, metrics = [] }: MonitorOptions): MonitorRoute {
  return {
    title: 'Metrics',
    handler: async () => ({
      status: 200,
      headers: { 'content-type': PROMETHEUS_TYPE },
      body: await metricsText(reports, metrics),
    }),
  }
}

function count(reports: Reports, path: string): void {
  reports.requests[path] = (reports.requests[path] ?? 0) + 1
}

function health(request: HttpRequest, reports: Reports): HttpResponse {
  const { statusCode, body } = reports.healthz(healthzQuery(new Query(request.query)))
  return textResponse(request, statusCode, JSON.stringify(body))
}

/** nats-server has given up callbacks; older dashboards still ask for them. */
function textResponse(request: HttpRequest, status: number, text: string): HttpResponse {
  const callback = request.query.get('callback') ?? ''
  const isCallback = /^[A-Za-z_$][\w$.]*$/.test(callback)
  return {
    status,
    headers: {
      'content-type': isCallback ? 'application/javascript' : 'application/json',
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
    },
    body: isCallback ? `${callback}(${text})` : text,
  }
}

/** The path behind the base path; undefined when it is not below it. */
function pathBelow(base: string, path: string): string | undefined {
  if (base !== '' && path !== base && !path.startsWith(`${base}/`)) return undefined
  const rest = path.slice(base.length).replace(/\/+$/, '')
  return rest === '' ? '/' : rest
}

/** Reports that grow with what there is, and may take as long as that. */
const LISTS: ReadonlySet<string> = new Set([
  '/jsz',
  '/connz',
  '/accountz',
  '/accstatz',
  '/subsz',
  '/subscriptionsz',
  '/leafz',
  '/metrics',
])

function html(body: string): HttpResponse {
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body }
}

function plain(status: number, body: string): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body,
  }
}

const BUSY = plain(503, 'too many reports are asked for\n')
