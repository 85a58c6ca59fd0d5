import type { Act, Listing, ListName } from './command.ts'

/** A column of a table for a terminal: its title, and what a row shows there. */
interface Column {
  readonly title: string
  readonly isNumber?: boolean
  readonly of: (entry: Entry, nowMs: number) => string
}

type Entry = Listing['entries'][number]

const UNKNOWN = '?'

const ACCOUNT: Column = { title: 'ACCOUNT', of: ({ account }) => text(account) }

const COLUMNS: Readonly<Record<ListName, readonly Column[]>> = {
  clients: [
    { title: 'CLIENT', of: (it) => text(it['client_id']) },
    { title: 'MQTT', of: (it) => text(it['version']) },
    { title: 'USER', of: (it) => text(it['user']) || '-' },
    { title: 'ADDRESS', of: addressOf },
    { title: 'CID', isNumber: true, of: (it) => text(it['cid']) },
    { title: 'UP', isNumber: true, of: (it, nowMs) => age(it['connected_at'], nowMs) },
    { title: 'IDLE', isNumber: true, of: (it) => duration(it['idle_s']) },
    { title: 'SUBS', isNumber: true, of: (it) => count(it['subscriptions']) },
    { title: 'IN', isNumber: true, of: (it) => count(it['in_msgs']) },
    { title: 'OUT', isNumber: true, of: (it) => count(it['out_msgs']) },
    { title: 'PENDING', isNumber: true, of: (it) => bytes(it['pending_bytes']) },
  ],
  sessions: [
    { title: 'CLIENT', of: (it) => text(it['client_id']) },
    { title: 'STATE', of: (it) => (it['connected'] === true ? 'connected' : 'offline') },
    { title: 'AGE', isNumber: true, of: (it, nowMs) => age(it['created_at'], nowMs) },
    {
      title: 'AWAY',
      isNumber: true,
      of: (it) => (it['away_s'] === null ? '-' : duration(it['away_s'])),
    },
    { title: 'EXPIRY', isNumber: true, of: expiryOf },
    { title: 'SUBS', isNumber: true, of: (it) => count(it['subscriptions']) },
    { title: 'INFLIGHT', isNumber: true, of: (it) => count(it['inflight']) },
    { title: 'BACKLOG', isNumber: true, of: (it) => count(it['backlog_msgs']) },
  ],
  retained: [
    { title: 'TOPIC', of: (it) => text(it['topic']) },
    { title: 'QOS', isNumber: true, of: (it) => text(it['qos']) },
    { title: 'BYTES', isNumber: true, of: (it) => bytes(it['bytes']) },
    { title: 'AGE', isNumber: true, of: (it, nowMs) => age(it['stored_at'], nowMs) },
    { title: 'EXPIRY', isNumber: true, of: expiryOf },
  ],
}

const NAMES: Readonly<Record<ListName, readonly [one: string, many: string]>> = {
  clients: ['client', 'clients'],
  sessions: ['session', 'sessions'],
  retained: ['retained message', 'retained messages'],
}

/** A list for people. The account is shown where there is more than one. */
export function renderListing(name: ListName, listing: Listing, nowMs: number): string {
  const { entries, server } = listing
  const total = listing.total ?? entries.length
  const [one, many] = NAMES[name]
  const shown = entries.length < total ? `, ${count(entries.length)} shown` : ''
  const headline = `${count(total)} ${total === 1 ? one : many} at ${text(server.name)}${shown}`
  if (entries.length === 0) return `${headline}\n`
  const accounts = new Set(entries.map(({ account }) => account))
  const columns = accounts.size > 1 ? [ACCOUNT, ...COLUMNS[name]] : COLUMNS[name]
  return `${headline}\n\n${table(columns, entries, nowMs)}\n`
}

const DONE: Readonly<Record<Act['name'], readonly [what: string, field: string]>> = {
  KICK: ['kicked', 'kicked'],
  END: ['ended the session of', 'ended'],
  FORGET: ['removed what was retained on', 'removed'],
}

/** What was done, for people. */
export function renderDone(name: Act['name'], answer: Entry): string {
  const [what, field] = DONE[name]
  return `${what} ${text(answer[field])} (account ${text(answer['account'])})`
}

function table(columns: readonly Column[], entries: readonly Entry[], nowMs: number): string {
  const rows = entries.map((entry) => columns.map(({ of }) => of(entry, nowMs)))
  // A loop: there may be more rows than a call can have arguments.
  const widths = columns.map(({ title }) => title.length)
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  }
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const width = widths[i] ?? 0
        return columns[i]?.isNumber === true ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n')
}

function addressOf(entry: Entry): string {
  const ip = text(entry['ip'])
  return `${ip.includes(':') ? `[${ip}]` : ip}:${text(entry['port'])}`
}

function expiryOf(entry: Entry): string {
  return entry['expiry_s'] === null ? 'never' : duration(entry['expiry_s'])
}

/**
 * Names come from devices, and this goes to a terminal: what it would take for a command, or for another
 * direction of writing, is shown as its code.
 */
function text(value: unknown): string {
  if (value === null || value === undefined) return UNKNOWN
  return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0
    return `\\u{${code.toString(16)}}`
  })
}

function count(value: unknown): string {
  return typeof value === 'number' ? String(value).replace(/\B(?=(\d{3})+$)/g, ',') : UNKNOWN
}

function bytes(value: unknown): string {
  if (typeof value !== 'number') return UNKNOWN
  const units = ['B', 'K', 'M', 'G', 'T']
  let amount = value
  let unit = 0
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024
    unit++
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)}${units[unit]}`
}

function age(time: unknown, nowMs: number): string {
  const since = typeof time === 'string' ? Date.parse(time) : Number.NaN
  return Number.isNaN(since) ? UNKNOWN : duration(Math.max(0, (nowMs - since) / 1000))
}

/** `59s`, `5m03s`, `2h07m`, `9d04h`. */
function duration(seconds: unknown): string {
  if (typeof seconds !== 'number') return UNKNOWN
  const s = Math.round(seconds)
  const two = (part: number): string => String(Math.floor(part)).padStart(2, '0')
  if (s < 60) return `${s}s`
  if (s < 3_600) return `${Math.floor(s / 60)}m${two(s % 60)}s`
  if (s < 86_400) return `${Math.floor(s / 3_600)}h${two((s % 3_600) / 60)}m`
  return `${Math.floor(s / 86_400)}d${two((s % 86_400) / 3_600)}h`
}
