/** The hub role. */
export { type FleetStatus, renderFleetStatus } from './fleet/index.ts'
export { Hub, type HubOptions } from './hub.ts'
