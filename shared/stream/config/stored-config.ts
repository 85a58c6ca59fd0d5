/** A stream's configuration as it lies in the store, and what the store itself must know of it. */
import type { StreamLimits } from '../../store/index.ts'
import { NS_PER_MS } from '../limits.ts'
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
  }
}

/** Some messages may outlive `max_age`, or what it takes leaves markers. */
export function isAgedByStream(config: StreamConfig): boolean {
  return config.allow_msg_ttl || (config.subject_delete_marker_ttl ?? 0) > 0
}
