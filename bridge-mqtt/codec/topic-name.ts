const PLUS = 0x2b
const HASH = 0x23

/** Whether well-formed UTF-8 is a topic name: not empty [MQTT-4.7.3-1], no wildcards [MQTT-4.7.0-1]. */
export function isTopicName(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    if (byte === PLUS || byte === HASH) return false
  }
  return end > start
}
