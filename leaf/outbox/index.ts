/** Brings what the buffers hold to their home, exactly once and in order. */
export { FleetReporter, type FleetReporterDependencies } from './fleet-reporter.ts'
export type { LeafIdentity } from './leaf-identity.ts'
export { Outbox, type OutboxDependencies, type OutboxState } from './outbox.ts'
