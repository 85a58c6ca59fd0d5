/** The system account: requests about servers and accounts, administration, events. */
export type { ServerAdmin, SystemPorts } from './ports.ts'
export { ServerStamp } from './server-stamp.ts'
export { SystemServices } from './system-services.ts'
