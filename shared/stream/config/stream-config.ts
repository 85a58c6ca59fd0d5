/**
 * A stream's configuration in JetStream's own terms: keys as on the wire, durations in nanoseconds.
 * A request is decoded strictly, defaulted and checked in this folder, once; all other code takes the
 * whole `StreamConfig`.
 */
import { TAKING_STEPS } from '../limits.ts'
import type { Metadata } from './asset-text.ts'
import type { StreamSource, SubjectTransform } from './stream-source.ts'

/** What is `?` is left out when it is zero, empty or false, as on the wire. */
export interface StreamConfig {
  readonly name: string
  readonly description?: string
  /** Empty for a mirror, and for a stream that only has sources; left out on the wire then. */
  readonly subjects: readonly string[]
  readonly retention: 'limits' | 'interest' | 'workqueue'
  readonly max_consumers: number
  readonly max_msgs: number
  readonly max_bytes: number
  readonly max_age: number
  readonly max_msgs_per_subject: number
  readonly max_msg_size: number
  readonly discard: 'old' | 'new'
  /** `memory` is kept in the journal too: it outlives a restart, which no reader minds. */
  readonly storage: 'file' | 'memory'
  readonly num_replicas: number
  readonly no_ack?: boolean
  /** 0 for none; left out on the wire then. */
  readonly duplicate_window: number
  readonly placement?: Placement
  readonly mirror?: StreamSource
  readonly sources?: readonly StreamSource[]
  readonly compression: 'none' | 's2'
  readonly first_seq?: number
  readonly subject_transform?: SubjectTransform
  readonly republish?: Republish
  readonly allow_direct: boolean
  readonly mirror_direct: boolean
  readonly discard_new_per_subject?: boolean
  readonly sealed: boolean
  readonly deny_delete: boolean
  readonly deny_purge: boolean
  readonly allow_rollup_hdrs: boolean
  readonly consumer_limits: ConsumerLimits
  readonly allow_msg_ttl: boolean
  readonly subject_delete_marker_ttl?: number
  readonly allow_msg_counter?: boolean
  readonly allow_atomic?: boolean
  readonly allow_msg_schedules?: boolean
  readonly persist_mode?: 'async'
  readonly allow_batched?: boolean
  readonly metadata?: Metadata
}

/** Where a cluster would put the stream: kept and shown by a server that has no cluster. */
export interface Placement {
  readonly cluster?: string
  readonly tags?: readonly string[]
}

/** What is stored under `src` is published again as `dest` makes of it, once it is on disk. */
export interface Republish {
  readonly src: string
  /** '' republishes nothing. */
  readonly dest: string
  readonly headers_only?: boolean
}

export interface ConsumerLimits {
  readonly inactive_threshold?: number
  readonly max_ack_pending?: number
}

/** Whether so much is to be done about it that others get the loop between. */
export function isLarge({ subjects, sources = [] }: StreamConfig): boolean {
  return subjects.length + sources.length > TAKING_STEPS
}

/** As answers show it: Go's omitempty. */
export function wireStreamConfig(config: StreamConfig): Readonly<Record<string, unknown>> {
  const { subjects, duplicate_window, ...rest } = config
  return {
    ...rest,
    ...(subjects.length > 0 ? { subjects } : {}),
    ...(duplicate_window === 0 ? {} : { duplicate_window }),
  }
}

/** The least API level of a server that can do this [jetstream_versioning.go]. */
export function streamApiLevel(config: StreamConfig): number {
  if (config.allow_batched) return 4
  const { allow_msg_counter, allow_atomic, allow_msg_schedules, persist_mode } = config
  if (allow_msg_counter || allow_atomic || allow_msg_schedules || persist_mode) return 2
  return config.allow_msg_ttl || config.subject_delete_marker_ttl ? 1 : 0
}
