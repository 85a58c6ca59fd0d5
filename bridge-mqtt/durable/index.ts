/**
 * Sessions that outlive their connections: one log for each account, on which each session is a cursor.
 *
 * - `DurableLogs.open` brings back all of them before a port is open; `of(account)` is where a front door
 *   finds and makes sessions.
 * - a `DurableSession` keeps filters, the will, and what is in flight; `attach` a `DeliveryLine` to it, tell
 *   it what the client acknowledges, and `detach` when the connection ends.
 * - who publishes is an `MqttPublisher`: the log asks it what its message is, and lets its acknowledgement wait.
 */
export {
  AccountLog,
  type AccountLogStats,
  type NewSession,
  type PublishWill,
  type Sessions,
} from './account-log.ts'
export type { DeliveryLine, LoggedMessage, StoredFilter } from './delivery-line.ts'
export { DurableLogs, type DurableLogsParts } from './durable-logs.ts'
export type { DurableSession } from './durable-session.ts'
export type { SessionCommitted } from './filter-journal.ts'
export { DURABLE_DEFAULTS, type DurableLimits, NEVER_EXPIRES } from './limits.ts'
export { type MqttPublisher, publisherOf } from './publisher.ts'
export type { KeptMessage } from './session-host.ts'
export type { StoredSubjects } from './stored-subjects.ts'
