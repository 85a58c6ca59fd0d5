import { type Clock, codeOf, messageOf } from '../runtime/index.ts'
import type { HttpHandler, HttpRequest, HttpResponse } from '../transport/index.ts'
import { connz } from './connz.ts'
import type { ListenFacts, MonitorSources } from './facts.ts'
import { healthz } from './healthz.ts'
import { indexPage } from './index-page.ts'
import { jsz } from './jsz.ts'
import { leafz } from './leafz.ts'
import { ProcessMeter } from './process-meter.ts'
import { Query } from './query.ts'
import { subsz } from './subsz.ts'
import { varz } from './varz.ts'

export interface MonitorOptions {
  readonly clock: Clock
  readonly sources: MonitorSources
  /** What the port is known by; read when asked, for a port that was chosen freely. */
  readonly address: () => ListenFacts
  /** In front of every path: '' or '/nats'. */
  readonly basePath: string
  /** What a role shows beside the core's own: path to title and handler. */
  readonly routes?: ReadonlyMap<string, MonitorRoute>
}

export interface MonitorRoute {
  /** Shown on the index page. */
  readonly title: string
  readonly handler: HttpHandler
}

/**
 * Monitoring as one handler for `listenHttp`: nats-server's endpoints with its field names, so that its
 * exporters, `nats` commands and dashboards work. Answers are open to any origin, as there.
 */
export function createMonitor(options: MonitorOptions): HttpHandler {
  const base = options.basePath.replace(/\/+$/, '')
  const requests: Record<string, number> = {}
  const general = { title: 'General', handler: varzHandler(options, base, requests) }
  const routes = new Map<string, MonitorRoute>([
    ['/varz', general],
    ...coreRoutes(options),
    ...(options.routes ?? []),
  ])
  const titles = [...routes].map(([path, route]) => [path, route.title] as const)
  return async (request) => {
    const path = pathBelow(base, request.path)
    if (path === '/') return html(indexPage(options.sources.server(), titles))
    const route = path === undefined ? undefined : routes.get(path)
    if (route === undefined || path === undefined) return plain(404, '404 page not found\n')
    requests[path] = (requests[path] ?? 0) + 1
    try {
      return await route.handler(request)
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

function coreRoutes(options: MonitorOptions): [string, MonitorRoute][] {
  const { sources, clock } = options
  const json = (title: string, read: (query: Query) => object): MonitorRoute => ({
    title,
    handler: (request) => jsonResponse(request, 200, read(new Query(request.query))),
  })
  const subscriptions = json('Subscriptions', (query) => subsz(sources, query, clock.wallMs()))
  return [
    ['/jsz', json('JetStream', (query) => jsz(sources, query, clock.wallMs()))],
    ['/connz', json('Connections', (query) => connz(sources, query, clock.wallMs()))],
    ['/subsz', subscriptions],
    ['/subscriptionsz', subscriptions],
    ['/leafz', json('Leaf nodes', (query) => leafz(sources, query, clock.wallMs()))],
    ['/healthz', { title: 'Health probe', handler: (request) => health(request, sources) }],
  ]
}

function varzHandler(
  options: MonitorOptions,
  basePath: string,
  requests: Readonly<Record<string, number>>,
): HttpHandler {
  const meter = new ProcessMeter(options.clock)
  return (request) => {
    const body = varz(options.sources, {
      nowMs: options.clock.wallMs(),
      http: { ...options.address(), basePath },
      requests,
      process: meter.read(),
    })
    return jsonResponse(request, 200, body)
  }
}

function health(request: HttpRequest, sources: MonitorSources): HttpResponse {
  const { status, body } = healthz(sources, new Query(request.query))
  return textResponse(request, status, JSON.stringify(body))
}

function textResponse(request: HttpRequest, status: number, text: string): HttpResponse {
  const callback = request.query.get('callback') ?? ''
  const isCallback = /^[A-Za-z_$][\w$.]*$/.test(callback)
  return {
    status,
    headers: {
      'content-type': isCallback ? 'application/javascript' : 'application/json',
      'access-control-allow-origin': '*',
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
