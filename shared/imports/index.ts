/** Exports and imports between accounts: streams by shadows, services by replies of their own. */
export {
  clientInfo,
  type Describe,
  type PeerDescription,
  parseClientInfo,
  type ServerPlace,
} from './client-info.ts'
export { describeClients } from './describe-clients.ts'
export { type ActivatedUntil, type ImportFault, importFaults } from './import-rules.ts'
export { ImportedOrigin, rootOf } from './imported-origin.ts'
export { type BuiltInImport, Imports, type ImportsOptions } from './imports.ts'
