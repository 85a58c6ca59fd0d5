/** One message of a SCRAM exchange: names and nonces are short, and who sends it is a stranger. */
export const SCRAM_MESSAGE_BYTES_MAX = 4_096

/** Of the nonce that the server adds to the client's: nobody guesses it, and none comes again. */
export const SCRAM_NONCE_BYTES = 18
