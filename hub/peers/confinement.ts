import type { Subscription } from '../../shared/broker/index.ts'
import {
  HELLO_ANYWHERE_SUBJECT,
  RELEASE_SUBJECT,
  REPORT_SUBJECT,
  STATUS_SUBJECT,
} from '../../shared/sync/index.ts'

/**
 * Services that each hub has for itself: a request for "the hub that I am at" must not reach another
 * one. Those that name a home or a domain are asked for from everywhere.
 */
const CONFINED: ReadonlySet<string> = new Set([
  HELLO_ANYWHERE_SUBJECT,
  REPORT_SUBJECT,
  STATUS_SUBJECT,
  RELEASE_SUBJECT,
])
const API_PREFIX = '$JS.API.'
/** Acks without a domain mean the consumer of the server that one is at. */
const SHORT_ACKS = '$JS.ACK.*.*.*.*.*.*.*'
const ACKS_WITHOUT_DOMAIN = '$JS.ACK._.'

/** Subscriptions of this hub that its leaves hear of, and no other hub. */
export function isConfinedToHub({ peer, subject, isConfined }: Subscription): boolean {
  if (isConfined === true) return true
  if (peer.kind !== 'local') return false
  if (subject === SHORT_ACKS || subject.startsWith(ACKS_WITHOUT_DOMAIN)) return true
  return CONFINED.has(subject) || subject.startsWith(API_PREFIX)
}
