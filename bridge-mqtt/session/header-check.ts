import { type Frame, PACKET, VIOLATIONS, type Violation } from '../codec/index.ts'
import { CONNECT_BYTES_MAX, PACKET_OVERHEAD_BYTES } from '../limits.ts'

/** What can be told from the fixed header, as soon as it is here. */
export function headerViolation(
  frame: Frame,
  hasSession: boolean,
  payloadBytesMax: number,
): Violation | undefined {
  if (!hasSession && frame.type !== PACKET.connect) return VIOLATIONS.firstPacket
  if (frame.hasReservedFlags) return VIOLATIONS.reservedFlags
  const sizeMax = hasSession ? payloadBytesMax + PACKET_OVERHEAD_BYTES : CONNECT_BYTES_MAX
  return frame.isSized && frame.size > sizeMax ? VIOLATIONS.packetTooLarge : undefined
}
