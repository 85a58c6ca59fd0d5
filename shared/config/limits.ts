/** Blocks and lists inside one another. Real configurations stay under ten. */
export const NESTING_MAX = 100
/** Files that include one another. */
export const INCLUDE_DEPTH_MAX = 20
/** Files that one configuration may include in all. */
export const INCLUDED_FILES_MAX = 1_000
/** One configuration file. */
export const FILE_BYTES_MAX = 16 * 1024 * 1024
/** Distinct subjects of streams that a server holds in memory, when it is not told, and what it may be told. */
export const SUBJECTS_IN_MEMORY = 10_000_000
export const SUBJECTS_IN_MEMORY_MIN = 1_000
export const SUBJECTS_IN_MEMORY_MAX = 100_000_000
/** Consumers of each stream, where neither it nor its account says; as in nats-server 2.15. */
export const CONSUMERS_PER_STREAM = 1_000
/** How far a misspelt key may be from the key that is suggested for it. */
export const SUGGESTION_DISTANCE_MAX = 3
