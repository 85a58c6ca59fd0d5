/** Connections and the sessions attached to them. */
export { Connection } from './connection.ts'
export { type Admission, type ClientConnection, type MqttContext, Scratch } from './context.ts'
export { sessionLimits } from './session-guard.ts'
