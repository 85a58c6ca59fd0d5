import type { Publication, PublishOptions } from '../broker/index.ts'
import type { LinkOrigin } from './account-links.ts'

/** How a message came that asks for a trace. */
export interface Arrival {
  readonly account: string
  readonly origin: LinkOrigin
  /** Its subject before the account's mappings changed it. */
  readonly mappedFrom: Uint8Array | undefined
}

/** Message traces, as links see them: what arrives with a header that asks for one is handed over. */
export interface ArrivalTracer {
  /** `traceparent` counts in this account: any message with headers may ask by that. */
  followsTraceParent(account: string): boolean
  /** Routes the message and tells what became of it; false when it asks for no trace after all. */
  publish(arrival: Arrival, publication: Publication, options: PublishOptions): boolean
}

const FIELD = Buffer.from('\nNats-Trace-Dest:')

/** Whether a header block has the field that asks for a trace. */
export function asksForTrace(headers: Uint8Array): boolean {
  return Buffer.prototype.includes.call(headers, FIELD)
}
