import type { ExportConfig } from '../config/index.ts'
import type { Cancel, Clock } from '../runtime/index.ts'
import { RESPONSE_THRESHOLD_MS } from './limits.ts'
import type { PendingResponse } from './pending-response.ts'

/**
 * One exported service as its importers share it: how it answers, and the answers that are waited for,
 * the one that has waited longest first. One timer serves all of them.
 */
export class ServiceExport {
  /** The exporting account. */
  readonly account: string
  readonly config: ExportConfig
  readonly #clock: Clock
  readonly #thresholdMs: number
  readonly #pending = new Set<PendingResponse>()
  readonly #expired: (response: PendingResponse) => void
  #cancel: Cancel | undefined

  constructor(
    clock: Clock,
    account: string,
    config: ExportConfig,
    expired: (response: PendingResponse) => void,
  ) {
    this.#clock = clock
    this.account = account
    this.config = config
    this.#thresholdMs =
      config.response_threshold > 0 ? config.response_threshold : RESPONSE_THRESHOLD_MS
    this.#expired = expired
  }

  get isSingle(): boolean {
    return this.config.response_type === 'single'
  }

  get pending(): Iterable<PendingResponse> {
    return this.#pending
  }

  waitFor(response: PendingResponse): void {
    this.#pending.add(response)
    if (this.#cancel === undefined) this.#arm(this.#thresholdMs)
  }

  /** One of several answers has come: the next may take as long again. */
  refresh(response: PendingResponse): void {
    if (!this.#pending.delete(response)) return
    response.sentMs = this.#clock.monotonicMs()
    this.#pending.add(response)
  }

  /** The timer stays: most services are asked again before it is over. */
  done(response: PendingResponse): void {
    this.#pending.delete(response)
  }

  close(): void {
    for (const response of [...this.#pending]) this.#expired(response)
    this.#cancel?.()
    this.#cancel = undefined
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => this.#sweep())
  }

  /** Who is told of an expiry may ask again at once: `#cancel` stays until the end, so that arms nothing. */
  #sweep(): void {
    const now = this.#clock.monotonicMs()
    for (const response of this.#pending) {
      const restMs = response.sentMs + this.#thresholdMs - now
      if (restMs > 0) {
        this.#arm(restMs)
        return
      }
      this.#expired(response)
    }
    this.#cancel = undefined
  }
}
