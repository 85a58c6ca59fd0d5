import * as v from 'valibot'
import { decode, Name, ServerName, Text } from './hello.ts'
import { BUFFERS_PER_LEAF_MAX } from './limits.ts'

/** What a leaf tells about itself, every few seconds and when something changed. Unknown is null. */

const Count = v.pipe(v.number(), v.minValue(0))

const ReportBufferSchema = v.object({
  name: Name,
  incarnation: Name,
  first_seq: Count,
  last_seq: Count,
  synced_seq: Count,
  backlog_msgs: Count,
  backlog_bytes: Count,
  /** ISO 8601; null when nothing waits, or its time is not known yet. */
  oldest_unsynced_at: v.nullable(Text),
  /** Dropped by a quota and not yet settled with the hub. */
  evicted_pending: Count,
  /** Damaged on disk and not yet settled with the hub. */
  damaged_pending: Count,
  /** Why the hub does not take the next record; null when it does. */
  refusal: v.nullable(v.object({ subject: Text, reason: Text })),
  /** False: no rule captures into it any more, it only drains. */
  is_configured: v.boolean(),
})

/** How the leaf's disk is; since its start, but for `written_bytes`, which is all there ever was. */
const ReportStoreSchema = v.object({
  condition: v.picklist(['open', 'full', 'failed']),
  damaged_records: Count,
  mended_files: Count,
  quarantine_bytes: Count,
  disk_bytes: Count,
  /** What it can still grow by; null when that is not known. */
  free_bytes: v.nullable(Count),
  written_bytes: Count,
  /** All that is written, per byte of journal. */
  write_amplification: Count,
})

const ReportSchema = v.object({
  v: v.literal(1),
  name: ServerName,
  id: ServerName,
  boot: ServerName,
  version: Text,
  region: Text,
  /** The hub that has its watermarks; '' before the first welcome. */
  home: v.optional(Text, ''),
  /** The token of the probe that this answers; '' for none. */
  probe: v.optional(Text, ''),
  /** null: a leaf of before this was told. */
  store: v.optional(v.nullable(ReportStoreSchema), null),
  buffers: v.pipe(v.array(ReportBufferSchema), v.maxLength(BUFFERS_PER_LEAF_MAX)),
})

export type Report = v.InferOutput<typeof ReportSchema>
export type ReportStore = v.InferOutput<typeof ReportStoreSchema>
export type ReportBuffer = v.InferOutput<typeof ReportBufferSchema>

export function encodeReport(report: Report): Buffer {
  return Buffer.from(JSON.stringify(report))
}

export function decodeReport(payload: Uint8Array): Report {
  return decode(ReportSchema, payload, 'report')
}
