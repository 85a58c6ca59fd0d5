/**
 * What the log adds to a message's header block, so that it can be delivered when its publisher is gone:
 *
 *     Petiole-Qos            where the publisher told none: the QoS was found out when it was stored
 *     Petiole-Retain: 1      it was published with RETAIN
 *     Petiole-From           client id of its publisher, percent-encoded; only where one asked for no local
 *     Mqtt-Response-Topic    the topic of the reply subject
 *
 * Lines go behind those that are there, and no byte of those is changed.
 */
import { subjectToTopic } from '../topic-map.ts'

const BEGIN = Buffer.from('NATS/1.0\r\n')
const END = Buffer.from('\r\n')
const QOS = Buffer.from('\r\nPetiole-Qos:')
const FROM = Buffer.from('\r\nPetiole-From: ')
const RESPONSE_TOPIC = Buffer.from('\r\nMqtt-Response-Topic:')
const NO_LINES = ''

export interface LoggedFacts {
  /** As which it is stored. */
  readonly qos: number
  readonly isRetain: boolean
  /** '' for none. */
  readonly from: string
  readonly reply: Uint8Array
}

/** The block to store; `headers` itself when there is nothing to add. */
export function loggedHeaders(headers: Uint8Array, facts: LoggedFacts): Uint8Array {
  const block = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  const lines = linesFor(block, facts)
  if (lines === NO_LINES) return headers
  if (block.length === 0) return Buffer.concat([BEGIN, Buffer.from(lines), END])
  // The last two bytes are the empty line that ends the block.
  return Buffer.concat([block.subarray(0, block.length - END.length), Buffer.from(lines), END])
}

function linesFor(block: Buffer, { qos, isRetain, from, reply }: LoggedFacts): string {
  let lines = NO_LINES
  if (!block.includes(QOS)) lines += `Petiole-Qos: ${qos}\r\n`
  if (isRetain) lines += 'Petiole-Retain: 1\r\n'
  if (from !== '') lines += `Petiole-From: ${encodeURIComponent(from)}\r\n`
  if (reply.length > 0 && !block.includes(RESPONSE_TOPIC)) {
    const topic = subjectToTopic(reply)
    if (topic !== undefined && !topic.includes(0x0d) && !topic.includes(0x0a)) {
      lines += `Mqtt-Response-Topic: ${topic.toString()}\r\n`
    }
  }
  return lines
}

/** Whether a stored message was published by this client, and somebody asked for no local then. */
export function isFrom(headers: Uint8Array, clientId: string): boolean {
  if (headers.length === 0) return false
  const block = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  const found = block.indexOf(FROM)
  if (found < 0) return false
  const start = found + FROM.length
  const from = Buffer.from(encodeURIComponent(clientId))
  return block.subarray(start, block.indexOf(END, start)).equals(from)
}
