/** The hub's end of the sync protocol, and the ledger that it keeps. */

export type { IngestStream, IngestStreams } from './batch-storing.ts'
export type { BlockedReason } from './blocked-buffers.ts'
export { CommitRoom } from './commit-room.ts'
export {
  type Admission,
  Ingest,
  type IngestDependencies,
  type IngestOptions,
  type LeafAdmission,
} from './ingest.ts'
export { type BufferTotals, type LedgerAccount, LedgerBook } from './ledger-book.ts'
