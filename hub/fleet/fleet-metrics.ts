import { gauge, gauges, type Metric } from '../../shared/monitor/index.ts'
import type {
  BufferStatus,
  FleetStatus,
  LeafState,
  LeafStatus,
  StoreStatus,
} from './fleet-status.ts'

const STATES: readonly LeafState[] = ['in_sync', 'draining', 'refused', 'offline']

/**
 * What a hub adds to `/metrics`: the fleet's status, leaf by leaf and buffer by buffer. What is not known has
 * no sample, which is not 0.
 */
export function fleetMetrics({ as_of, leaves }: FleetStatus): Metric[] {
  const buffers = leaves.flatMap((leaf) => leaf.buffers.map((buffer) => ({ leaf, buffer })))
  return [
    gauge(
      'petiole_fleet_leaves',
      'Leaves by their state',
      ['state'],
      STATES.map((state) => [[state], leaves.filter((leaf) => leaf.state === state).length]),
    ),
    ...gauges<LeafStatus>(
      'petiole_fleet_leaf_',
      ['leaf', 'region', 'account'],
      leaves,
      (leaf) => [leaf.name, leaf.region, accountOf(leaf)],
      [
        ['up', ({ state }) => (state === 'offline' ? 0 : 1)],
        ['last_seen_seconds', ({ last_seen }) => secondsBetween(last_seen, as_of)],
        ['store_writable', ({ store }) => writable(store)],
        ['store_damaged_records', ({ store }) => store?.damaged_records],
        ['store_mended_files', ({ store }) => store?.mended_files],
        ['store_disk_bytes', ({ store }) => store?.disk_bytes],
        ['store_free_bytes', ({ store }) => store?.free_bytes ?? undefined],
        ['store_written_bytes', ({ store }) => store?.written_bytes],
      ],
    ),
    ...gauges<{ leaf: LeafStatus; buffer: BufferStatus }>(
      'petiole_fleet_buffer_',
      ['leaf', 'region', 'buffer', 'account'],
      buffers,
      ({ leaf, buffer }) => [leaf.name, leaf.region, buffer.name, accountOf(leaf)],
      [
        ['backlog_messages', ({ buffer }) => buffer.backlog_msgs ?? undefined],
        ['backlog_bytes', ({ buffer }) => buffer.backlog_bytes ?? undefined],
        [
          'oldest_unsynced_seconds',
          ({ buffer }) =>
            buffer.backlog_msgs === 0 ? 0 : secondsBetween(buffer.oldest_unsynced_at, as_of),
        ],
        ['synced_seq', ({ buffer }) => buffer.synced_seq ?? undefined],
        ['last_seq', ({ buffer }) => buffer.last_seq ?? undefined],
        ['evicted_messages', ({ buffer }) => buffer.evicted_msgs ?? undefined],
        ['lost_messages', ({ buffer }) => buffer.lost_msgs ?? undefined],
        ['duplicates_dropped', ({ buffer }) => buffer.duplicates_dropped ?? undefined],
        ['in_rate', ({ buffer }) => buffer.in_rate ?? undefined],
        ['drain_rate', ({ buffer }) => buffer.drain_rate ?? undefined],
        ['eta_seconds', ({ buffer }) => buffer.eta_s ?? undefined],
        ['refused', ({ buffer }) => (buffer.refused === null ? 0 : 1)],
      ],
    ),
  ]
}

function writable(store: StoreStatus | null): number | undefined {
  if (store === null) return undefined
  return store.condition === 'open' ? 1 : 0
}

/** An empty label is none: series of the default account are what they were before there were others. */
function accountOf({ account = '' }: LeafStatus): string {
  return account
}

/** Never negative: a leaf's clock may be ahead. */
function secondsBetween(from: string | null, to: string): number | undefined {
  if (from === null) return undefined
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}
