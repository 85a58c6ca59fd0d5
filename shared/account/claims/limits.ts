/** A JWT that is longer is not looked at; nats-server's limit as well. */
export const TOKEN_BYTES_MAX = 1024 * 1024

/** Subjects that one permission may come to by templates; nats-server's limit as well. */
export const TEMPLATE_SUBJECTS_MAX = 4_096

/** Description and info URL of accounts and exports. */
export const INFO_LENGTH_MAX = 8 * 1024
