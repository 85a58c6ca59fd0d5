/** The MQTT front door: MQTT clients in the subject space of the core. */
export { MqttCounters } from './counters.ts'
export { MqttFrontDoor } from './front-door.ts'
export { DEFAULT_LIMITS, limitsOf, type MqttLimits } from './limits.ts'
export {
  type Act,
  act,
  type ListName,
  type ListOptions,
  listOf,
  type OperatorLine,
  renderDone,
  renderListing,
} from './operations/index.ts'
export { MqttRemotes } from './remotes/index.ts'
