/** Limits of message tracing that no configuration changes. */

/** What one trace tells of a message that goes to very many; the rest is left out. */
export const TRACE_EVENTS_MAX = 10_000

/** What one trace shows of the headers of its message; those behind are left out, but for the trace's own. */
export const TRACE_HEADER_BYTES_MAX = 32 * 1024

/** Of a header that is there more than once the first counts that is not empty; so many are looked at. */
export const TRACE_FIELDS_MAX = 64
