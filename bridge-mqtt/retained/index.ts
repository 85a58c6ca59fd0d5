/** Retained messages: the newest of each topic, for who subscribes later. */
export type { RetainedLimits } from './limits.ts'
export type {
  ReplayPosition,
  RetainedMessage,
  RetainedReplay,
  RetainedStore,
} from './retained-store.ts'
export { RetainedStores, type RetainedStoresParts } from './retained-stores.ts'
