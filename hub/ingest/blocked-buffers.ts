import type { Cancel, Clock } from '../../shared/runtime/index.ts'
import type { LedgerAccount } from './ledger-book.ts'
import { BLOCKED_LOOK_MS, NUDGES_PER_LOOK_MAX } from './limits.ts'

/** Why a buffer's next record is not stored. */
export interface BlockedReason {
  /** '' when it is not about one subject. */
  readonly subject: string
  readonly reason: string
}

interface Blocked extends BlockedReason {
  readonly leaf: string
  readonly isMended: () => boolean
  isNudged: boolean
}

/**
 * The buffers whose last batch was not stored, and why. Their leaves try again by themselves after some
 * seconds, ever later; what they wait for is looked at more often here, and a leaf is told at once when
 * it has come. One entry per buffer at most.
 */
export class BlockedBuffers {
  readonly #clock: Clock
  readonly #nudge: (leaf: string) => void
  readonly #blocked = new Map<string, Blocked>()
  #cancel: Cancel | undefined
  #isStopped = false

  constructor(clock: Clock, nudge: (leaf: string) => void) {
    this.#clock = clock
    this.#nudge = nudge
  }

  find(leaf: string, buffer: string): BlockedReason | undefined {
    const blocked = this.#blocked.get(keyOf({ leaf, buffer }))
    return blocked?.isMended() === true ? undefined : blocked
  }

  /** @param isMended whether another try would find what it lacks; asked often */
  add(account: LedgerAccount, why: BlockedReason, isMended: () => boolean): void {
    const { subject, reason } = why
    const { leaf } = account
    this.#blocked.set(keyOf(account), { leaf, subject, reason, isMended, isNudged: false })
    this.#lookLater()
  }

  stored(account: LedgerAccount): void {
    if (this.#blocked.size > 0) this.#blocked.delete(keyOf(account))
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
    const leaves = new Set<string>()
    let isWaiting = false
    for (const it of this.#blocked.values()) {
      if (it.isNudged) continue
      isWaiting = true
      if (leaves.size >= NUDGES_PER_LOOK_MAX || !it.isMended()) continue
      it.isNudged = true
      leaves.add(it.leaf)
    }
    for (const leaf of leaves) this.#nudge(leaf)
    if (isWaiting) this.#lookLater()
  }
}

function keyOf({ leaf, buffer }: { readonly leaf: string; readonly buffer: string }): string {
  return `${leaf} ${buffer}`
}
