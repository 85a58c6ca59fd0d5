/**
 * The short form of an ack, `$JS.ACK.<stream>.<consumer>.<five more>`, names no server: it means "the
 * consumer of the server I am connected to", and both ends of a link may have one of that name. So a
 * short ack goes over links only to those who asked for the acks of just this consumer, as a
 * nats-server does; somebody who listens to `>` there is no reason to bring it. The long form names
 * its domain and crosses by interest like anything else. Source: nats-server's consumer.go.
 */

/** What a Petiole without a domain listens to, for all its consumers at once: never told to others. */
export const SHORT_ACKS = '$JS.ACK.*.*.*.*.*.*.*'

const PREFIX = Buffer.from('$JS.ACK.')
const CONSUMER_END = 4
const DOTS = 8
const DOT = 46

/** The interest in the acks of the consumer that a short ack is for; undefined for other subjects. */
export function shortAckInterest(subject: Uint8Array): string | undefined {
  if (subject.length <= PREFIX.length) return undefined
  for (let i = 0; i < PREFIX.length; i++) if (subject[i] !== PREFIX[i]) return undefined
  let dots = 0
  let end = 0
  for (let i = 0; i < subject.length; i++) {
    if (subject[i] !== DOT) continue
    dots++
    if (dots === CONSUMER_END) end = i
  }
  if (dots !== DOTS) return undefined
  return `${Buffer.from(subject.buffer, subject.byteOffset, end).toString()}.*.*.*.*.*`
}
