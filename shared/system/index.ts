/** The system account: requests about servers and accounts, administration, events. */
export type { ServerAdmin, SystemPorts } from './ports.ts'
export { SystemServices } from './system-services.ts'
