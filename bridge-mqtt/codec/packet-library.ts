import { createRequire } from 'node:module'
import type * as MqttPacket from 'mqtt-packet'

let loaded: typeof MqttPacket | undefined

/** The codec of all but the hot packets, loaded when a server listens for MQTT clients: others go without. */
export function packetLibrary(): typeof MqttPacket {
  loaded ??= createRequire(import.meta.url)('mqtt-packet') as typeof MqttPacket
  return loaded
}
