/** Client mode: this server as a client of other brokers. */
export { MqttRemotes } from './mqtt-remotes.ts'
export { Remote } from './remote.ts'
export type { RemoteState } from './remote-state.ts'
