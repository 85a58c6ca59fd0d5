const KIB = 1024
const MIB = 1024 * KIB

/** Size at which a segment is sealed. A leaf keeps them small, because retention removes whole ones. */
export const LEAF_SEGMENT_BYTES = 16 * MIB
export const HUB_SEGMENT_BYTES = 64 * MIB
export const SEGMENT_BYTES_MIN = 512
/** Offsets in a segment are 32 bits. */
export const SEGMENT_BYTES_MAX = 1024 * MIB

/** One gather write; more waits for the next commit. */
export const COMMIT_BYTES_MAX = 8 * MIB
/** So much is not left to wait for the end of the turn, when the disk has nothing to do. */
export const EARLY_COMMIT_BYTES = 32 * KIB
/** What may wait for the disk in memory before appends are refused. */
export const GATHERED_BYTES_MAX = 64 * MIB
/** Size of the pooled chunks that records are encoded into, and how many of them are kept. */
export const CHUNK_BYTES = 256 * KIB
export const CHUNKS_POOLED_MAX = 24

/** An encryption key has so many bytes at least. */
export const KEY_BYTES_MIN = 16
/** What is written again under a new key, on average: an SD card has other things to do, too. */
export const REKEY_BYTES_PER_SECOND = 4 * MIB
export const REKEY_RETRY_MS = 10_000

/** No record waits longer for its sync, whatever its stream's policy says. */
export const SYNC_WITHIN_MS_MAX = 600_000

/** One record with everything in it, but for what encryption adds. */
export const RECORD_BYTES_MAX = 80 * MIB
/** The same with what the disk adds to it. */
export const STORED_BYTES_MAX = RECORD_BYTES_MAX + KIB
/** The subject of a message and the key of a state share the u16 length field. */
export const SUBJECT_BYTES_MAX = 0xffff

/** Distinct subjects held in memory over all streams, about 55 bytes each and their own. The rest is on disk. */
export const SUBJECTS_MAX = 10_000_000
/** Their own bytes over all streams, for subjects may be long: so many for each, and in all. */
export const SUBJECT_BYTES_MEAN = 256
export const SUBJECTS_BYTES_MAX = 1024 * MIB
/** What is in memory of those on disk, and in pages of which size. */
export const SCRATCH_CACHE_BYTES = 32 * MIB
export const SCRATCH_PAGE_BYTES = 4 * KIB
/** Ids have 31 bits for units of eight bytes: 16 GiB, some 200 million subjects. New ones are refused a little earlier. */
export const SCRATCH_PAGES_MAX = 4 * 1024 * 1024
export const SCRATCH_PAGES_SPARE = 64 * 1024
/** Subjects in memory of which one question remembers whether they match. */
export const MATCHES_KEPT_MAX = 65_536
/** From so many on disk on a question goes through all pages once; of so many filters a stream keeps what was found. */
export const COLD_LOOKUPS_MAX = 2_048
export const FILTERS_KEPT_MAX = 4
/** A read that finds nothing lets others go on after so many pages of subjects, or so many messages: some 10 ms. */
export const COLD_STEP_PAGES = 512
export const PLAN_RECORDS_MAX = 65_536
/** The same of who asks about each of many subjects. */
export const SUBJECT_STEP_IDS = 2_048
/** Messages that one purge of some subjects takes with one commit; others have the loop before the next. */
export const PURGE_STEP_MESSAGES = 8_192
/** From so many subjects on those of a stream are held by their beginnings too, of so many tokens. */
export const TREE_SUBJECTS_MIN = 2_000
export const PREFIX_TOKENS_MAX = 16
/** How many of them are taken in with one question: some ms. */
export const TREE_STEP_SUBJECTS = 100_000
/** So many subjects are asked one by one for their first or last message; else records are gone through. */
export const FEW_SUBJECTS_MAX = 1_000
/** Evictions that wait for the first listener of a stream; more are merged into the last. */
export const EVICTIONS_WAITING_MAX = 256

/** A sparse index entry is made at least every so many records, bytes of journal and milliseconds. */
export const ENTRY_RECORDS = 16
export const ENTRY_JOURNAL_BYTES = 64 * KIB
export const ENTRY_TIME_MS = 0xffff

/** After a start that read so much, what is left of it is given back at once. */
export const RECOVERY_GARBAGE_BYTES = 16 * MIB
/** Sequential reads; also the step of a recovery scan. */
export const READ_BYTES = 256 * KIB
/** What a disk cannot read is missing in units of a page: the system reads no less. */
export const UNREADABLE_UNIT_BYTES = 4 * KIB
/** What goes with a segment's header when the disk loses that. */
export const FIRST_PAGE_BYTES = 4 * KIB
/** So much behind which the journal is written is in the system's memory: reading it keeps nobody waiting. */
export const FRESH_BYTES = 64 * KIB
/** What lies further back is there nearly always: little of it is read at once, too, for a disk would give it soon. */
export const RECENT_BYTES = 8 * MIB
export const RECENT_READ_BYTES = 16 * KIB
/** Sealed segments whose file is held open for reading. */
export const OPEN_FILES_MAX = 32
/** Headers have 32 bits for an id. A file with a larger one than this was put there by somebody else. */
export const SEGMENT_ID_MAX = 2 ** 31
/** So many messages that are leaving are looked around, one by one. */
export const LEAVING_MAX = 64
/** Sequences in one delete record. */
export const DELETE_SEQS_MAX = 16 * KIB

/** The wall clock leads the monotonic one by more than this: it jumped. */
export const CLOCK_JUMP_MS = 60_000
/** At start nothing is known but the newest record: a wall clock this far ahead of it must settle. */
export const CLOCK_START_JUMP_MS = 30 * 24 * 3_600_000
/** How long a jump forward must last before the age limit believes it. */
export const CLOCK_SETTLE_MS = 600_000

/** The age limit is looked at when the next message is due, within these bounds. */
export const AGE_CHECK_MIN_MS = 50
export const AGE_CHECK_MAX_MS = 10_000
/** How long an eviction may wait for other records to share its commit. */
export const EVICTION_LOG_DELAY_MS = 1_000

/** Room kept for deletes and purges: messages are refused before the disk is really full. */
export const RESERVE_BYTES = 4 * MIB
/**
 * Space that a file holds for upkeep when others have filled the disk to the last byte. As much as the largest
 * sealed segment comes to that, because a segment that is rewritten lies there twice.
 */
export const RESERVE_FILE_BYTES = 256 * KIB
export const RESERVE_STEP_BYTES = 1 * MIB
/** The same failure of housekeeping is a warning this often, in between only a debug line. */
export const FAILURE_WARN_MS = 60_000
/** How often a full store looks whether there is room again, and how often an open one asks the disk. */
export const FULL_PROBE_MS = 1_000
export const FREE_CHECK_BYTES = 1 * MIB

/** A sealed segment with a smaller live share is rewritten. */
export const COMPACT_LIVE_SHARE = 0.5
/** After it was looked at for so long, when at the rate at which it dies it would be there for so long still. */
export const COMPACT_SETTLE_MS = 1_000
export const COMPACT_LIVES_FOR_MS = 8_000
/** On a full disk it is worth it for less: a sixteenth of it. */
export const COMPACT_LIVE_SHARE_FULL = 15 / 16
/** How long what died may gather before segments are looked at. */
export const HOUSEKEEPING_DELAY_MS = 100
/** When housekeeping that failed is tried again. */
export const HOUSEKEEPING_RETRY_MS = 10_000
/** A segment that cannot be worked on is left alone, each time for twice as long, up to this. */
export const SEGMENT_RETRY_MS_MAX = 3_600_000
/** After so many tries, in some twenty minutes, what cannot be read of a segment is damage. */
export const SEGMENT_READ_TRIES = 8
/** A full store closes a current segment of at least this size when less than half of it is live. */
export const ROLL_BYTES_MIN = 4 * KIB
/** A rewrite lets commits and readers go on after so many bytes. */
export const REWRITE_SLICE_BYTES = 512 * KIB
/** By so much more a byte counts there that is compressed, or decrypted and encrypted, on the way. */
export const COMPRESS_WORK = 7
export const ENCRYPT_WORK = 7
/** Segments one batch of a read may touch; the next batch goes on. */
export const READ_SEGMENTS_MAX = 16

/** Damaged bytes that are kept for people, and in how many files; what is more is dropped, and counted. */
export const QUARANTINE_BYTES_MAX = 64 * MIB
export const QUARANTINE_FILES_MAX = 1_000
/** What a damaged segment lost is named message by message up to so many; then the rest is a number. */
export const LOST_NAMED_MAX = 100_000
/** Damaged records of a segment that the log describes. */
export const DAMAGE_NAMED_MAX = 8
/** Sequences of damaged records that are remembered at a start; the newest ones matter. */
export const CLAIMS_MAX = 65_536
/** How far ahead of its stream a damaged record's sequence is believed. */
export const CLAIM_AHEAD_MAX = 1_000_000
/** Damaged records, and of which size, in whose fields a changed byte is looked for: some 4 ms for the largest. */
export const CLAIMS_FOUND_MAX = 64
export const CLAIM_FIND_BYTES_MAX = 16 * KIB
/** A scrub reads no faster, waits for the start to be over, and is done again after so long. */
export const SCRUB_BYTES_PER_SECOND = 1 * MIB
export const SCRUB_START_MS = 600_000
export const SCRUB_INTERVAL_MS = 7 * 24 * 3_600_000
/** Messages that are exported with one read. */
export const EXPORT_MESSAGES = 1_000
