const KIB = 1024

/** Bodies (headers and payload) outside of these are stored as they are: nothing is won, or the loop would stand still. */
export const COMPRESS_BYTES_MIN = 16
export const COMPRESS_BYTES_MAX = 256 * KIB
/** What is stored compressed is smaller by at least this share: reading it costs something too. */
export const GAIN_SHARE_MIN = 1 / 16

/** What messages of a stream have in common. It lies in memory while the stream is there, with tables of three times its size. */
export const DICTIONARY_BYTES = 4 * KIB
/** The share of it that one message gives, so that it has something of several. */
export const DICTIONARY_MESSAGE_SHARE_MAX = 1 / 4
/** Of one stream, ever: each is kept as long as the stream, for its messages can be read with it only. */
export const DICTIONARIES_MAX = 16
/** Larger bodies have enough in common with themselves; beyond, a dictionary is not asked. */
export const DICTIONARY_REACH_BYTES = 4 * KIB

/** Messages that a new one is tried on, for each of its bytes, and the share by which their records must be smaller. */
export const TRIAL_MESSAGES_SHARE = 1 / 64
export const TRIAL_GAIN_SHARE_MIN = 1 / 8
/** After so many times its bytes of bodies another one is tried, and each time after twice as many. */
export const TRIAL_AFTER_DICTIONARIES = 256
export const TRIAL_AFTER_DICTIONARIES_MAX = 64 * 256
