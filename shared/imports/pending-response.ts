import type { Peer } from '../broker/index.ts'
import type { ServiceExport } from './service-export.ts'
import type { Sample } from './service-latency.ts'

/** A request that went from one account to another, and where its answer goes. */
export interface PendingResponse {
  /** What the responder answers to: `_R_.…`, in the responder's account. */
  readonly subject: string
  readonly responder: string
  /** What the requester listens to, in his account. */
  readonly reply: string
  readonly requester: string
  readonly service: ServiceExport
  readonly share: boolean
  /** Who asked. */
  readonly origin: Peer
  /** Undefined when the request is not measured, or has been. */
  sample: Sample | undefined
  /** On the monotonic clock; of the last answer, when there are several. */
  sentMs: number
}
