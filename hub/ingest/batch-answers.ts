import type { BatchReply } from '../../shared/sync/index.ts'
import { type Refusal, SUBJECT_FORBIDDEN } from './batch-storing.ts'
import type { LedgerAccount } from './ledger-book.ts'

/** Not exact is not enough: a batch of somebody of whom nothing is known is stored by nobody. */
export const NOT_TOLD: Refusal = {
  code: SUBJECT_FORBIDDEN,
  subject: '',
  reason:
    "the hub that the leaf is attached to does not tell what the leaf's user may publish: it runs an older release, or the user's permissions are too long",
}

export function later(account: LedgerAccount, retryMs: number, reason: string): BatchReply {
  return answerOf(account, 'later', { retry_ms: retryMs, reason })
}

/** Only what is committed is ever told. */
export function answerOf(
  account: LedgerAccount,
  status: BatchReply['status'],
  more: Partial<BatchReply> = {},
): BatchReply {
  return replyOf(account.incarnation, status, account.committed.watermark, more)
}

export function replyOf(
  incarnation: string,
  status: BatchReply['status'],
  watermark: number | null,
  more: Partial<BatchReply> = {},
): BatchReply {
  return { v: 1, incarnation, status, watermark, retry_ms: 0, subject: '', reason: '', ...more }
}
