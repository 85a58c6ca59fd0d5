import type { BufferStatus, FleetStatus, LeafStatus } from './fleet-status.ts'

/**
 * The status for a terminal, to be read at two in the morning: what is wrong comes first, then one
 * line per buffer, sites that are not in sync above those that are.
 */

const COLUMNS = [
  'SITE',
  'STATE',
  'BUFFER',
  'BACKLOG',
  'BYTES',
  'OLDEST',
  'IN/S',
  'OUT/S',
  'ETA',
  'EVICTED',
  'LOST',
  'SEEN',
] as const
const LEFT_COLUMNS = 3
const STATE_ORDER = { refused: 0, offline: 1, draining: 2, in_sync: 3 } as const
const UNKNOWN = '?'
/** So little room is worth a line before it is gone. */
const LOW_BYTES = 64 * 1024 * 1024

export function renderFleetStatus(status: FleetStatus): string {
  if (status.leaves.length === 0)
    return `no leaf has come to ${nameOf(status)} yet (${status.as_of})\n`
  const leaves = status.leaves.toSorted(
    (a, b) => STATE_ORDER[a.state] - STATE_ORDER[b.state] || (siteOf(a) < siteOf(b) ? -1 : 1),
  )
  const rows = leaves.flatMap((leaf) => rowsOf(leaf, Date.parse(status.as_of)))
  const widths = COLUMNS.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  )
  const lines = [COLUMNS, ...rows].map((row) =>
    row
      .map((cell, i) =>
        i < LEFT_COLUMNS ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
  const notes = leaves.flatMap(notesOf)
  return `${headline(status)}\n\n${[...lines, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')}\n`
}

function nameOf({ hub }: FleetStatus): string {
  return hub === undefined ? 'this hub' : `hub ${hub}`
}

function headline(status: FleetStatus): string {
  const { leaves, as_of: asOf, hub } = status
  const counts = Object.keys(STATE_ORDER).flatMap((state) => {
    const count = leaves.filter((leaf) => leaf.state === state).length
    return count === 0 ? [] : [`${count} ${state.replace('_', ' ')}`]
  })
  const losses = leaves.flatMap((leaf) => leaf.buffers).map((buffer) => buffer.lost_msgs)
  const lost = losses.reduce<number>((total, each) => total + (each ?? 0), 0)
  const unknown = losses.includes(null) ? ' (of some unknown)' : ''
  const sites = `${leaves.length} ${leaves.length === 1 ? 'site' : 'sites'}`
  const where = hub === undefined ? '' : ` of ${nameOf(status)}`
  return `${sites}${where}: ${counts.join(', ')}; lost ${lost}${unknown}  (${asOf})`
}

function rowsOf(leaf: LeafStatus, nowMs: number): string[][] {
  const site = [siteOf(leaf), leaf.state.replace('_', ' ')]
  const seen = ageOf(leaf.last_seen, nowMs)
  if (leaf.buffers.length === 0) return [[...site, '-', ...Array(8).fill(UNKNOWN), seen]]
  return leaf.buffers.map((buffer, i) => [
    ...(i === 0 ? site : ['', '']),
    buffer.name,
    countOf(buffer.backlog_msgs),
    bytesOf(buffer.backlog_bytes),
    buffer.backlog_msgs === 0 ? '-' : ageOf(buffer.oldest_unsynced_at, nowMs),
    countOf(buffer.in_rate === null ? null : Math.round(buffer.in_rate)),
    countOf(buffer.drain_rate === null ? null : Math.round(buffer.drain_rate)),
    etaText(buffer),
    countOf(buffer.evicted_msgs),
    countOf(buffer.lost_msgs),
    i === 0 ? seen : '',
  ])
}

/** Two accounts may have leaves of one name. */
function siteOf({ name, account, account_name: shown = account }: LeafStatus): string {
  return shown === undefined ? name : `${name} (${shown})`
}

/** What somebody has to do something about. */
function notesOf(leaf: LeafStatus): string[] {
  return [...storeNotesOf(leaf), ...bufferNotesOf(leaf)]
}

function storeNotesOf(leaf: LeafStatus): string[] {
  const { store } = leaf
  // A hub of before this was told says nothing of it.
  if (store === null || store === undefined) return []
  const site = siteOf(leaf)
  const notes: string[] = []
  const room = `${bytesOf(store.free_bytes)} left`
  if (store.condition === 'full')
    notes.push(`${site}: its store is full (${room}): it refuses messages`)
  else if (store.condition === 'failed') {
    notes.push(`${site}: its disk failed: it refuses messages until it is started again`)
  } else if (store.free_bytes !== null && store.free_bytes < LOW_BYTES) {
    notes.push(`${site}: its store is nearly full (${room})`)
  }
  if (store.damaged_records > 0) {
    notes.push(
      `${site}: ${store.damaged_records} records on its disk are damaged: see docs/operations.md`,
    )
  }
  if (store.mended_files > 0) {
    notes.push(`${site}: ${store.mended_files} damaged files were mended: its disk may be failing`)
  }
  return notes
}

function bufferNotesOf(leaf: LeafStatus): string[] {
  return leaf.buffers.flatMap((buffer) => {
    const where = `${siteOf(leaf)}/${buffer.name}`
    const notes: string[] = []
    if (buffer.refused !== null) {
      const { subject, reason } = buffer.refused
      notes.push(`${where}: refused at ${subject || 'the next record'}: ${reason}`)
    }
    if ((buffer.lost_msgs ?? 0) > 0) {
      notes.push(`${where}: ${buffer.lost_msgs} messages are lost: see the logs of leaf and hub`)
    }
    return notes
  })
}

function etaText(buffer: BufferStatus): string {
  if (buffer.backlog_msgs === 0) return '-'
  return buffer.eta_s === null ? UNKNOWN : durationOf(buffer.eta_s)
}

function countOf(count: number | null): string {
  if (count === null) return UNKNOWN
  return String(count).replace(/\B(?=(\d{3})+$)/g, ',')
}

function bytesOf(bytes: number | null): string {
  if (bytes === null) return UNKNOWN
  const units = ['B', 'K', 'M', 'G', 'T']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${units[unit]}`
}

function ageOf(time: string | null, nowMs: number): string {
  if (time === null) return UNKNOWN
  return durationOf(Math.max(0, (nowMs - Date.parse(time)) / 1_000))
}

function durationOf(seconds: number): string {
  const s = Math.round(seconds)
  if (s < 60) return `${s}s`
  if (s < 3_600) return `${Math.floor(s / 60)}m${String(s % 60).padStart(2, '0')}s`
  if (s < 86_400)
    return `${Math.floor(s / 3_600)}h${String(Math.floor((s % 3_600) / 60)).padStart(2, '0')}m`
  return `${Math.floor(s / 86_400)}d${String(Math.floor((s % 86_400) / 3_600)).padStart(2, '0')}h`
}
