/** JetStream-compatible streams and consumers on a store, behind a port to the messaging side. */
export type { AccountLimits } from './api-context.ts'
export { StreamEngine, type StreamEngineOptions, UNLIMITED } from './engine.ts'
export { JetStreamError } from './jetstream-error.ts'
export type { CapturedMessage, PortMessage, StreamPort } from './port.ts'
export type { StreamMode } from './stored-config.ts'
export { type AppendSubject, Stream } from './stream.ts'
export type { StreamConfig, StreamRequest } from './stream-config.ts'
export { streamState } from './stream-info.ts'
