import type { Expulsion } from '../account/index.ts'
import type { Cancel, Clock } from '../runtime/index.ts'

/** When a connection's time is up: its user's or its account's, whichever comes first. */
export class Expiry {
  readonly #clock: Clock
  readonly #expired: (error: Expulsion) => void
  #cancel: Cancel | undefined

  constructor(clock: Clock, expired: (error: Expulsion) => void) {
    this.#clock = clock
    this.#expired = expired
  }

  /** Wall times; undefined for never. */
  arm(userMs: number | undefined, accountMs: number | undefined): void {
    this.stop()
    const user = userMs ?? Number.POSITIVE_INFINITY
    const account = accountMs ?? Number.POSITIVE_INFINITY
    const atMs = Math.min(user, account)
    if (atMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.max(0, atMs - this.#clock.wallMs())
    const error = user <= account ? 'user_expired' : 'account_expired'
    this.#cancel = this.#clock.after(delayMs, () => this.#expired(error))
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
