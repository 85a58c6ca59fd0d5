/**
 * Which client a `pinned_client` group is pinned to: the one whose requests carry the id. It stays so
 * while those keep coming, each within the timeout of the one before.
 */
import type { Cancel, Clock } from '../../../runtime/index.ts'
import { formatTime } from '../../timestamp.ts'
import type { ConsumerEvents } from '../consumer-events.ts'

export interface PinParts {
  readonly clock: Clock
  readonly events: ConsumerEvents
  readonly timeoutMs: () => number
  /** An id that nobody had before. */
  readonly newId: () => string
  /** Nobody is pinned any more: others may take what is there. */
  readonly onFree: () => void
}

export class Pin {
  readonly #parts: PinParts
  #id = ''
  #sinceMs = 0
  #cancel: Cancel | undefined

  constructor(parts: PinParts) {
    this.#parts = parts
  }

  /** '' when nobody is pinned. */
  get id(): string {
    return this.#id
  }

  /** As CONSUMER.INFO shows it. */
  info(group: string): Readonly<Record<string, unknown>> {
    const pinned = this.#id === '' ? {} : { pinned_client_id: this.#id }
    return { group, ...pinned, pinned_ts: formatTime(this.#sinceMs) }
  }

  /** Returns the new id. */
  assign(group: string): string {
    const { clock, events, newId } = this.#parts
    this.#id = newId()
    this.#sinceMs = clock.wallMs()
    this.renew(group)
    events.pinned(group, this.#id)
    return this.#id
  }

  /** The pinned client is still there. */
  renew(group: string): void {
    const { clock, events, timeoutMs, onFree } = this.#parts
    this.#cancel?.()
    this.#cancel = clock.after(timeoutMs(), () => {
      this.release()
      events.unpinned(group, 'timeout')
      onFree()
    })
  }

  release(): void {
    this.#id = ''
    this.#sinceMs = 0
    this.#cancel?.()
    this.#cancel = undefined
  }
}
