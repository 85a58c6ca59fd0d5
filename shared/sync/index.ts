/** The sync protocol between a leaf and its hub: formats and decisions, all of them pure. */
export {
  type BatchHeader,
  type BatchRecord,
  encodeBatch,
  GAP_BYTES,
  type Gap,
  type GapCause,
  ReceivedBatch,
  recordBytes,
} from './batch.ts'
export { isHeaderBlock, isPublishable } from './batch-checks.ts'
export { fingerprint } from './fingerprint.ts'
export {
  type BatchReply,
  decode,
  decodeBatchReply,
  decodeHello,
  decodeHelloReply,
  encodeJson,
  type Hello,
  type HelloBuffer,
  type HelloReply,
  type Welcome,
  type WelcomeBuffer,
} from './hello.ts'
export {
  countDuplicates,
  type Decision,
  decide,
  isBalanced,
  type LedgerEntry,
  lostOf,
  openEntry,
  settle,
} from './ledger.ts'
export * from './limits.ts'
export { isFromLeaf, OriginHeaders } from './origin-headers.ts'
export {
  isStamped,
  rulesOfStamp,
  type StampedRules,
  stampOf,
  withStamp,
} from './publish-stamp.ts'
export {
  decodeReport,
  encodeReport,
  type Report,
  type ReportBuffer,
  type ReportStore,
} from './report.ts'
export * from './subjects.ts'
