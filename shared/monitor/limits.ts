/** Entries on a page when the query names no number; nats-server's. */
export const PAGE_DEFAULT = 1024
