/** Monitoring with nats-server's reports and field names, over HTTP and for the system account; metrics. */
export { accountzFields } from './accountz.ts'
export { accstatzFields } from './accstatz.ts'
export { connzFields } from './connz.ts'
export type {
  AccountFacts,
  AccountTraffic,
  BlockedFacts,
  ConnectionFacts,
  GatewayFacts,
  GatewayLinkFacts,
  JetStreamAccountFacts,
  JetStreamFacts,
  KindCounts,
  LinkFacts,
  ListenFacts,
  MonitorSources,
  PeerLinkFacts,
  PeerTraffic,
  RouteFacts,
  RouterFacts,
  ServerFacts,
  StreamFacts,
  SubscriptionFacts,
  TrafficFacts,
} from './facts.ts'
export { gatewayzFields } from './gatewayz.ts'
export { given } from './given.ts'
export { healthzFields } from './healthz.ts'
export { jszFields } from './jsz.ts'
export { leafzFields } from './leafz.ts'
export { gauge, gauges, type Metric, type MetricSample } from './metric.ts'
export type { MetricSource } from './metrics.ts'
export { createMonitor, jsonResponse, type MonitorOptions, type MonitorRoute } from './monitor.ts'
export { Reports, type ReportsOptions } from './reports.ts'
export { RequestFields } from './request-fields.ts'
export { routezFields } from './routez.ts'
export { subszFields } from './subsz.ts'
export { nanos, timeText } from './text.ts'
export type { HttpFacts } from './varz.ts'
