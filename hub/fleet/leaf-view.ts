import type { Report, ReportBuffer } from '../../shared/sync/index.ts'
import type { BlockedReason, BufferTotals, LedgerBook } from '../ingest/index.ts'
import type { BufferStatus } from './fleet-status.ts'
import { Rate } from './rate.ts'

interface BufferRates {
  readonly incarnation: string
  readonly in: Rate
  readonly drain: Rate
}

/** What a view needs of ingest. */
interface LedgerView {
  readonly book: LedgerBook
  blockedReason(leaf: string, buffer: string): BlockedReason | undefined
}

/** What this hub knows of one leaf since it started: its last report, and rates. */
export class LeafView {
  readonly name: string
  report: Report | undefined
  /** Monotonic. */
  reportedMs = Number.NEGATIVE_INFINITY
  /** The token of the last probe that it answered. */
  probe = ''
  readonly #rates = new Map<string, BufferRates>()

  constructor(name: string) {
    this.name = name
  }

  take(report: Report, book: LedgerBook, nowMs: number): void {
    this.report = report
    this.reportedMs = nowMs
    this.probe = report.probe
    for (const buffer of report.buffers) {
      const rates = this.#ratesOf(buffer.name, buffer.incarnation)
      rates.in.sample(buffer.last_seq, nowMs)
      this.progressed(book, buffer.name, nowMs)
    }
  }

  /** What it reported does not tell how it is any more. */
  forget(): void {
    this.reportedMs = Number.NEGATIVE_INFINITY
    this.probe = ''
  }

  /** The hub has stored more of a buffer. */
  progressed(book: LedgerBook, buffer: string, nowMs: number): void {
    const account = book.totals(this.name, buffer)?.account
    if (account === undefined) return
    const { watermark } = account.committed
    this.#ratesOf(buffer, account.incarnation).drain.sample(watermark, nowMs)
  }

  /** @param isFresh whether the report still tells how the leaf is */
  buffers(ledger: LedgerView, isFresh: boolean, nowMs: number): BufferStatus[] {
    const { book } = ledger
    const reported = this.report?.buffers ?? []
    const names = new Set([...reported.map((it) => it.name), ...book.shownBuffersOf(this.name)])
    return [...names].map((name) => {
      const buffer = reported.find((it) => it.name === name)
      const totals = book.totals(this.name, name)
      const status = this.#buffer(name, buffer, totals, isFresh, nowMs)
      const blocked = ledger.blockedReason(this.name, name)
      if (status.refused !== null || blocked === undefined) return status
      const { subject, reason } = blocked
      return { ...status, refused: { subject, reason } }
    })
  }

  #buffer(
    name: string,
    reported: ReportBuffer | undefined,
    totals: BufferTotals | undefined,
    isFresh: boolean,
    nowMs: number,
  ): BufferStatus {
    const incarnation = reported?.incarnation ?? totals?.account.incarnation ?? ''
    const account = totals?.account.incarnation === incarnation ? totals.account : undefined
    const synced = account?.committed.watermark ?? reported?.synced_seq ?? null
    const backlog = isFresh && reported !== undefined ? backlogOf(reported, synced) : undefined
    const rates = isFresh ? this.#rates.get(name) : undefined
    const inRate = rates?.in.perSecond(nowMs) ?? null
    const drainRate = rates?.drain.perSecond(nowMs) ?? null
    return {
      name,
      incarnation,
      first_seq: reported?.first_seq ?? null,
      last_seq: reported?.last_seq ?? null,
      synced_seq: synced,
      backlog_msgs: backlog?.messages ?? null,
      backlog_bytes: backlog?.bytes ?? null,
      oldest_unsynced_at: backlog?.messages === 0 ? null : (reported?.oldest_unsynced_at ?? null),
      evicted_msgs: sum(totals?.evicted, reported?.evicted_pending),
      duplicates_dropped: totals?.duplicates ?? (reported === undefined ? null : 0),
      lost_msgs: sum(totals?.lost, reported?.damaged_pending),
      in_rate: inRate,
      drain_rate: drainRate,
      eta_s: etaOf(backlog?.messages ?? null, inRate, drainRate),
      refused: reported?.refusal ?? null,
    }
  }

  #ratesOf(name: string, incarnation: string): BufferRates {
    const known = this.#rates.get(name)
    if (known?.incarnation === incarnation) return known
    const rates = { incarnation, in: new Rate(), drain: new Rate() }
    this.#rates.set(name, rates)
    return rates
  }
}

/** What the leaf reported, less what has arrived since. */
function backlogOf(
  reported: ReportBuffer,
  syncedSeq: number | null,
): { messages: number; bytes: number } {
  const left = Math.max(0, reported.last_seq - Math.max(syncedSeq ?? 0, reported.synced_seq))
  const messages = Math.min(reported.backlog_msgs, left)
  const { backlog_msgs: before, backlog_bytes: bytes } = reported
  return { messages, bytes: before === 0 ? 0 : Math.round((bytes * messages) / before) }
}

/** Pending counts are not in the ledger yet; both are known as soon as one of them is. */
function sum(settled: number | undefined, pending: number | undefined): number | null {
  if (settled === undefined && pending === undefined) return null
  return (settled ?? 0) + (pending ?? 0)
}

/** Seconds until the backlog is gone; null when it is unknown, or does not shrink. */
export function etaOf(
  backlog: number | null,
  inRate: number | null,
  drainRate: number | null,
): number | null {
  if (backlog === null) return null
  if (backlog === 0) return 0
  if (drainRate === null || inRate === null || drainRate <= inRate) return null
  return Math.ceil(backlog / (drainRate - inRate))
}
