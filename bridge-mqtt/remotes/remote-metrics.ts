import type { Metric } from '../../shared/monitor/index.ts'
import type { Remote } from './remote.ts'

type Figure = readonly [name: string, help: string, of: (remote: Remote) => number]

const GAUGES: readonly Figure[] = [
  ['connected', 'Whether the broker is connected', ({ state }) => Number(state.name === 'up')],
  ['queued_messages', 'Messages that wait for the broker', ({ queue }) => queue.messages],
  ['queued_bytes', 'Bytes of them', ({ queue }) => queue.bytes],
  ['inflight_messages', 'Sent, and not acknowledged yet', (it) => it.inflight],
  ['refused_filters', 'Topic filters that the broker does not grant', (it) => it.refusedFilters],
]

const COUNTERS: readonly Figure[] = [
  ['connects_total', 'Connections that were accepted', ({ counters }) => counters.connects],
  ['failures_total', 'Connections that failed or were lost', ({ counters }) => counters.failures],
  ['received_messages_total', 'From the broker', ({ counters }) => counters.receivedMessages],
  ['received_bytes_total', 'Payload bytes of them', ({ counters }) => counters.receivedBytes],
  ['sent_messages_total', 'Acknowledged by the broker', ({ counters }) => counters.sentMessages],
  ['sent_bytes_total', 'Payload bytes of them', ({ counters }) => counters.sentBytes],
  ['resent_messages_total', 'Sent once more', ({ counters }) => counters.resentMessages],
  ['loops_total', 'Stopped because they had been there', ({ counters }) => counters.loops],
]

/** Why messages did not go on, each a value of the label `cause`. */
const DROPS: readonly Figure[] = [
  ['inbound', '', ({ counters }) => counters.refusedInbound],
  ['outbound', '', ({ counters }) => counters.refusedOutbound],
  ['expired', '', ({ counters }) => counters.expired],
  ['evicted', '', ({ counters }) => counters.evicted],
  ['queue_full', '', ({ counters }) => counters.unqueued],
]

/** What client mode adds to `/metrics`: one series per remote. */
export function remoteMetrics(remotes: readonly Remote[]): Metric[] {
  if (remotes.length === 0) return []
  const family = (type: Metric['type'], [name, help, of]: Figure): Metric => ({
    name: `petiole_mqtt_remote_${name}`,
    help,
    type,
    labels: ['remote'],
    samples: remotes.map((remote) => ({ values: [remote.config.name], value: of(remote) })),
  })
  const dropped: Metric = {
    name: 'petiole_mqtt_remote_dropped_total',
    help: 'Messages that did not go on, by cause',
    type: 'counter',
    labels: ['remote', 'cause'],
    samples: remotes.flatMap((remote) =>
      DROPS.map(([cause, , of]) => ({ values: [remote.config.name, cause], value: of(remote) })),
    ),
  }
  return [
    ...GAUGES.map((figure) => family('gauge', figure)),
    ...COUNTERS.map((figure) => family('counter', figure)),
    dropped,
  ]
}
