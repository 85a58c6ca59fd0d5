/** Bytes of lines that wait for standard error to take them again; those that come then are lost. */
export const WAITING_BYTES_MAX = 64 * 1024
