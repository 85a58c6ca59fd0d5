/**
 * `petiole` in `/varz` and `/jsz`: how the store and its disk are, and front doors, for whoever looks at two in the morning.
 * nats-server has no such block; /metrics has the same figures under names of their own.
 */
import type { JetStreamFacts, StoreFacts } from './facts.ts'
import { timeText } from './text.ts'

export function petioleBlock(
  facts: JetStreamFacts | undefined,
  petioleVersion: string,
  doors: readonly (readonly [name: string, report: object])[] = [],
): object {
  const store = facts === undefined ? {} : { store: storeBlock(facts.store) }
  return { petiole: { version: petioleVersion, ...store, ...Object.fromEntries(doors) } }
}

function storeBlock(store: StoreFacts): object {
  const { scrub, everWritten } = store
  return {
    condition: store.condition,
    disk_bytes: store.diskBytes,
    free_bytes: Number.isFinite(store.freeBytes) ? store.freeBytes : null,
    segments: store.segments,
    saved_bytes: store.savedBytes,
    ...encryptionOf(store),
    damaged_records: store.damagedRecords,
    mended_files: store.mendedFiles,
    torn_bytes: store.tornBytes,
    quarantine: {
      files: store.quarantineFiles,
      bytes: store.quarantineBytes,
      dropped_bytes: store.quarantineDroppedBytes,
    },
    scrub: {
      passes: scrub.passes,
      bytes: scrub.bytes,
      ...(scrub.lastPassMs > 0 ? { last: timeText(scrub.lastPassMs) } : {}),
    },
    written: {
      journal_bytes: everWritten.journal,
      all_bytes: everWritten.all,
      amplification: amplificationOf(everWritten),
    },
  }
}

/** How new segments are, and what is not yet so; of the key not even its id. */
function encryptionOf({ encryption }: StoreFacts): object {
  if (encryption === undefined) return {}
  const { isOn, cipher, segmentsLeft, bytesLeft } = encryption
  const left = { segments_left: segmentsLeft, bytes_left: bytesLeft }
  return { encryption: { cipher: isOn ? cipher : 'none', ...left } }
}

/** Bytes written for each byte of journal, rounded to what somebody reads. */
export function amplificationOf({ journal, all }: StoreFacts['everWritten']): number {
  return journal > 0 ? Math.round((all / journal) * 1_000) / 1_000 : 1
}
