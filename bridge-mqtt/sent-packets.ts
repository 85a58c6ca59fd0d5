/**
 * The packets that go out all the time, written at once where they leave: in place where the output has room, else in
 * pieces of their own. What a packet may be, and whether it may go, is found out before.
 */
import { arenaBytes, type Channel } from '../shared/transport/index.ts'
import {
  ACK_SIZE,
  ACK_SIZE_MAX,
  type AckType,
  type PublishProperties,
  REASON,
  writeAck,
  writePublishHead,
} from './codec/index.ts'

/** Of an acknowledgement without properties. */
export function ackSize(reason: number): number {
  return reason === REASON.success ? ACK_SIZE : ACK_SIZE_MAX
}

export function sendAck(channel: Channel, type: AckType, packetId: number, reason: number): void {
  const size = ackSize(reason)
  const at = channel.reserve(size)
  if (at >= 0) {
    channel.commit(writeAck(arenaBytes, at, type, packetId, reason))
    return
  }
  const ack = new Uint8Array(size)
  writeAck(ack, 0, type, packetId, reason)
  channel.write(ack)
}

/**
 * @param headSize what `publishHeadSize` says of the same
 * @param properties undefined before MQTT 5
 */
export function sendPublish(
  channel: Channel,
  headSize: number,
  topic: Uint8Array,
  payload: Uint8Array,
  packetId: number,
  flags: number,
  properties: PublishProperties | undefined,
): void {
  const { length } = payload
  const at = channel.reserve(headSize + length)
  if (at >= 0) {
    const body = writePublishHead(arenaBytes, at, topic, length, packetId, flags, properties)
    arenaBytes.set(payload, body)
    channel.commit(body + length)
    return
  }
  const head = Buffer.allocUnsafe(headSize)
  writePublishHead(head, 0, topic, length, packetId, flags, properties)
  channel.write(head)
  channel.write(payload)
}
