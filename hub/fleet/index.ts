/** Who the leaves are, and how they are. */
export { type AuditLine, audit } from './audit.ts'
export { Fleet, type FleetDependencies, type LedgerSource } from './fleet.ts'
export { type DeskAnswers, FleetDesk, namesAccount } from './fleet-desk.ts'
export { FleetMarks } from './fleet-marks.ts'
export { fleetMetrics } from './fleet-metrics.ts'
export type {
  AccountLabel,
  BufferStatus,
  FleetStatus,
  LeafState,
  LeafStatus,
  StoreStatus,
} from './fleet-status.ts'
export { renderFleetStatus } from './fleet-status-table.ts'
export { type LeafCard, type LeafRecord, Registry } from './registry.ts'
