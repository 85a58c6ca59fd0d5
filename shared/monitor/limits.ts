/** Entries on a page when the request names no number; nats-server's. */
export const PAGE_DEFAULT = 1024

/** CPU is measured over no less: readers that come together share one figure. */
export const CPU_WINDOW_MS = 500
