/** JetStream-compatible streams and consumers on a store, behind a port to the messaging side. */
export {
  type AccountLimits,
  type BatchLimits,
  NO_TIER_LIMITS,
  type ServerLimits,
  type TierLimits,
  UNLIMITED,
} from './account-limits.ts'
export { purgeAccount } from './account-purge.ts'
export {
  type AbsentAnswer,
  answerPurge,
  answerSystem,
  answerWithoutStreams,
} from './api/absent-api.ts'
export type { DescribeRequester } from './api/api-audit.ts'
export { streamState } from './api/stream-info.ts'
export type { StreamMode } from './config/stored-config.ts'
export type { StreamConfig } from './config/stream-config.ts'
export type { StreamRequest } from './config/stream-request.ts'
export { StreamEngine, type StreamEngineOptions } from './engine.ts'
export { JetStreamError } from './jetstream-error.ts'
export { DEDUP_IDS_MAX } from './limits.ts'
export type {
  CapturedMessage,
  Flow,
  HeardMessage,
  InterestWatch,
  Outlet,
  OutletOptions,
  PortMessage,
  StreamPort,
} from './port.ts'
export { Deadlines } from './publish/deadlines.ts'
export { type AppendSubject, Stream } from './stream.ts'
export { Turns } from './turns.ts'
