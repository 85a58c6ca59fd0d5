/** Leaves that a hub keeps on record; what is beyond them is refused. */
export const LEAVES_MAX = 100_000
/** A leaf that was not heard of for so long is offline: it reports every five seconds. */
export const OFFLINE_AFTER_MS = 15_000
/** A status asks leaves for fresh reports, and waits for their answers this long. */
export const PROBE_WAIT_MS = 750
/** Of a probe's token: leaves give back no more of it. */
export const PROBE_LENGTH_MAX = 64
/** Rates look back this far. */
export const RATE_WINDOW_MS = 30_000
/** `last_seen` is written down this often, so that a restart of the hub does not forget it. */
export const LAST_SEEN_WRITE_MS = 60_000
