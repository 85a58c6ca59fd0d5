import { WORK_UNITS } from '../../shared/broker/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import {
  decodeDisconnect,
  type Frame,
  PACKET,
  PINGRESP_BYTES,
  type ReasonPacket,
  type RequestReader,
  readSubscribe,
  readUnsubscribe,
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
  /** Nothing of the client is looked at any more. */
  readonly isGone: boolean
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
      return request(session, line, readSubscribe(bytes, frame, session.level), (it) =>
        session.subscriber.subscribe(it),
      )
    case PACKET.unsubscribe:
      return request(session, line, readUnsubscribe(bytes, frame, session.level), (it) =>
        session.subscriber.unsubscribe(it),
      )
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

/**
 * Reads the filters of a SUBSCRIBE or UNSUBSCRIBE, and then does what they ask for. When they are many others are
 * served in between: what is found out then has nobody to be returned to.
 */
function request<Filter>(
  session: Session,
  line: PacketLine,
  reader: RequestReader<Filter>,
  act: (packet: RequestReader<Filter>) => Violation | undefined,
): Violation | undefined {
  let isAtOnce = true
  let found: Violation | undefined
  const isRead = line.input.inTurns(session.account, 'reading', () => {
    if (line.isGone) return false
    if (reader.next()) return true
    found = reader.violation ?? act(reader)
    if (found !== undefined && !isAtOnce) line.violated(found)
    return false
  })
  isAtOnce = false
  if (!isRead) reader.keep()
  line.input.turn.spend(WORK_UNITS.interestChange * reader.filters.length)
  return found
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
