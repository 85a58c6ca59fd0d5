import type { ClientMessage, NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import { type Cancel, type Clock, messageOf } from '../../shared/runtime/index.ts'
import {
  decodeReport,
  PROBE_SUBJECT,
  REPORT_SUBJECT,
  type Report,
  reportSubject,
} from '../../shared/sync/index.ts'
import type { BlockedReason, LedgerBook } from '../ingest/index.ts'
import type {
  AccountLabel,
  BufferStatus,
  FleetStatus,
  LeafState,
  LeafStatus,
} from './fleet-status.ts'
import { LeafView } from './leaf-view.ts'
import { OFFLINE_AFTER_MS, PROBE_LENGTH_MAX, PROBE_WAIT_MS } from './limits.ts'
import type { LeafRecord, Registry } from './registry.ts'

/** What fleet needs of ingest; `Ingest` fits. */
export interface LedgerSource {
  readonly book: LedgerBook
  readonly home: string
  blockedReason(leaf: string, buffer: string): BlockedReason | undefined
  release(leaf: string): Promise<void>
  onProgress(listener: (account: { leaf: string; buffer: string }) => void): () => void
}

export interface FleetDependencies {
  readonly client: NatsClient
  readonly registry: Registry
  readonly ledger: LedgerSource
  /** Shown with each leaf; default: nothing, as of the default account. */
  readonly label?: AccountLabel
  readonly clock: Clock
  readonly log: Log
}

/**
 * The status of all leaves of one account, from three sources: the registry knows who they are, the ledger what the
 * hub has of them, and their reports what they still hold. A report that is old does not say what a
 * leaf holds now, so a status that is asked for asks the leaves first.
 */
export class Fleet {
  readonly #client: NatsClient
  readonly #registry: Registry
  readonly #ledger: LedgerSource
  readonly #label: AccountLabel
  readonly #clock: Clock
  readonly #log: Log
  readonly #views = new Map<string, LeafView>()
  readonly #answered = new Set<() => void>()
  #stop: (() => void)[] = []
  #probes = 0
  #probing: Promise<FleetStatus> | undefined

  constructor(dependencies: FleetDependencies) {
    this.#client = dependencies.client
    this.#registry = dependencies.registry
    this.#ledger = dependencies.ledger
    this.#label = dependencies.label ?? {}
    this.#clock = dependencies.clock
    this.#log = dependencies.log
  }

  start(): void {
    this.#stop = [
      this.#client.subscribe(REPORT_SUBJECT, (message) => this.#reported(message, false)),
      this.#client.subscribe(reportSubject(this.#ledger.home), (message) =>
        this.#reported(message, true),
      ),
      this.#ledger.onProgress(({ leaf, buffer }) => {
        this.#registry.heard(leaf)
        this.#view(leaf).progressed(this.#ledger.book, buffer, this.#clock.monotonicMs())
      }),
    ]
    this.#client.publish(PROBE_SUBJECT, Buffer.from(''))
  }

  /** A leaf's link is gone: what it holds is not known from now on. */
  left(name: string): void {
    this.#registry.left(name)
    this.#views.get(name)?.forget()
  }

  /** Whoever waits for a status gets what is known. Idempotent. */
  close(): void {
    for (const stop of this.#stop) stop()
    this.#stop = []
    for (const check of [...this.#answered]) check()
  }

  /** What is known now. What a leaf holds is null when its report is older than a few seconds. */
  status(): FleetStatus {
    const nowMs = this.#clock.monotonicMs()
    return this.#statusWhere((view) => nowMs - view.reportedMs < OFFLINE_AFTER_MS)
  }

  /** Asks the leaves first: what a leaf holds is null when it did not answer now. */
  freshStatus(): Promise<FleetStatus> {
    this.#probing ??= this.#probe().finally(() => {
      this.#probing = undefined
    })
    return this.#probing
  }

  /** Gives a leaf's name free. Why it could not be done; undefined when it was. */
  async release(name: string): Promise<string | undefined> {
    if (this.#registry.get(name) === undefined) return `no leaf is called ${name}`
    try {
      await Promise.all([this.#ledger.release(name), this.#registry.release(name)])
    } catch (error) {
      return messageOf(error)
    }
    this.#views.delete(name)
    this.#log.warn({ leaf: name }, 'released the name of a leaf, its figures start anew')
    return undefined
  }

  async #probe(): Promise<FleetStatus> {
    // Leaves of other homes hear it as well, and probes of other hubs.
    const token = `${++this.#probes} ${this.#ledger.home}`.slice(0, PROBE_LENGTH_MAX)
    const isFresh = (view: LeafView): boolean => view.probe === token
    const asked = this.#registry.all
      .filter(({ name }) => this.#registry.silentMs(name) < OFFLINE_AFTER_MS)
      .map(({ name }) => this.#view(name))
    this.#client.publish(PROBE_SUBJECT, Buffer.from(token))
    if (asked.length > 0) await this.#until(() => asked.every(isFresh), PROBE_WAIT_MS)
    return this.#statusWhere(isFresh)
  }

  #until(holds: () => boolean, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      let cancel: Cancel = () => {}
      const done = (): void => {
        cancel()
        this.#answered.delete(check)
        resolve()
      }
      const check = (): void => {
        if (this.#stop.length === 0 || holds()) done()
      }
      this.#answered.add(check)
      cancel = this.#clock.after(waitMs, done)
      check()
    })
  }

  /** @param isToHome the copy for its home, wherever it is attached */
  #reported(message: ClientMessage, isToHome: boolean): void {
    let report: Report
    try {
      report = decodeReport(message.payload)
    } catch (error) {
      this.#log.warn({ err: error }, 'refused a report')
      return
    }
    // One attached to its home sends both copies there.
    if (!isToHome && report.home === this.#ledger.home) return
    if (!this.#registry.admit(report).isAdmitted) return
    this.#view(report.name).take(report, this.#ledger.book, this.#clock.monotonicMs())
    for (const check of [...this.#answered]) check()
  }

  #statusWhere(isFresh: (view: LeafView) => boolean): FleetStatus {
    return {
      as_of: new Date(this.#clock.wallMs()).toISOString(),
      hub: this.#ledger.home,
      leaves: this.#registry.all
        .filter(({ name }) => !this.#isElsewhere(name))
        .map((record) => {
          const view = this.#view(record.name)
          return this.#leaf(record, view, isFresh(view))
        }),
    }
  }

  /** A leaf that was here as a guest, and is not any more: its home tells how it is. */
  #isElsewhere(name: string): boolean {
    const home = this.#homeOf(name)
    if (home === null || home === this.#ledger.home) return false
    return this.#registry.silentMs(name) >= OFFLINE_AFTER_MS
  }

  #homeOf(name: string): string | null {
    const reported = this.#views.get(name)?.report?.home ?? ''
    if (reported !== '') return reported
    return this.#ledger.book.buffersOf(name).length > 0 ? this.#ledger.home : null
  }

  #leaf(record: LeafRecord, view: LeafView, isFresh: boolean): LeafStatus {
    const nowMs = this.#clock.monotonicMs()
    const buffers = view.buffers(this.#ledger, isFresh, nowMs)
    const isOnline = this.#registry.silentMs(record.name) < OFFLINE_AFTER_MS
    return {
      ...this.#label,
      name: record.name,
      id: record.id,
      region: record.region,
      state: isOnline ? stateOf(buffers) : 'offline',
      last_seen: record.last_seen === 0 ? null : new Date(record.last_seen).toISOString(),
      version: record.version === '' ? null : record.version,
      home: this.#homeOf(record.name),
      store: view.report?.store ?? null,
      buffers,
    }
  }

  #view(leaf: string): LeafView {
    const view = this.#views.get(leaf) ?? new LeafView(leaf)
    this.#views.set(leaf, view)
    return view
  }
}

function stateOf(buffers: readonly BufferStatus[]): LeafState {
  if (buffers.some((buffer) => buffer.refused !== null)) return 'refused'
  return buffers.every((buffer) => buffer.backlog_msgs === 0) ? 'in_sync' : 'draining'
}
