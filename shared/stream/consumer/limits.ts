/** The bounds of this folder that are its own. */

/**
 * Double acknowledgements of one consumer that wait for its state to be on disk. More are taken, and not
 * answered: who wants to know asks again, as after a write that failed.
 */
export const ACK_ANSWERS_WAITING_MAX = 65_536
