/** Limits of the wire format: defaults of nats-server, which clients count on. */

/** `max_control_line` of clients. */
export const CONTROL_LINE_BYTES_MAX = 4096

/** `max_payload`: headers and payload together. */
export const PAYLOAD_BYTES_MAX = 1024 * 1024

/** No `max_payload` may be larger: sizes have at most nine digits, and buffers must be affordable. */
export const PAYLOAD_BYTES_CEILING = 64 * 1024 * 1024
