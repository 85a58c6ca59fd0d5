/** Headers that a front door may put on a message of full size, such as MQTT's QoS. */
export const ADDED_HEADERS_BYTES_MAX = 256
