/** Accounts that are being fetched at one time: strangers choose the ids. */
export const FETCHES_MAX = 64

/** How long "nobody knows it", or knows a younger JWT than one that has expired, is believed, and of how many accounts. */
export const UNKNOWN_MS = 1_000
export const UNKNOWN_ACCOUNTS_MAX = 1_000

/** How long an account server or another server may take to answer. */
export const FETCH_TIMEOUT_MS = 1_900

/** Account JWTs that a directory may hold when the file sets no limit. */
export const DIRECTORY_FILES_MAX = 1_000_000

/** Between two looks for JWTs in a directory that have expired. */
export const EXPIRY_CHECK_MS = 60_000

/** Connections that wait for an auth callout at one time. */
export const CALLOUTS_MAX = 1_024

/** Accounts that one request may delete. */
export const DELETIONS_MAX = 10_000

/** Comparisons with bcrypt hashes under way: one is computed, one is at hand. */
export const HASHES_RUNNING_MAX = 2

/** Comparisons that wait their turn, of all addresses. */
export const HASHES_WAITING_MAX = 1_024
