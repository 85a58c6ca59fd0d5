/** What the JetStream API level of a nats-server version is, and what its answers carry because of it. */
export interface ApiLevel {
  readonly version: string
  readonly level: number
  /** Whether answers carry `_nats.*` metadata: since 2.11. */
  readonly hasMetadata: boolean
}

const LEVELS: readonly (readonly [minor: number, level: number])[] = [
  [15, 5],
  [14, 4],
  [12, 2],
  [11, 1],
]

export function apiLevelOf(version: string): ApiLevel {
  const minor = Number(/^2\.(\d+)\./.exec(version)?.[1] ?? 0)
  const level = LEVELS.find(([from]) => minor >= from)?.[1] ?? 0
  return { version, level, hasMetadata: minor >= 11 }
}

/**
 * The metadata as an answer shows it; undefined leaves the key out.
 * @param required the least level that the configuration needs
 */
export function answeredMetadata(
  metadata: Readonly<Record<string, string>> | undefined,
  { version, level, hasMetadata }: ApiLevel,
  required: number,
): Readonly<Record<string, string>> | undefined {
  if (!hasMetadata) return metadata
  return {
    ...metadata,
    '_nats.level': String(level),
    '_nats.req.level': String(required),
    '_nats.ver': version,
  }
}

/** The same in a list, which says of each configuration only what it needs. */
export function listedMetadata(
  metadata: Readonly<Record<string, string>> | undefined,
  { hasMetadata }: ApiLevel,
  required: number,
): Readonly<Record<string, string>> | undefined {
  return hasMetadata ? { ...metadata, '_nats.req.level': String(required) } : metadata
}
