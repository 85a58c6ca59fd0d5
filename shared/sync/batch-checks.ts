import { SUBJECT_BYTES_MAX } from './limits.ts'

/**
 * What a record must be before a hub stores it and hands it to clients: a subject or a header block
 * that is not one would break the protocol of every connection that it is delivered to. A leaf asks
 * the same before it stores a message in a buffer: a record that no hub takes would block it for good.
 */

const DOT = 46
const STAR = 42
const MORE = 62
const TAB = 9
const CR = 13
const SPACE = 32
const VERSION = Buffer.from('NATS/1.0')
const END = Buffer.from('\r\n\r\n')

/**
 * A literal subject of a sensible length: no empty token, no wildcard token, no white space. Other
 * control characters mean nothing in the protocol, and NATS clients may use them.
 */
export function isPublishable(
  bytes: Uint8Array,
  start = 0,
  length = bytes.length - start,
): boolean {
  if (length === 0 || length > SUBJECT_BYTES_MAX) return false
  const end = start + length
  let tokenStart = start
  for (let at = start; at <= end; at++) {
    const byte = at === end ? DOT : (bytes[at] ?? 0)
    if (byte === DOT) {
      const size = at - tokenStart
      if (size === 0) return false
      const first = bytes[tokenStart]
      if (size === 1 && (first === STAR || first === MORE)) return false
      tokenStart = at + 1
    } else if (byte === SPACE || (byte >= TAB && byte <= CR)) {
      return false
    }
  }
  return true
}

/** Empty, or from the version line to the empty line at its end, without an empty line before it. */
export function isHeaderBlock(bytes: Buffer, start = 0, end = bytes.length): boolean {
  if (start === end) return true
  if (end - start < VERSION.length + END.length) return false
  if (bytes.compare(VERSION, 0, VERSION.length, start, start + VERSION.length) !== 0) return false
  return bytes.subarray(start, end).indexOf(END) === end - start - END.length
}
