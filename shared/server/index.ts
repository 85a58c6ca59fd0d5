/** The core that hub and leaf share, and the doors that roles add to it. */
export type { Core, DoorTraffic, FrontDoor, Machine } from './core.ts'
export { leaveAsLameDuck } from './lame-duck.ts'
export type { ServerPorts } from './listeners.ts'
export type { PeerSources } from './monitor-sources.ts'
export { ServerCore, type ServerCoreOptions } from './server-core.ts'
export type { UplinkRules } from './server-links.ts'
export { SpaceStreamPort } from './space-stream-port.ts'
export { systemMachine } from './system-machine.ts'
