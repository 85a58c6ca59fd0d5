/** Connections and the sessions attached to them. */
export { Connection } from './connection.ts'
export { ENDING, type Ending, leavingEnding } from './connection-ending.ts'
export {
  type Admission,
  type ClientConnection,
  type MqttContext,
  type Refusal,
  Scratch,
} from './context.ts'
export { sessionLimits } from './session-guard.ts'
export { WillDesk } from './will-desk.ts'
