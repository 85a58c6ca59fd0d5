import type { ConfigInput } from './config.ts'
import type { BlockNode, ConfigEntry } from './tree.ts'

/** `over` laid upon `base`: blocks key by key, everything else whole. Keys in `over` are canonical. */
export function mergeTrees(base: BlockNode, over: BlockNode): BlockNode {
  const entries = [...base.entries]
  for (const entry of over.entries) {
    const i = entries.findIndex((other) => isSame(other.key, entry.key))
    const below = entries[i]
    if (below === undefined) entries.push(entry)
    else entries[i] = mergeEntries(below, entry)
  }
  return { ...base, entries }
}

/** Takes out of `base` what is null in `over`. */
export function removeNulls(base: BlockNode, over: ConfigInput): BlockNode {
  const entries = base.entries.flatMap((entry) => {
    const key = Object.keys(over).find((name) => isSame(entry.key, name))
    const value = key === undefined ? undefined : over[key]
    if (value === null) return []
    const isInner = typeof value === 'object' && !Array.isArray(value)
    if (!isInner || entry.value.kind !== 'block') return [entry]
    return [{ ...entry, value: removeNulls(entry.value, value as ConfigInput) }]
  })
  return { ...base, entries }
}

/** Overrides are few; these are the only keys among them that files also spell in other ways. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  host: ['net'],
  http_port: ['monitor_port'],
  log_file: ['logfile'],
  pid_file: ['pidfile'],
  leafnodes: ['leaf'],
  websocket: ['ws'],
  store_dir: ['store', 'storedir'],
  password: ['pass'],
  user: ['username'],
  logfile_size_limit: ['log_size_limit'],
  certs: ['certificates'],
  advertise: ['cluster_advertise'],
}

function isSame(written: string, key: string): boolean {
  const lower = written.toLowerCase()
  return lower === key || (SPELLINGS[key]?.includes(lower) ?? false)
}

function mergeEntries(below: ConfigEntry, over: ConfigEntry): ConfigEntry {
  if (over.value.kind !== 'block') return over
  if (below.value.kind === 'block') return { ...below, value: mergeTrees(below.value, over.value) }
  // `jetstream: true` is short for a block: what it says stays, unless it is set anew.
  const spelt = { ...below.value, kind: 'block' as const, entries: [{ ...below, key: 'enabled' }] }
  return below.value.kind === 'list' ? over : { ...below, value: mergeTrees(spelt, over.value) }
}
