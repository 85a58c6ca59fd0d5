import type { WillMessage } from '../codec/index.ts'
import type { SessionCommitted } from './filter-journal.ts'
import type { SessionHost } from './session-host.ts'

const SECOND_MS = 1_000

export interface WillSession {
  readonly clientId: string
  readonly key: string
}

/**
 * The will of a session: kept with it, in memory and on disk, until the client says that it leaves, comes back in
 * time, or it has been published.
 */
export class SessionWill {
  readonly #session: WillSession
  readonly #host: SessionHost
  #message: WillMessage | undefined

  constructor(session: WillSession, host: SessionHost) {
    this.#session = session
    this.#host = host
  }

  get message(): WillMessage | undefined {
    return this.#message
  }

  /** Takes what was found of it on disk. */
  restore(message: WillMessage | undefined): void {
    this.#message = message
  }

  set(message: WillMessage | undefined, committed: SessionCommitted): void {
    this.#message = message
    if (message === undefined) this.#host.records.removeWill(this.#session.key)
    else this.save(committed)
  }

  /** Writes it down, if there is one. */
  save(committed: SessionCommitted): void {
    const message = this.#message
    if (message !== undefined) this.#host.records.writeWill(this.#session.key, message, committed)
  }

  /**
   * The client is back with a clean start: nobody hears of a will whose delay is not over [MQTT-3.1.2-8]. Its record
   * goes with that of the session.
   * @param leftAtMs by the monotonic clock
   */
  clientIsBack(leftAtMs: number): void {
    const delaySeconds = this.#message?.properties.willDelaySeconds ?? 0
    const isOver = leftAtMs + delaySeconds * SECOND_MS <= this.#host.clock.monotonicMs()
    if (!isOver) this.#message = undefined
  }

  /** Publishes it, if there is one: that, and that there is none any more, is stored as one. */
  publish(): void {
    const message = this.#message
    if (message === undefined) return
    this.#message = undefined
    const { store, records } = this.#host
    const publish = (): void => {
      records.removeWill(this.#session.key)
      this.#host.publishWill(this.#session, message)
    }
    try {
      store.transaction(publish)
    } catch {
      // A store that takes nothing keeps nobody from hearing of it.
      this.#host.publishWill(this.#session, message)
    }
  }
}
