import { invariant } from '../runtime/index.ts'
import type { BatchHeader } from './batch.ts'

/**
 * The ledger: for one incarnation of one buffer, what became of every sequence up to the watermark.
 * It is written in the same commit as the records, so it can neither run ahead of them nor behind.
 *
 *     stored + evicted + removed + damaged + forgotten = watermark - firstSeq + 1
 *
 * All of this is pure: who calls it does the storing.
 */
export interface LedgerEntry {
  /** The first sequence that this hub is accountable for. */
  readonly firstSeq: number
  /** The last sequence that is settled; `firstSeq - 1` before the first batch. */
  readonly watermark: number
  /** Records stored in the hub's streams. */
  readonly stored: number
  /** Sequences that a quota on the leaf dropped before they could be sent. */
  readonly evicted: number
  /** Sequences that somebody deleted on the leaf. */
  readonly removed: number
  /** Sequences that the leaf's disk could not give back. */
  readonly damaged: number
  /** Sequences that this hub had acknowledged, and lost. */
  readonly forgotten: number
  /** Records that arrived again and were not stored again. */
  readonly duplicates: number
  /** Checksum of the record at the watermark; null when there was none. */
  readonly fingerprint: number | null
}

export type Decision =
  /** Store the records from `fromSeq` on; what is before is there already. */
  | { readonly name: 'store'; readonly fromSeq: number }
  /** All of it is settled already. */
  | { readonly name: 'repeat' }
  /** Something is missing in front of it. */
  | { readonly name: 'gap'; readonly expectedSeq: number }
  /** Never announced: the leaf must say hello before it sends. */
  | { readonly name: 'unknown' }

export function decide(
  entry: LedgerEntry | undefined,
  batch: Pick<BatchHeader, 'firstSeq' | 'lastSeq'>,
): Decision {
  if (entry === undefined) return { name: 'unknown' }
  const expectedSeq = entry.watermark + 1
  if (batch.firstSeq > expectedSeq) return { name: 'gap', expectedSeq }
  if (batch.lastSeq < expectedSeq) return { name: 'repeat' }
  return { name: 'store', fromSeq: expectedSeq }
}

/**
 * A new account, of which `settledSeq` and all before it are settled in another one.
 * @param fingerprint of the record at `settledSeq`, when the other account has it
 */
export function openEntry(settledSeq: number, fingerprint: number | null = null): LedgerEntry {
  return {
    firstSeq: settledSeq + 1,
    watermark: settledSeq,
    stored: 0,
    evicted: 0,
    removed: 0,
    damaged: 0,
    forgotten: 0,
    duplicates: 0,
    fingerprint,
  }
}

/**
 * The entry after the batch's sequences from the watermark up to `throughSeq` are settled.
 * @param stored how many records that were
 * @param fingerprint of the record at `throughSeq`; null when it lies in a gap
 */
export function settle(
  entry: LedgerEntry,
  batch: Pick<BatchHeader, 'gaps'>,
  throughSeq: number,
  stored: number,
  fingerprint: number | null,
): LedgerEntry {
  const counts = { evicted: 0, removed: 0, damaged: 0, forgotten: 0 }
  for (const gap of batch.gaps) {
    const first = Math.max(gap.firstSeq, entry.watermark + 1)
    const last = Math.min(gap.lastSeq, throughSeq)
    if (last >= first) counts[gap.cause] += last - first + 1
  }
  const next: LedgerEntry = {
    ...entry,
    watermark: throughSeq,
    stored: entry.stored + stored,
    evicted: entry.evicted + counts.evicted,
    removed: entry.removed + counts.removed,
    damaged: entry.damaged + counts.damaged,
    forgotten: entry.forgotten + counts.forgotten,
    fingerprint,
  }
  invariant(isBalanced(next), `the ledger adds up at ${throughSeq}`)
  return next
}

export function countDuplicates(entry: LedgerEntry, records: number): LedgerEntry {
  return { ...entry, duplicates: entry.duplicates + records }
}

/** Whether every sequence from the first to the watermark is exactly one of the things it can be. */
export function isBalanced(entry: LedgerEntry): boolean {
  const { stored, evicted, removed, damaged, forgotten } = entry
  const settled = stored + evicted + removed + damaged + forgotten
  return settled === entry.watermark - entry.firstSeq + 1
}

/** Sequences that are neither at the hub nor dropped by anyone's decision. */
export function lostOf(entry: LedgerEntry): number {
  return entry.damaged + entry.forgotten
}
