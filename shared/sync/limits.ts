/** Bytes of one batch on the wire at most; a single larger record travels alone. Below max_payload's default. */
export const BATCH_BYTES_MAX = 512 * 1024
export const BATCH_BYTES_MIN = 4 * 1024
/** Sequences that one batch covers: bounds what a hub decodes and appends in one turn. */
export const BATCH_RECORDS_MAX = 8_192
/** Ranges of sequences without a record that one batch may name; the rest goes into the next one. */
export const BATCH_GAPS_MAX = 1_024
/** What a compressed batch may grow to: bounds what a hostile one costs. */
export const INFLATED_BYTES_MAX = 8 * 1024 * 1024

export const NAME_BYTES_MAX = 255
export const SUBJECT_BYTES_MAX = 4_096
/**
 * What a batch of one record takes of the link's max_payload beside the record's subject, headers and
 * payload, at most: the frame, three names as long as they may be, and the fixed fields come to 1 KiB.
 */
export const BATCH_OVERHEAD_BYTES = 1024

/** Of the rules of a leaf's user as one hub tells them to another; longer ones are not told. */
export const STAMP_BYTES_MAX = 16 * 1024

export const BUFFERS_PER_LEAF_MAX = 256
export const SERVER_NAME_MAX = 128
/** Incarnations of one buffer that a hub remembers, so that a late batch of an old one is not stored again. */
export const INCARNATIONS_MAX = 8
