/** What operators see and do: lists of clients, sessions and retained messages, and the requests for them. */
export {
  type Act,
  act,
  type Listing,
  type ListName,
  type ListOptions,
  listOf,
  type OperatorLine,
} from './command.ts'
export {
  type ClientEntry,
  type MqttDirectory,
  type Page,
  type PageQuery,
  type RetainedEntry,
  type SessionEntry,
  takePage,
} from './directory.ts'
export { OperationsDesk } from './operations-desk.ts'
export { renderDone, renderListing } from './tables.ts'
