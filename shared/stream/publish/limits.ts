/** The bounds of this folder that are its own. */

/** Messages with a TTL of `never` that a stream knows by heart; of more it reads that they have one when their age is due. */
export const LASTING_KEPT_MAX = 65_536
