/** What a stream writes besides messages. */
import { encodeRuns, type SeqRun } from './delete-runs.ts'
import { DELETE_SEQS_MAX } from './limits.ts'
import { RecordType } from './record.ts'
import type { Compression, StreamLimits, SyncPolicy } from './stream-store.ts'
import type { RecordDraft } from './writer.ts'

const NO_BYTES = new Uint8Array(0)

export interface StreamDefinition {
  readonly name: string
  readonly createdMs: number
  readonly limits: StreamLimits
  /** undefined: always. */
  readonly sync?: SyncPolicy
  /** undefined: none. */
  readonly compression?: Compression
  readonly config: Uint8Array
}

/** How a definition lies in records and indexes beside its name and configuration. */
export type DefinitionHeader = Omit<StreamDefinition, 'name' | 'config'>

export function encodeDefinitionHeader(header: DefinitionHeader): Uint8Array {
  const { createdMs, limits, sync, compression } = header
  return Buffer.from(JSON.stringify({ createdMs, limits, sync, compression }))
}

export function decodeDefinitionHeader(bytes: Uint8Array): DefinitionHeader {
  return JSON.parse(Buffer.from(bytes).toString()) as DefinitionHeader
}

export function definitionDraft(
  streamId: number,
  definition: StreamDefinition,
  flags: number,
): RecordDraft {
  return {
    type: RecordType.stream,
    flags,
    streamId,
    seq: 0,
    subject: Buffer.from(definition.name),
    headers: encodeDefinitionHeader(definition),
    payload: definition.config,
    timeMs: undefined,
  }
}

/** The floor, with the last sequence ever given out: that one must not be given out again. */
export function floorDraft(
  streamId: number,
  floor: number,
  lastSeq: number,
  lastTimeMs: number,
): RecordDraft {
  const payload = new Uint8Array(16)
  const view = new DataView(payload.buffer)
  view.setFloat64(0, lastSeq, true)
  view.setFloat64(8, lastTimeMs, true)
  return draft(RecordType.purge, streamId, floor, payload)
}

export function deleteDrafts(streamId: number, runs: readonly SeqRun[]): RecordDraft[] {
  const drafts: RecordDraft[] = []
  for (let i = 0; i < runs.length; i += DELETE_SEQS_MAX) {
    const part = runs.slice(i, i + DELETE_SEQS_MAX)
    drafts.push(draft(RecordType.delete, streamId, part[0]?.[0] ?? 0, encodeRuns(part)))
  }
  return drafts
}

function draft(type: RecordType, streamId: number, seq: number, payload: Uint8Array): RecordDraft {
  return {
    type,
    flags: 0,
    streamId,
    seq,
    subject: NO_BYTES,
    headers: NO_BYTES,
    payload,
    timeMs: undefined,
  }
}
