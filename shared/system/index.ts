/** The system account: requests about servers and accounts, administration, events. */
export type { Claims, ServerAdmin, SystemPorts } from './ports.ts'
export { SystemServices } from './system-services.ts'
