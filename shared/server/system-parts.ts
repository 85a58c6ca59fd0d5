import type { BrokerObserver } from '../broker/index.ts'
import { LocalClient } from '../client/index.ts'
import {
  type BlockedFacts,
  createMonitor,
  type HttpFacts,
  type MetricSource,
  type MonitorRoute,
  Reports,
} from '../monitor/index.ts'
import { PetioleError } from '../runtime/index.ts'
import { type ServerAdmin, SystemServices } from '../system/index.ts'
import type { HttpHandler } from '../transport/index.ts'
import { shown, shownClosed } from './connection-facts.ts'
import { monitorSources, NO_PEERS, type PeerSources } from './monitor-sources.ts'
import type { ServerCore } from './server-core.ts'
import type { LinkRules } from './server-links.ts'

/** What a server adds to its monitoring, and lets operators do over the system account. */
export interface SystemPartsOptions {
  readonly peers?: PeerSources
  readonly blocked?: () => readonly BlockedFacts[]
  /** Reads the configuration again. Default: there is nothing that could be read. */
  readonly reload?: () => Promise<void>
  readonly routes?: ReadonlyMap<string, MonitorRoute>
  readonly metrics?: readonly MetricSource[]
}

/** Monitoring over HTTP and the system account's services: two doors to the same reports. */
export interface SystemParts {
  readonly reports: Reports
  readonly monitor: HttpHandler
  readonly services: SystemServices
}

export function systemParts(core: ServerCore, options: SystemPartsOptions = {}): SystemParts {
  const { config, machine, log, broker } = core
  const { book, claims } = core.accounts
  const { peers = NO_PEERS, routes = new Map(), metrics = [] } = options
  const { clock, random } = machine
  const sources = monitorSources(core, book, peers, options.blocked)
  const reports = new Reports({ clock, sources, http: () => httpFacts(core) })
  const doors = core.frontDoors.flatMap((door) =>
    door.metrics === undefined ? [] : [door.metrics],
  )
  const monitor = createMonitor({
    clock,
    reports,
    basePath: config.http_base_path,
    routes,
    metrics: [...doors, ...metrics],
  })
  const services = new SystemServices({
    clock,
    random,
    log: log.child({ part: 'system' }),
    reports,
    book,
    client: (account) => new LocalClient(core.space(account), core.nextPeerId(), clock, random),
    subscriptions: (account) => broker.spaces.get(account)?.subscriptions() ?? [],
    identityOf: ({ id }) => broker.connections.get(id)?.identity,
    admin: adminOf(core, options.reload ?? noReload),
    claims,
  })
  return { reports, monitor, services }
}

/**
 * Makes events of what the broker tells. It tells from within the router's turn, in which nothing may be
 * published, so they come when that is over.
 */
export function brokerObserver(
  core: ServerCore,
  services: () => SystemServices | undefined,
): BrokerObserver {
  const later = (tell: (services: SystemServices) => void): void => {
    queueMicrotask(() => {
      const known = services()
      if (known !== undefined) tell(known)
    })
  }
  return {
    connected: (facts) => later((it) => it.connected(shown(core, facts))),
    disconnected: (facts) => later((it) => it.disconnected(shownClosed(core, facts))),
    authenticationFailed(facts, reason) {
      later((it) => it.authenticationFailed({ ...shown(core, facts), reason }))
    },
    accountConnections: (account) => later((it) => it.accountConnections(account)),
  }
}

/** A role's rules for leaf links, with the system account told of those that come and go. */
export function toldOfLeaves(
  rules: LinkRules,
  services: () => SystemServices | undefined,
): LinkRules {
  return {
    ...rules,
    onAttached(leaf) {
      rules.onAttached?.(leaf)
      services()?.leafConnected(leaf.hello.account)
    },
    onDetached(leaf) {
      rules.onDetached?.(leaf)
      services()?.accountConnections(leaf.hello.account)
    },
  }
}

function adminOf({ broker }: ServerCore, reload: () => Promise<void>): ServerAdmin {
  return {
    reload,
    kick: (id) => broker.kick(id),
    lameDuck(id) {
      if (!broker.connections.has(id)) return 'unknown'
      return broker.sendAway(id) ? 'told' : 'not_ready'
    },
  }
}

function noReload(): Promise<void> {
  return Promise.reject(
    new PetioleError('PETIOLE_NO_RELOAD', 'this server was not started from a configuration file'),
  )
}

function httpFacts({ config, ports }: ServerCore): HttpFacts {
  const { http, https, http_base_path: basePath } = config
  const { host = '', port = 0 } = ports?.http ?? http ?? https ?? {}
  return http === undefined && https !== undefined
    ? { host, port: 0, securePort: port, basePath }
    : { host, port, securePort: https?.port ?? 0, basePath }
}
