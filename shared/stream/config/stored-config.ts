/** A stream's configuration as it lies in the store, and what the store itself must know of it. */
import type { Committed, Store, StreamLimits, StreamStore, SyncPolicy } from '../../store/index.ts'
import { parseGoDuration } from '../go-duration.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { ASYNC_SYNC_MS, MESSAGE_OVERHEAD, NS_PER_MS, SYNC_EVERY_MS_MAX } from '../limits.ts'
import type { StreamConfig } from './stream-config.ts'

/** How a stream takes part in its account. */
export interface StreamMode {
  /** Whether it takes what is published by itself; otherwise its owner captures and ingests. */
  readonly isCapturing: boolean
  /** Whether its subjects may overlap those of other streams that say the same. */
  readonly mayOverlap: boolean
}

/** What lies in the store as the stream's configuration. */
export function encodeConfig(config: StreamConfig, mode: StreamMode): Uint8Array {
  return Buffer.from(JSON.stringify({ config, ...mode }))
}

export function decodeConfig(bytes: Uint8Array): { config: StreamConfig } & StreamMode {
  return JSON.parse(Buffer.from(bytes).toString()) as { config: StreamConfig } & StreamMode
}

/** JetStream's -1 for "no limit" is the store's 0. */
export function limitsOf(config: StreamConfig): StreamLimits {
  return {
    messagesMax: Math.max(0, config.max_msgs),
    bytesMax: Math.max(0, config.max_bytes),
    // Where age alone does not decide, the stream sees to it: see publish/expiry.ts.
    ageMaxMs: isAgedByStream(config) ? 0 : config.max_age / NS_PER_MS,
    messagesPerSubjectMax: Math.max(0, config.max_msgs_per_subject),
    messageBytesMax: Math.max(0, config.max_msg_size),
    discard: config.discard,
    discardNewPerSubject: config.discard_new_per_subject ?? false,
    overhead: MESSAGE_OVERHEAD[config.storage],
  }
}

/** Some messages may outlive `max_age`, or what it takes leaves markers. */
export function isAgedByStream(config: StreamConfig): boolean {
  return config.allow_msg_ttl || (config.subject_delete_marker_ttl ?? 0) > 0
}

/** Metadata under which a stream says how long its messages may wait for the disk: `always`, `500ms`. */
const SYNC_KEY = 'petiole.sync'

/**
 * When what the stream acknowledges is on disk. Throws 10052 when its metadata say what is no time.
 * @param serverEveryMs what the server says for streams that do not, 0: always
 */
export function syncOf({ metadata, persist_mode }: StreamConfig, serverEveryMs = 0): SyncPolicy {
  const asked = metadata?.[SYNC_KEY]
  if (asked === undefined) {
    if (persist_mode === 'async') return { everyMs: ASYNC_SYNC_MS }
    return serverEveryMs > 0 ? { everyMs: Math.min(serverEveryMs, SYNC_EVERY_MS_MAX) } : 'always'
  }
  if (asked === 'always') return 'always'
  const everyMs = (parseGoDuration(asked) ?? 0) / NS_PER_MS
  if (everyMs >= 1 && everyMs <= SYNC_EVERY_MS_MAX) return { everyMs }
  throw new JetStreamError(10052, `metadata ${SYNC_KEY} must be always, or 1ms to 10m`)
}

export function createStreamStore(
  root: Store,
  key: string,
  config: StreamConfig,
  mode: StreamMode,
  committed: Committed,
  serverEveryMs: number,
): StreamStore {
  const options = { sync: syncOf(config, serverEveryMs) }
  const bytes = encodeConfig(config, mode)
  const { first_seq = 0, compression } = config
  const all = { ...options, compression }
  if (first_seq === 0) return root.createStream(key, bytes, limitsOf(config), committed, all)
  // Both are in one commit: there is no such stream that begins at 1.
  const store = root.createStream(key, bytes, limitsOf(config), undefined, all)
  store.skipTo(first_seq, committed)
  return store
}
