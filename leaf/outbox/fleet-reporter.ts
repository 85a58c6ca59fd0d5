import type { NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Cancel, type Clock, PLAUSIBLE_WALL_MS, Tasks } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import {
  encodeReport,
  HOME_REPORTS_SUBJECT,
  PROBE_SUBJECT,
  REPORT_SUBJECT,
  type Report,
  type ReportBuffer,
  type ReportStore,
  reportSubject,
} from '../../shared/sync/index.ts'
import type { LeafBuffer } from '../buffers/index.ts'
import type { LeafIdentity } from './leaf-identity.ts'
import { REPORT_INTERVAL_MS, REPORT_PAUSE_MS } from './limits.ts'
import type { Outbox } from './outbox.ts'

export interface FleetReporterDependencies {
  readonly client: NatsClient
  readonly outbox: Outbox
  readonly buffers: { readonly all: readonly LeafBuffer[] }
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

/**
 * Tells its hubs how this leaf is: every few seconds, soon after a buffer stopped or began to hold
 * unsynced messages, and at once when the hub asks. While no hub listens nothing is made or sent.
 */
export class FleetReporter {
  readonly #identity: LeafIdentity
  readonly #client: NatsClient
  readonly #outbox: Outbox
  readonly #buffers: FleetReporterDependencies['buffers']
  readonly #store: Store
  readonly #clock: Clock
  readonly #tasks: Tasks
  #stop: (() => void)[] = []
  #cancel: Cancel | undefined
  #dueMs = Number.POSITIVE_INFINITY
  #hadBacklog: boolean | undefined

  constructor(identity: LeafIdentity, dependencies: FleetReporterDependencies) {
    this.#identity = identity
    this.#client = dependencies.client
    this.#outbox = dependencies.outbox
    this.#buffers = dependencies.buffers
    this.#store = dependencies.store
    this.#clock = dependencies.clock
    const { log } = dependencies
    this.#tasks = new Tasks((name, error) => log.warn({ name, err: error }, 'cannot report'))
  }

  start(): void {
    this.#stop = [
      this.#client.subscribe(PROBE_SUBJECT, ({ payload }) => {
        this.#report(Buffer.from(payload).toString('utf8', 0, 64))
      }),
      ...[REPORT_SUBJECT, HOME_REPORTS_SUBJECT].map((subject) =>
        this.#client.onInterest(subject, () => this.#reportIn(REPORT_PAUSE_MS)),
      ),
      ...this.#buffers.all.map(({ store }) => store.onCommit(() => this.#changed())),
    ]
    this.#reportIn(REPORT_PAUSE_MS)
  }

  async drain(): Promise<void> {
    this.#close()
    await this.#tasks.drain()
  }

  async destroy(): Promise<void> {
    this.#close()
    await this.#tasks.destroy()
  }

  #close(): void {
    for (const stop of this.#stop) stop()
    this.#stop = []
    this.#cancel?.()
    this.#cancel = undefined
  }

  #changed(): void {
    const hasBacklog = this.#buffers.all.some((it) => it.syncedSeq < it.store.state.lastSeq)
    if (hasBacklog === this.#hadBacklog) return
    this.#hadBacklog = hasBacklog
    this.#reportIn(REPORT_PAUSE_MS)
  }

  /** At the latest then; an earlier report that is due already stays. */
  #reportIn(delayMs: number): void {
    const dueMs = this.#clock.monotonicMs() + delayMs
    if (this.#cancel !== undefined && this.#dueMs <= dueMs) return
    this.#cancel?.()
    this.#dueMs = dueMs
    this.#cancel = this.#clock.after(delayMs, () => {
      this.#cancel = undefined
      this.#report('')
      this.#reportIn(REPORT_INTERVAL_MS)
    })
  }

  #report(probe: string): void {
    if (this.#stop.length === 0) return
    const { home } = this.#outbox
    // The hub that it is attached to may be another one than its home: both are told.
    const subjects = [...new Set([REPORT_SUBJECT, reportSubject(home)])].filter((subject) =>
      this.#client.hasInterest(subject),
    )
    if (subjects.length === 0) return
    this.#tasks.run('fleet-report', async () => {
      const buffers: ReportBuffer[] = []
      for (const buffer of this.#buffers.all) buffers.push(await this.#describe(buffer))
      const store = storeReport(this.#store)
      const report: Report = { v: 1, ...this.#identity, home, probe, store, buffers }
      for (const subject of subjects) this.#client.publish(subject, encodeReport(report))
    })
  }

  async #describe(buffer: LeafBuffer): Promise<ReportBuffer> {
    const oldest = await oldestUnsyncedMs(buffer)
    const { state } = buffer.store
    const { evicted, damaged } = buffer.pendingGaps
    const isKnown = oldest !== undefined && oldest >= PLAUSIBLE_WALL_MS
    return {
      name: buffer.name,
      incarnation: buffer.incarnation === '' ? 'none' : buffer.incarnation,
      first_seq: state.firstSeq,
      last_seq: state.lastSeq,
      synced_seq: buffer.syncedSeq,
      backlog_msgs: buffer.backlogMessages,
      backlog_bytes: buffer.backlogBytes,
      oldest_unsynced_at: isKnown ? new Date(oldest).toISOString() : null,
      evicted_pending: evicted,
      damaged_pending: damaged,
      refusal: this.#outbox.refusalOf(buffer.name) ?? null,
      is_configured: buffer.isConfigured,
    }
  }
}

function storeReport({ condition, stats }: Store): ReportStore {
  const { journal, all } = stats.everWritten
  return {
    condition: condition.name,
    damaged_records: stats.damagedRecords,
    mended_files: stats.mendedFiles,
    quarantine_bytes: stats.quarantineBytes,
    disk_bytes: stats.diskBytes,
    free_bytes: Number.isFinite(stats.freeBytes) ? stats.freeBytes : null,
    written_bytes: all,
    write_amplification: journal > 0 ? Math.round((all / journal) * 1_000) / 1_000 : 1,
  }
}

async function oldestUnsyncedMs({ store, syncedSeq }: LeafBuffer): Promise<number | undefined> {
  if (syncedSeq >= store.state.lastSeq) return undefined
  const { messages } = await store.read({ fromSeq: syncedSeq + 1, messagesMax: 1, bytesMax: 1 })
  return messages[0]?.timeMs
}
