import { isBalanced, lostOf } from '../../shared/sync/index.ts'
import type { LedgerBook } from '../ingest/index.ts'

/** One buffer's sum: what must be zero for the promise to hold. */
export interface AuditLine {
  /** Left out of the default account's. */
  readonly account?: string
  readonly leaf: string
  readonly buffer: string
  readonly incarnation: string
  /** Every sequence is exactly one of stored, evicted, removed, damaged, forgotten. */
  readonly isBalanced: boolean
  readonly stored: number
  readonly evicted: number
  readonly lost: number
}

/** The sum is checkable: adds up every account of the ledger, as it is committed. */
export function audit(book: LedgerBook, account?: string): AuditLine[] {
  return book.leaves.flatMap((leaf) =>
    book.buffersOf(leaf).flatMap((buffer) =>
      book.incarnations(leaf, buffer).map(({ incarnation, committed }) => ({
        ...(account === undefined ? {} : { account }),
        leaf,
        buffer,
        incarnation,
        isBalanced: isBalanced(committed),
        stored: committed.stored,
        evicted: committed.evicted,
        lost: lostOf(committed),
      })),
    ),
  )
}
