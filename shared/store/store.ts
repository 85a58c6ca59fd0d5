import type { PetioleError } from '../runtime/index.ts'
import type { EncryptionStats } from './encryption/rekeying.ts'
import type {
  Committed,
  StateTable,
  StreamLimits,
  StreamOptions,
  StreamStore,
} from './stream-store.ts'
import type { ScrubStats } from './upkeep/scrubber.ts'
import type { WrittenBytes } from './wear.ts'

/** `open` takes writes; `full` refuses them until there is room again; `failed` refuses them for good. Reading always works. */
export type StoreCondition =
  | { readonly name: 'open' }
  | { readonly name: 'full'; readonly reason: string }
  | { readonly name: 'failed'; readonly error: PetioleError }

export interface StoreStats {
  readonly commits: number
  readonly syncs: number
  /** To the journal, since the store was opened; then what indexes and rewritten segments took. */
  readonly bytesWritten: number
  readonly indexBytesWritten: number
  readonly rewriteBytesWritten: number
  /** Since the store was made: to the journal, and all. */
  readonly everWritten: WrittenBytes
  readonly segments: number
  readonly diskBytes: number
  /** By which the segments are smaller than they would be without compression. */
  readonly savedBytes: number
  /** What it can still grow by until it refuses messages: by its quota and the file system, as last asked. */
  readonly freeBytes: number
  /** Records skipped because their checksum does not hold, since the store was opened. */
  readonly damagedRecords: number
  /** Other files of the directory that were damaged and written again, since the store was opened. */
  readonly mendedFiles: number
  readonly scrub: ScrubStats
  /** undefined: nothing is encrypted. */
  readonly encryption: EncryptionStats | undefined
  /** Damaged bytes that are kept for people, and how many there was no room for since the store was opened. */
  readonly quarantineFiles: number
  readonly quarantineBytes: number
  readonly quarantineDroppedBytes: number
  /** Bytes cut from the end of the journal at the last start: writes that were never acknowledged. */
  readonly tornBytes: number
}

/** The commit journal of one store directory, and the streams in it. */
export interface Store {
  readonly directory: string
  readonly condition: StoreCondition
  readonly stats: StoreStats
  readonly streams: ReadonlyMap<string, StreamStore>
  /** State that belongs to no stream: the sync ledger's watermarks, the fleet's registry. */
  readonly marks: StateTable

  /** The name must be new. */
  createStream(
    name: string,
    config: Uint8Array,
    limits: StreamLimits,
    committed?: Committed,
    options?: StreamOptions,
  ): StreamStore
  removeStream(name: string, committed?: Committed): void
  /**
   * All that `write` appends, synchronously and to any streams and tables, is recovered whole or
   * not at all. If it throws, nothing of it was appended.
   */
  transaction(write: () => void): void
  /**
   * Called, the newest first, when the transaction that gathers now throws: by whoever remembers more of what
   * he appended than the store does, and need not know who began it. Never called outside of one.
   */
  onUndo(undo: () => void): void
  /** Called when all that was appended before it is on disk; at once (but not inside the call) when it is already. */
  barrier(committed: Committed): void
  /** Another quota for the whole store, 0 for none. A store that is full takes writes again when they fit. */
  limit(bytesMax: number): void
  onCondition(listener: (condition: StoreCondition) => void): () => void
  /** Commits what is gathered, then closes. Idempotent, as `destroy`, which commits nothing more. */
  drain(): Promise<void>
  destroy(): Promise<void>
}
