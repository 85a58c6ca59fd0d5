/** Limits of message tracing that no configuration changes. */

/** What one trace tells of a message that goes to very many; the rest is left out. */
export const TRACE_EVENTS_MAX = 10_000
