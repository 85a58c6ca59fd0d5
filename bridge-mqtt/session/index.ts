/** Connections and the sessions attached to them. */
export { Connection } from './connection.ts'
export { ENDING, type Ending, leavingEnding } from './connection-ending.ts'
export type { Terms } from './connection-terms.ts'
export {
  type Admission,
  type Applicant,
  type ClientConnection,
  type Kept,
  type MqttContext,
  type Refusal,
  Scratch,
} from './context.ts'
export { KeptMessages } from './outbound-kept.ts'
export { sessionLimits } from './session-guard.ts'
export { WillOwners } from './will-owners.ts'
