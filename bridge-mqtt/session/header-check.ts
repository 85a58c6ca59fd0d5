import { type Frame, type Level, PACKET, VIOLATIONS, type Violation } from '../codec/index.ts'
import { CONNECT_BYTES_MAX } from '../limits.ts'

/**
 * What can be told from the fixed header, as soon as it is here.
 *
 * @param level undefined before there is a session
 */
export function headerViolation(
  frame: Frame,
  level: Level | undefined,
  packetBytesMax: number,
): Violation | undefined {
  const isStranger = level === undefined
  if (isStranger && frame.type !== PACKET.connect) return VIOLATIONS.firstPacket
  return frame.violation(level, isStranger ? CONNECT_BYTES_MAX : packetBytesMax)
}
