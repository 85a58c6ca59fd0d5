/** What operators see and do: lists of clients, sessions and retained messages, and the requests for them. */
export {
  type ClientEntry,
  type MqttDirectory,
  type Page,
  type PageQuery,
  type RetainedEntry,
  type SessionEntry,
  takePage,
} from './directory.ts'
export { OPERATIONS, OperationsDesk } from './operations-desk.ts'
