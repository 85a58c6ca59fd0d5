/** Limits of the transport layer. Bytes and milliseconds; what is not named here has no limit. */

/**
 * One read from the kernel at most; all channels of a process share this much read memory. libuv reads a busy
 * socket 32 times before the others have their turn: twice as much saves up to a tenth of the work at 16 KiB, and
 * doubles what a client waits beside such a socket.
 */
export const READ_BYTES = 256 * 1024

/** The longest unused tail that a handler may leave in front of the next chunk. */
export const CARRY_BYTES_MAX = 64 * 1024

/** A copy by whole words may read or write this far past the end of its region. */
export const WORD_SLACK_BYTES = 64

/** Regions of other layers (the router's subject heap). Memory that nobody touches costs nothing. */
export const REGION_BYTES_MAX = 64 * 1024 * 1024

/** The most that one reservation may ask for: a whole read chunk, its carried tail, and headers. */
export const OUTPUT_SLOT_BYTES = READ_BYTES + CARRY_BYTES_MAX
export const OUTPUT_SLOTS = 64

/**
 * The payload of a full TCP segment on the loopback interface, whose MTU is 64 KiB. A write that is cut
 * otherwise ends in a segment of its own for the rest: for a few bytes that is a fifth of what 256 KiB cost the
 * kernel, measured. Other links cut segments to 1.4 KiB, and there a rest is one among many.
 */
export const SEGMENT_BYTES = 65_483

/**
 * What gathers in one turn for a receiver who is to work meanwhile. A single segment wakes him and this process so
 * often that a fifth of what is delivered is lost; all of a turn, and both wait for each other: measured.
 */
export const EARLY_SEND_BYTES = 3 * SEGMENT_BYTES

/** An output starts in a small slot, so that thousands of quiet receivers fit into little memory. */
export const SMALL_SLOT_BYTES = 16 * 1024
export const SMALL_SLOTS = 2048

/** Blocked receivers leave this part of the slots to those that still take their output. */
export const SLOTS_SPARED_SHARE = 1 / 4

/**
 * Water marks of `pendingBytes`. A channel that reached the high mark tells its handler by
 * `onDrain` when it is back at the low one. Pause those who fill it at the high mark or above.
 */
export const OUTPUT_HIGH_WATER_BYTES = 2 * 1024 * 1024
export const OUTPUT_LOW_WATER_BYTES = 1024 * 1024

/** The last resort: a channel with more pending than this is destroyed (PETIOLE_OUTPUT_OVERFLOW). */
export const OUTPUT_PENDING_BYTES_MAX = 128 * 1024 * 1024

/** How long an ended channel may take to send what is gathered and see the peer's end. */
export const END_LINGER_MS = 5_000

/** Connections that the kernel completes before they are accepted: a fleet that redials at once. */
export const LISTEN_BACKLOG = 2048

/** From accept to the last byte of a PROXY header, as nats-server allows. */
export const PROXY_TIMEOUT_MS = 5_000

/** Handshakes are counted by the second for `connection_rate_limit`. */
export const HANDSHAKE_RATE_WINDOW_MS = 1_000

/** `ws` gathers a whole message before it gives it out, so this is memory per connection. */
export const WEBSOCKET_MESSAGE_BYTES_MAX = 64 * 1024 * 1024

/** Shorter messages are not worth deflating; nats-server has the same. */
export const COMPRESS_BYTES_MIN = 64

/** From the connection to the end of the upgrade, where no configuration says otherwise. */
export const WEBSOCKET_HANDSHAKE_MS = 10_000

/** A close frame's reason: a control frame less its status code [RFC 6455, 5.5]. */
export const WEBSOCKET_REASON_BYTES_MAX = 123

/** Bytes of messages that wait for a reader who is paused, beside a single one, however large. */
export const WEBSOCKET_UNREAD_BYTES_MAX = 16 * 1024 * 1024

/** What nats-server reads of an upgrade request (Go's `DefaultMaxHeaderBytes`): a JWT may come as a cookie. */
export const WEBSOCKET_HEADER_BYTES_MAX = 1024 * 1024

/** HTTP, for the monitoring port and for what this server asks others. */
export const HTTP_HEADER_BYTES_MAX = 16 * 1024
export const HTTP_HEADERS_TIMEOUT_MS = 10_000
export const HTTP_REQUEST_TIMEOUT_MS = 30_000
export const HTTP_KEEP_ALIVE_MS = 5_000
export const HTTP_BODY_BYTES_MAX = 1024 * 1024
/** A connection on which nothing moves for so long is closed. */
export const HTTP_STALLED_MS = 60_000
/** Connections of one HTTP port, and bytes of answers that their askers have not taken: room is made beyond. */
export const HTTP_CONNECTIONS_MAX = 2_048
export const HTTP_UNREAD_BYTES_MAX = 64 * 1024 * 1024
/** How long requests in hand may take when the monitoring port closes. */
export const HTTP_CLOSE_LINGER_MS = 2_000

/** TLS handshakes under way on one listener: each holds some 60 KiB until it ends or its time is up. */
export const TLS_HANDSHAKES_MAX = 2_048
