import type { Log } from '../../shared/log/index.ts'
import { type Cancel, type Clock, PetioleError, type Random } from '../../shared/runtime/index.ts'
import type { StreamStore } from '../../shared/store/index.ts'
import type { Gap } from '../../shared/sync/index.ts'
import type { DamageLog } from './damage-log.ts'
import { explainHole, type SeqRange } from './holes.ts'
import { SETTLE_BYTES, SETTLE_DELAY_MS } from './limits.ts'

/**
 * One buffer: a stream, and how far the hub has it. Two facts are kept in the stream's own state
 * table, so that they come and go with the stream:
 *
 *     incarnation    names this history. It is on disk before it is told to anyone.
 *     synced seq     the hub has confirmed all up to here. Written late and in one breath with the
 *                    purge that follows from it; the hub's watermark corrects a mark that is old.
 *     base seq       what of it was settled under earlier incarnations: a hub that never heard of
 *                    this one has not lost that.
 *
 * A hub that was put back, or lost its store, confirms less than it did. What is still here counts as
 * unsynced again then; what is not is told it as forgotten.
 */

const MARK_KEY = 'sync/mark'
const INCARNATION_BYTES = 12

interface Mark {
  readonly incarnation: string
  readonly syncedSeq: number
  readonly baseSeq: number
}

export interface BufferTraits {
  readonly name: string
  /** 1 is drained first. */
  readonly priority: number
  /** False: no rule captures into it any more, it only drains. */
  readonly isConfigured: boolean
}

export interface LeafBufferDependencies {
  readonly damage: DamageLog
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export class LeafBuffer {
  readonly name: string
  readonly priority: number
  readonly isConfigured: boolean
  readonly store: StreamStore
  /** '' until one is on disk. */
  incarnation = ''
  /** What the hub has confirmed, as far as this process knows. */
  syncedSeq: number
  /** Settled under earlier incarnations. */
  baseSeq: number
  readonly #clock: Clock
  readonly #random: Random
  readonly #log: Log
  readonly #damage: DamageLog
  #settledSeq: number
  /** What the hub has ever confirmed: it may have forgotten it since. */
  #confirmedSeq: number
  #unsettledBytes = 0
  #cancelSettle: Cancel | undefined

  constructor(traits: BufferTraits, store: StreamStore, dependencies: LeafBufferDependencies) {
    this.name = traits.name
    this.priority = traits.priority
    this.isConfigured = traits.isConfigured
    this.store = store
    this.#clock = dependencies.clock
    this.#random = dependencies.random
    this.#log = dependencies.log
    this.#damage = dependencies.damage
    const mark = decodeJson<Mark>(store.states.get(MARK_KEY))
    this.incarnation = mark?.incarnation ?? ''
    this.syncedSeq = mark?.syncedSeq ?? 0
    this.baseSeq = mark?.baseSeq ?? 0
    this.#settledSeq = this.syncedSeq
    this.#confirmedSeq = this.syncedSeq
  }

  /** Whether a stream is, or was, a buffer. */
  static isBuffer(store: StreamStore): boolean {
    return store.states.get(MARK_KEY) !== undefined
  }

  /** Resolves when the buffer has an incarnation on disk; makes one when it has none. */
  async identify(): Promise<void> {
    if (this.incarnation === '') await this.renew()
  }

  /**
   * Starts a new history, because this one is not a continuation of what the hub has under its name.
   * All that is not known to be synced goes to the hub under the new incarnation.
   */
  async renew(): Promise<void> {
    const incarnation = Buffer.from(this.#random.bytes(INCARNATION_BYTES)).toString('hex')
    const baseSeq = this.syncedSeq
    const mark: Mark = { incarnation, syncedSeq: baseSeq, baseSeq }
    await new Promise<void>((resolve, reject) => {
      this.store.states.set(MARK_KEY, encodeJson(mark), (error) =>
        error === undefined ? resolve() : reject(error),
      )
    })
    this.#log.info({ buffer: this.name, incarnation }, 'buffer starts a new incarnation')
    this.incarnation = incarnation
    this.baseSeq = baseSeq
  }

  /** The hub has all up to `watermark` of this incarnation. */
  confirm(watermark: number, bytes: number): void {
    if (watermark <= this.syncedSeq) return
    this.syncedSeq = watermark
    this.#confirmedSeq = Math.max(this.#confirmedSeq, watermark)
    this.#unsettledBytes += bytes
    if (this.#unsettledBytes >= SETTLE_BYTES) this.settle()
    else this.#cancelSettle ??= this.#clock.after(SETTLE_DELAY_MS, () => this.settle())
  }

  /** The hub has nothing after `watermark` any more, though it had confirmed it. */
  unconfirm(watermark: number): void {
    if (watermark >= this.syncedSeq) return
    this.#cancelSettle?.()
    this.#cancelSettle = undefined
    const goneSeq = Math.min(this.syncedSeq, this.store.state.firstSeq - 1)
    this.syncedSeq = Math.max(watermark, goneSeq)
  }

  /** Writes down what is synced, and lets go of it. */
  settle(): void {
    this.#cancelSettle?.()
    this.#cancelSettle = undefined
    this.#unsettledBytes = 0
    if (this.syncedSeq <= this.#settledSeq || this.incarnation === '') return
    const { incarnation, syncedSeq, baseSeq } = this
    try {
      const mark: Mark = { incarnation, syncedSeq, baseSeq }
      this.store.states.set(MARK_KEY, encodeJson(mark))
      this.#damage.forget(syncedSeq)
    } catch (error) {
      // The mark may be old: the hub's watermark corrects it. The next confirmation tries again.
      this.#log.warn({ buffer: this.name, err: error }, 'cannot write what is synced')
      return
    }
    this.#settledSeq = syncedSeq
    // The mark is in front of the purge in the journal: no purge is ever taken for an eviction.
    this.store
      .purge({ throughSeq: Math.min(syncedSeq, this.store.state.lastSeq) })
      .catch((error: unknown) => {
        this.#log.warn({ buffer: this.name, err: error }, 'cannot purge what is synced')
      })
  }

  /** Why the sequences of a hole have no record. */
  explain(hole: SeqRange): Gap[] {
    return explainHole(hole, {
      syncedSeq: this.#confirmedSeq,
      firstSeq: this.store.state.firstSeq,
      damaged: this.#damage.ranges,
    })
  }

  get backlogMessages(): number {
    return this.syncedSeq >= this.store.state.lastSeq ? 0 : this.store.countFrom(this.syncedSeq + 1)
  }

  /** As they lie on disk; what is synced and not purged yet is taken off in proportion. */
  get backlogBytes(): number {
    const { messages, bytes } = this.store.state
    return messages === 0 ? 0 : Math.round((bytes * this.backlogMessages) / messages)
  }

  /** Sequences without a record that the hub is not told of yet, by cause. */
  get pendingGaps(): { readonly evicted: number; readonly damaged: number } {
    const { firstSeq, lastSeq } = this.store.state
    const unsynced = lastSeq - this.syncedSeq
    const front = this.explain({
      firstSeq: this.syncedSeq + 1,
      lastSeq: Math.min(firstSeq - 1, lastSeq),
    })
    const evicted = sumOf(front.filter((gap) => gap.cause === 'evicted'))
    return { evicted, damaged: Math.max(0, unsynced - this.backlogMessages - evicted) }
  }

  close(): void {
    this.settle()
    this.abandon()
  }

  abandon(): void {
    this.#cancelSettle?.()
    this.#cancelSettle = undefined
    this.#damage.stop()
  }
}

function sumOf(ranges: readonly SeqRange[]): number {
  return ranges.reduce((sum, range) => sum + range.lastSeq - range.firstSeq + 1, 0)
}

function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function decodeJson<T>(bytes: Uint8Array | undefined): T | undefined {
  if (bytes === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(bytes).toString()) as T
  } catch (cause) {
    throw new PetioleError('PETIOLE_BUFFER_MARK_INVALID', 'a buffer has an unreadable mark', {
      cause,
    })
  }
}
