import type { Cancel, Clock } from '../../shared/runtime/index.ts'

interface Waiting {
  readonly cancel: Cancel
  readonly publish: () => void
}

/**
 * Wills of clients that are gone and may come back in time: each is published when its delay is over or
 * its session ends, whichever comes first [MQTT-3.1.3-9]. There are no more of them than sessions.
 */
export class WillDesk {
  readonly #clock: Clock
  /** By session. */
  readonly #waiting = new Map<string, Waiting>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Publishes after the delay, unless the client comes back before. */
  keep(session: string, delayMs: number, publish: () => void): void {
    this.forget(session)
    const cancel = this.#clock.after(delayMs, () => this.fire(session))
    this.#waiting.set(session, { cancel, publish })
  }

  /** The session has ended: what waits for it is published now. */
  fire(session: string): void {
    const waiting = this.#waiting.get(session)
    this.forget(session)
    waiting?.publish()
  }

  /** The client is back. */
  forget(session: string): void {
    this.#waiting.get(session)?.cancel()
    this.#waiting.delete(session)
  }

  /** Nothing is published any more. */
  close(): void {
    for (const session of [...this.#waiting.keys()]) this.forget(session)
  }
}
