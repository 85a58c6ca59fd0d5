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
