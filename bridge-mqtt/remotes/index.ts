/** Client mode: this server as a client of other brokers. */
export { MqttRemotes } from './mqtt-remotes.ts'
