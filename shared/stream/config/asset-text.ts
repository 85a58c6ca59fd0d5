/** Names, descriptions and metadata: what streams and consumers have alike. */
import { DESCRIPTION_BYTES_MAX, METADATA_BYTES_MAX } from '../limits.ts'

export type Metadata = Readonly<Record<string, string>>

/** What a server adds to its answers by itself; whatever else begins with `_nats.` is the client's. */
const SERVER_KEYS = ['_nats.req.level', '_nats.ver', '_nats.level']

/** Whether a stream or consumer may have this name. */
export function isAssetName(name: string): boolean {
  return name !== '' && !/[ \t\r\n\f.*>\\/]/.test(name)
}

export function isLongDescription(description: string | undefined): boolean {
  return Buffer.byteLength(description ?? '') > DESCRIPTION_BYTES_MAX
}

/** The server's own `_nats.req.level` counts, as it does in nats-server. */
export function isLongMetadata(given: Metadata | undefined): boolean {
  let bytes = '_nats.req.level'.length + 1
  for (const [key, value] of Object.entries(given ?? {})) {
    if (!SERVER_KEYS.includes(key)) bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  return bytes > METADATA_BYTES_MAX
}

/** Metadata as it is kept: in one order, without the server's own; nothing when nothing is left. */
export function keptMetadata(metadata: Metadata | undefined): { readonly metadata?: Metadata } {
  const kept = Object.entries(metadata ?? {}).filter(([key]) => !SERVER_KEYS.includes(key))
  if (kept.length === 0) return {}
  return { metadata: Object.fromEntries(kept.sort(([a], [b]) => (a < b ? -1 : 1))) }
}

/** Go's omitempty: zero, empty and false are left out. */
export function optional<Key extends string, Value extends string | number | boolean>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value ? ({ [key]: value } as { readonly [K in Key]: Value }) : {}
}
