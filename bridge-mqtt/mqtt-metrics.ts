import type { Metric } from '../shared/monitor/index.ts'
import type { MqttCounters } from './counters.ts'

/** What outlives connections. */
export interface KeptTotals {
  sessions: number
  sessionsOffline: number
  /** Since the start. */
  sessionsExpired: number
  /** In the logs of all accounts, each once, however many sessions wait for it. */
  backlogMessages: number
  backlogBytes: number
  retainedMessages: number
  retainedBytes: number
}

type Facts = MqttCounters & Readonly<KeptTotals>
type Figure = readonly [name: string, help: string, of: (facts: Facts) => number]

const GAUGES: readonly Figure[] = [
  ['connections', 'Connections that are open', (it) => it.connections],
  ['clients', 'Connections whose CONNECT was accepted', (it) => it.clients],
  ['filters', 'Topic filters that clients are subscribed to', (it) => it.filters],
  ['queued_messages', 'Deliveries that wait for slow clients', (it) => it.queuedMessages],
  ['queued_bytes', 'Memory of these, each message once', (it) => it.queuedBytes],
  ['sessions', 'Sessions that outlive their connections', (it) => it.sessions],
  ['sessions_offline', 'Those of them whose client is away', (it) => it.sessionsOffline],
  ['backlog_messages', 'Messages stored for sessions, each once', (it) => it.backlogMessages],
  ['backlog_bytes', 'Bytes stored for sessions', (it) => it.backlogBytes],
  ['retained_messages', 'Retained messages', (it) => it.retainedMessages],
  ['retained_bytes', 'Bytes of retained messages', (it) => it.retainedBytes],
]

const COUNTERS: readonly Figure[] = [
  ['clients_total', 'Clients that were let in', (it) => it.clientsTotal],
  ['refused_total', 'Clients that were refused', (it) => it.refused],
  ['violations_total', 'Connections closed for a broken rule', (it) => it.violations],
  ['takeovers_total', 'Connections ended by another of the same id', (it) => it.takeovers],
  ['keep_alive_expired_total', 'Clients that were silent too long', (it) => it.keepAliveExpired],
  ['received_messages_total', 'Publishes from clients', (it) => it.receivedMessages],
  ['received_bytes_total', 'Payload bytes from clients', (it) => it.receivedBytes],
  ['sent_messages_total', 'Publishes to clients', (it) => it.sentMessages],
  ['sent_bytes_total', 'Payload bytes to clients', (it) => it.sentBytes],
  ['acknowledged_total', 'Publishes acknowledged as stored', (it) => it.acknowledged],
  ['uncommitted_total', 'Publishes that could not be stored', (it) => it.uncommitted],
  ['sessions_expired_total', 'Sessions whose time was over', (it) => it.sessionsExpired],
  ['wills_total', 'Wills published', (it) => it.wills],
  ['dropped_qos0_total', 'Dropped for slow subscribers, QoS 0', (it) => it.droppedQos0],
  ['dropped_qos1_total', 'Dropped for slow subscribers, QoS 1', (it) => it.droppedQos1],
  [
    'dropped_queues_full_total',
    'Those of them for which all queues together had no room',
    (it) => it.droppedQueuesFull,
  ],
  ['dropped_too_large_total', 'Larger than their receiver takes', (it) => it.droppedTooLarge],
  ['expired_total', 'Expired before they could be delivered', (it) => it.expired],
  [
    'denied_publishes_total',
    'Publishes to topics of the server itself',
    (it) => it.deniedPublishes,
  ],
  ['untranslatable_total', 'Deliveries that no topic can carry', (it) => it.untranslatable],
]

/** What the front door adds to `/metrics`. */
export function mqttMetrics(counters: MqttCounters, totals: KeptTotals): Metric[] {
  const facts = { ...counters, ...totals }
  const family = (type: Metric['type'], [name, help, of]: Figure): Metric => ({
    name: `petiole_mqtt_${name}`,
    help,
    type,
    labels: [],
    samples: [{ values: [], value: of(facts) }],
  })
  return [
    ...GAUGES.map((figure) => family('gauge', figure)),
    ...COUNTERS.map((figure) => family('counter', figure)),
  ]
}
