export type { Store, StoreCondition, StoreStats } from './store.ts'
export type {
  Committed,
  Eviction,
  ReadOptions,
  StateTable,
  StoredMessage,
  StreamBatch,
  StreamLimits,
  StreamState,
  StreamStore,
} from './stream-store.ts'
