/**
 * How a message's QoS crosses the router. A publisher of this server is asked directly. On everything
 * else (over a leaf link, out of a buffer or a stream) the QoS is a header, set on messages above QoS 0
 * only, so that plain readings cost nothing and NATS subscribers see no headers on them.
 *
 * It is a header of our own: nats-server's `Nmqtt-Pub: 1` would make the MQTT subscribers of a
 * nats-server at the other end of a link skip the message, because they expect it from a stream of
 * theirs. Theirs is understood on the way in.
 */
const HEADER = 'Petiole-Qos'
const HEADER_NATS_SERVER = 'Nmqtt-Pub'

export const NO_HEADERS: Uint8Array = new Uint8Array(0)

/** The headers of a publish at QoS 1 and at QoS 2. */
export const QOS1_HEADERS: Uint8Array = Buffer.from(`NATS/1.0\r\n${HEADER}: 1\r\n\r\n`)
export const QOS2_HEADERS: Uint8Array = Buffer.from(`NATS/1.0\r\n${HEADER}: 2\r\n\r\n`)

const NAMES = [HEADER, HEADER_NATS_SERVER].map((name) => Buffer.from(`\r\n${name}:`))
const SPACE = 32
const ZERO = 48
const QOS_MAX = 2

/** The QoS that a header block tells, 0 when it tells none. */
export function qosOfHeaders(headers: Uint8Array): number {
  if (headers.length === 0) return 0
  const block = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  for (const name of NAMES) {
    let at = block.indexOf(name)
    if (at < 0) continue
    at += name.length
    if (block[at] === SPACE) at++
    const qos = (block[at] ?? 0) - ZERO
    if (qos >= 0 && qos <= QOS_MAX) return qos
  }
  return 0
}
