/** The MQTT front door: MQTT clients in the subject space of the core. */
export { MqttCounters } from './counters.ts'
export { MqttFrontDoor } from './front-door.ts'
export { DEFAULT_LIMITS, limitsOf, type MqttLimits } from './limits.ts'
