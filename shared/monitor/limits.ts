/** Entries on a page when the request names no number; nats-server's. */
export const PAGE_DEFAULT = 1024

/** CPU is measured over no less: readers that come together share one figure. */
export const CPU_WINDOW_MS = 500

/** Subscriptions that one report of connections lists, of all of them together: it is written in one turn. */
export const SUBSCRIPTIONS_LISTED_MAX = 65_536

/** Requests over HTTP that wait for a report; further ones are refused. */
export const REPORTS_WAITING_MAX = 1_024
