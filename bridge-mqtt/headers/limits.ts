/** User properties of one message, either way: a packet of very many tiny ones must not cost each receiver all of them. */
export const USER_PROPERTIES_MAX = 1_024

/** What the properties of one publish may come to as headers: no stream of JetStream takes more. */
export const HEADER_BLOCK_BYTES_MAX = 65_535

/** A string or binary field of MQTT says its length in two bytes. */
export const FIELD_BYTES_MAX = 65_535

/** Scratch memory that is kept between messages; a message that needs more gets its own. */
export const SCRATCH_BYTES_KEPT = 128 * 1024
