/**
 * When sessions end and their wills are due. Time is counted by the monotonic clock from the moment in which
 * the client left, so a wall clock that jumps ends nothing early; over a restart it goes on by a wall clock
 * that can be trusted, and where there is none it begins anew.
 */
import { type Clock, Deadline } from '../../shared/runtime/index.ts'
import type { DurableSession } from './durable-session.ts'
import { EXPIRY_LOOK_MAX_MS, EXPIRY_TURN_SESSIONS, NEVER_EXPIRES } from './limits.ts'

const SECOND_MS = 1_000

export class SessionDeadlines {
  /** Sessions that ended because their time was over. */
  expired = 0
  readonly #clock: Clock
  readonly #sessions: () => Iterable<DurableSession>
  /** No will is due before. */
  #willsFromMs = 0
  /** When they are looked at next. */
  #wakesMs = Number.POSITIVE_INFINITY
  readonly #deadline: Deadline
  #isClosed = false

  constructor(clock: Clock, sessions: () => Iterable<DurableSession>) {
    this.#clock = clock
    this.#sessions = sessions
    const nextMs = (): number => this.#wakesMs
    this.#deadline = new Deadline(clock, nextMs, () => this.look())
  }

  /** At a start: clients have so long to come back before their wills are published. */
  graceWills(graceMs: number): void {
    this.#willsFromMs = this.#clock.monotonicMs() + graceMs
  }

  /** Its client has gone. What is due at once is done at once. */
  left(session: DurableSession): void {
    if (this.#isClosed) return
    const nowMs = this.#clock.monotonicMs()
    if (this.#settle(session, nowMs)) this.#wakeAt(this.#nextOf(session))
  }

  /** Looks at all of them. */
  look(): void {
    this.#wakesMs = Number.POSITIVE_INFINITY
    const nowMs = this.#clock.monotonicMs()
    let ended = 0
    let dueMs = Number.POSITIVE_INFINITY
    for (const session of [...this.#sessions()]) {
      if (ended >= EXPIRY_TURN_SESSIONS) {
        dueMs = nowMs
        break
      }
      if (this.#settle(session, nowMs)) dueMs = Math.min(dueMs, this.#nextOf(session))
      else ended++
    }
    this.#wakeAt(dueMs)
  }

  close(): void {
    this.#isClosed = true
    this.#deadline.close()
  }

  /** Does what is due; false when the session has ended. */
  #settle(session: DurableSession, nowMs: number): boolean {
    if (this.#endOf(session) <= nowMs) {
      this.expired++
      session.end()
      return false
    }
    if (this.#willOf(session) <= nowMs) session.publishWill()
    return !session.hasEnded
  }

  #nextOf(session: DurableSession): number {
    return Math.min(this.#endOf(session), this.#willOf(session))
  }

  #endOf({ leftAtMs, expirySeconds }: DurableSession): number {
    if (leftAtMs === undefined || expirySeconds === NEVER_EXPIRES) return Number.POSITIVE_INFINITY
    return leftAtMs + expirySeconds * SECOND_MS
  }

  #willOf({ leftAtMs, will }: DurableSession): number {
    if (leftAtMs === undefined || will === undefined) return Number.POSITIVE_INFINITY
    const delaySeconds = will.properties.willDelaySeconds ?? 0
    return Math.max(leftAtMs + delaySeconds * SECOND_MS, this.#willsFromMs)
  }

  #wakeAt(dueMs: number): void {
    if (dueMs === Number.POSITIVE_INFINITY) return
    // Timers may be late after a machine slept: they are set anew from time to time.
    const latestMs = this.#clock.monotonicMs() + EXPIRY_LOOK_MAX_MS
    this.#wakesMs = Math.min(this.#wakesMs, dueMs, latestMs)
    this.#deadline.arm()
  }
}
