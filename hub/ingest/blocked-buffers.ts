import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import type { LedgerAccount } from './ledger-book.ts'
import { BLOCKED_KEPT_MS, BLOCKED_LOOK_MS, BLOCKED_MAX, NUDGES_PER_LOOK_MAX } from './limits.ts'

/** Why a buffer's next record is not stored. */
export interface BlockedReason {
  /** '' when it is not about one subject. */
  readonly subject: string
  readonly reason: string
}

interface Blocked extends BlockedReason {
  readonly leaf: string
  readonly buffer: string
  readonly isMended: () => boolean
  readonly triedMs: number
}

/**
 * The buffers whose last batch was not stored, and why. Their leaves try again by themselves after some
 * seconds, ever later; what they wait for is looked at more often here, and a leaf is told at once when
 * it has come. One entry per buffer at most, until its leaf is told, released or gone for long.
 */
export class BlockedBuffers {
  readonly #clock: Clock
  readonly #nudge: (leaf: string, buffer: string) => void
  /** Whoever tried last stands last. */
  readonly #blocked = new Map<string, Blocked>()
  #cancel: Cancel | undefined
  #isStopped = false

  constructor(clock: Clock, nudge: (leaf: string, buffer: string) => void) {
    this.#clock = clock
    this.#nudge = nudge
  }

  find(leaf: string, buffer: string): BlockedReason | undefined {
    const blocked = this.#blocked.get(keyOf({ leaf, buffer }))
    return blocked?.isMended() === true ? undefined : blocked
  }

  /**
   * What is there at the refusal already is not what was lacking: its leaf is left to its own pace.
   *
   * @param isMended whether another try would find what it lacks; asked often
   */
  add(account: LedgerAccount, why: BlockedReason, isMended: () => boolean): void {
    const { subject, reason } = why
    const { leaf, buffer } = account
    const key = keyOf(account)
    this.#blocked.delete(key)
    if (isMended()) return
    const triedMs = this.#clock.monotonicMs()
    this.#blocked.set(key, { leaf, buffer, subject, reason, isMended, triedMs })
    if (this.#blocked.size > BLOCKED_MAX) {
      for (const oldest of this.#blocked.keys()) {
        this.#blocked.delete(oldest)
        break
      }
    }
    this.#lookLater()
  }

  stored(account: LedgerAccount): void {
    if (this.#blocked.size > 0) this.#blocked.delete(keyOf(account))
  }

  /** Its name was given free. */
  forget(leaf: string): void {
    for (const [key, it] of this.#blocked) if (it.leaf === leaf) this.#blocked.delete(key)
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
    this.#cancel = undefined
  }

  #lookLater(): void {
    if (this.#isStopped || this.#cancel !== undefined) return
    this.#cancel = this.#clock.after(BLOCKED_LOOK_MS, () => {
      this.#cancel = undefined
      this.#look()
    })
  }

  /** Many leaves may wait for one thing: they come back in lots, not all at once. */
  #look(): void {
    const goneMs = this.#clock.monotonicMs() - BLOCKED_KEPT_MS
    let nudges = 0
    for (const [key, it] of this.#blocked) {
      if (it.triedMs < goneMs) this.#blocked.delete(key)
      else if (nudges < NUDGES_PER_LOOK_MAX && it.isMended()) {
        nudges++
        this.#blocked.delete(key)
        this.#nudge(it.leaf, it.buffer)
      }
    }
    if (this.#blocked.size > 0) this.#lookLater()
  }
}

function keyOf({ leaf, buffer }: { readonly leaf: string; readonly buffer: string }): string {
  return `${leaf} ${buffer}`
}
