import { type Frame, type Level, PACKET, VIOLATIONS, type Violation } from '../codec/index.ts'
import { CONNECT_BYTES_MAX } from '../limits.ts'
import type { Terms } from './connection-terms.ts'

/**
 * What can be told from the fixed header, as soon as it is here.
 *
 * @param level undefined before CONNECT
 * @param terms undefined before CONNACK
 */
export function headerViolation(
  frame: Frame,
  level: Level | undefined,
  terms: Terms | undefined,
): Violation | undefined {
  if (level === undefined && frame.type !== PACKET.connect) return VIOLATIONS.firstPacket
  return frame.violation(
    level,
    terms === undefined ? CONNECT_BYTES_MAX : terms.inboundPacketBytesMax,
  )
}
