/** Monitoring over HTTP with nats-server's endpoints and field names. */
export type {
  ConnectionFacts,
  JetStreamFacts,
  LinkFacts,
  ListenFacts,
  MonitorSources,
  PeerTraffic,
  ServerFacts,
  StreamFacts,
  SubscriptionFacts,
  TrafficFacts,
} from './facts.ts'
export { createMonitor, jsonResponse, type MonitorOptions, type MonitorRoute } from './monitor.ts'
