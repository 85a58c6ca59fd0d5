/**
 * The switchboard: what is typed, validated and defaulted but does not work yet, a row for each. A
 * feature that is asked for is refused by name; nothing is ever half done. Whoever makes a feature
 * work removes its row.
 */
import { notSupported } from '../jetstream-error.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import type { StreamConfig } from './stream-config.ts'

interface Row<Config> {
  readonly feature: string
  readonly isAsked: (config: Config) => boolean
}

const STREAM_ROWS: readonly Row<StreamConfig>[] = [
  { feature: 'compression s2', isAsked: ({ compression }) => compression === 's2' },
]

const CONSUMER_ROWS: readonly Row<ConsumerConfig>[] = []

/** Throws 10052 with the name of what this version does not do. */
export function refuseUnsupportedStream(config: StreamConfig): void {
  const row = STREAM_ROWS.find(({ isAsked }) => isAsked(config))
  if (row !== undefined) throw notSupported(10052, row.feature)
}

/** Throws 10012 with the name of what this version does not do. */
export function refuseUnsupportedConsumer(config: ConsumerConfig): void {
  const row = CONSUMER_ROWS.find(({ isAsked }) => isAsked(config))
  if (row !== undefined) throw notSupported(10012, row.feature)
}
