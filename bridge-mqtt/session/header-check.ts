import { type Frame, type Level, PACKET, VIOLATIONS, type Violation } from '../codec/index.ts'
import { CONNECT_BYTES_MAX } from '../limits.ts'

/**
 * What can be told from the fixed header, as soon as it is here.
 *
 * @param level undefined before CONNECT
 * @param isStranger there is no CONNACK yet
 */
export function headerViolation(
  frame: Frame,
  level: Level | undefined,
  isStranger: boolean,
  packetBytesMax: number,
): Violation | undefined {
  if (level === undefined && frame.type !== PACKET.connect) return VIOLATIONS.firstPacket
  return frame.violation(level, isStranger ? CONNECT_BYTES_MAX : packetBytesMax)
}
