/** The commit journal: everything durable goes through it. */
export { decodeElements as decodeS2Elements } from './compression/s2-elements.ts'
export type { StoreEncryption } from './encryption/keyring.ts'
export type { EncryptionStats } from './encryption/rekeying.ts'
export type { CipherName } from './encryption/segment-cipher.ts'
export { HUB_SEGMENT_BYTES, LEAF_SEGMENT_BYTES } from './limits.ts'
export { onDisk } from './on-disk.ts'
export { openStore } from './open-store.ts'
export { RetentionClock } from './retention-clock.ts'
export { StreamFullError } from './staged-messages.ts'
export type { Store, StoreCondition, StoreStats } from './store.ts'
export type { StoreOptions } from './store-memory.ts'
export type {
  Committed,
  Compression,
  Eviction,
  LaidOut,
  MessageId,
  MessageOverhead,
  ReadOptions,
  StagedBytes,
  StateTable,
  StoredMessage,
  StreamBatch,
  StreamLimits,
  StreamOptions,
  StreamState,
  StreamStore,
  SyncPolicy,
} from './stream-store.ts'
export { renderCheck, renderRepair } from './upkeep/report-text.ts'
export {
  checkStore,
  type StoreReport,
  type UpkeepOptions,
} from './upkeep/store-check.ts'
export { type ExportOptions, type ExportSummary, exportStore } from './upkeep/store-export.ts'
export { type RepairReport, repairStore } from './upkeep/store-repair.ts'
