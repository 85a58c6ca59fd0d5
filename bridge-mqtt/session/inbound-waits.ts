import type { PublishCommitted, PublishOptions } from '../../shared/broker/index.ts'
import type { PetioleError } from '../../shared/runtime/index.ts'

/**
 * All that has to be on disk before a publish is acknowledged: what a capture stores, what the log of the
 * durable sessions stores, the retained message. The router owes one call; everybody else who stores says
 * so by `hold` while the message is being routed, and owes one more.
 */
export abstract class PublishWaits implements PublishOptions {
  /** The first of those that failed. */
  error: PetioleError | undefined
  readonly committed: PublishCommitted
  #missing = 0

  constructor() {
    this.committed = (error) => {
      this.error ??= error
      if (--this.#missing === 0) this.settled()
    }
  }

  /** undefined: what one of those who store it refuses goes to all others. */
  get isRefused(): boolean | undefined {
    return undefined
  }

  get isSettled(): boolean {
    return this.#missing === 0
  }

  /** The acknowledgement waits for one more, who owes exactly one call. */
  hold(): PublishCommitted {
    this.#missing++
    return this.committed
  }

  /** Another publish, which waits for the router alone as yet. */
  protected begin(): void {
    this.error = undefined
    this.#missing = 1
  }

  /** Nobody is waited for any more. */
  protected abstract settled(): void
}
