import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import {
  decodeDisconnect,
  decodeSubscribe,
  decodeUnsubscribe,
  type Frame,
  PACKET,
  PINGRESP_BYTES,
  type ReasonPacket,
  VIOLATIONS,
  type Violation,
} from '../codec/index.ts'
import type { Exchange } from './connection-exchange.ts'
import type { InputGate } from './input-gate.ts'
import type { Session, SessionLine } from './session.ts'

/** The connection that the packets of a session come by. */
export interface PacketLine extends SessionLine {
  readonly channel: Channel
  readonly input: InputGate
  /** undefined: CONNECT has named no authentication method. */
  readonly exchange: Exchange | undefined
  /** The client says that it goes. */
  disconnected(packet: ReasonPacket): Violation | undefined
}

/** One whole packet of a client that was let in: what it asks for is done and answered. */
export function readSessionPacket(
  session: Session,
  line: PacketLine,
  bytes: Uint8Array,
  frame: Frame,
): Violation | undefined {
  switch (frame.type) {
    case PACKET.publish:
      return session.inbound.publish(bytes, frame)
    case PACKET.pubrel:
      return session.inbound.pubrel(bytes, frame)
    case PACKET.puback:
    case PACKET.pubrec:
    case PACKET.pubcomp:
      return session.subscriber.acknowledged(bytes, frame)
    case PACKET.pingreq:
      if (frame.bodyEnd > frame.bodyStart) return VIOLATIONS.trailingBytes
      line.channel.write(PINGRESP_BYTES)
      return undefined
    case PACKET.subscribe:
      return subscribe(session, line, bytes, frame)
    case PACKET.unsubscribe:
      return unsubscribe(session, line, bytes, frame)
    case PACKET.disconnect:
      return disconnect(session, line, bytes, frame)
    case PACKET.auth:
      if (line.exchange === undefined) return VIOLATIONS.authWithoutMethod
      return line.exchange.read(bytes, frame)
    case PACKET.connect:
      return VIOLATIONS.secondConnect
    default:
      return VIOLATIONS.wrongDirection
  }
}

function subscribe(
  session: Session,
  line: PacketLine,
  bytes: Uint8Array,
  frame: Frame,
): Violation | undefined {
  const packet = decodeSubscribe(bytes, frame, session.level)
  if ('rule' in packet) return packet
  line.input.turn.spend(WORK_UNITS.interestChange * packet.filters.length)
  return session.subscriber.subscribe(packet)
}

function unsubscribe(
  session: Session,
  line: PacketLine,
  bytes: Uint8Array,
  frame: Frame,
): Violation | undefined {
  const packet = decodeUnsubscribe(bytes, frame, session.level)
  if ('rule' in packet) return packet
  line.input.turn.spend(WORK_UNITS.interestChange * packet.filters.length)
  return session.subscriber.unsubscribe(packet)
}

function disconnect(
  session: Session,
  line: PacketLine,
  bytes: Uint8Array,
  frame: Frame,
): Violation | undefined {
  const packet = decodeDisconnect(bytes, frame, session.level, 'client')
  return 'rule' in packet ? packet : line.disconnected(packet)
}
