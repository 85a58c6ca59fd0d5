import { generate, type IConnectPacket, type QoS } from 'mqtt-packet'

/** Packets as MQTT 3.1.1 clients send them. */
export function connectPacket(clientId: string, rest: Partial<IConnectPacket> = {}): Buffer {
  return generate({
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 0,
    clientId,
    ...rest,
  })
}

export function publishPacket(
  topic: string,
  payload: string | Buffer,
  options: { packetId?: number; dup?: boolean; retain?: boolean } = {},
): Buffer {
  const { packetId, dup = false, retain = false } = options
  return generate({
    cmd: 'publish',
    topic,
    payload,
    qos: packetId === undefined ? 0 : 1,
    dup,
    retain,
    ...(packetId === undefined ? {} : { messageId: packetId }),
  })
}

export function subscribePacket(packetId: number, ...filters: (readonly [string, QoS])[]): Buffer {
  const subscriptions = filters.map(([topic, qos]) => ({ topic, qos }))
  return generate({ cmd: 'subscribe', messageId: packetId, subscriptions })
}

export function unsubscribePacket(packetId: number, ...filters: string[]): Buffer {
  return generate({ cmd: 'unsubscribe', messageId: packetId, unsubscriptions: filters })
}

export const DISCONNECT = Buffer.from('e000', 'hex')
