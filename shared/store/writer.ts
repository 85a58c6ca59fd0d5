/**
 * The front of the commit: stamps records with time and boot, refuses them when there is no room,
 * keeps transactions whole, and wakes the committer.
 */
import {
  type Clock,
  invariant,
  PetioleError,
  PLAUSIBLE_WALL_MS,
  type Random,
} from '../runtime/index.ts'
import type { Boots } from './boots.ts'
import { Gather, type GatherLimits } from './gather.ts'
import { RECORD_BYTES_MAX } from './limits.ts'
import { type RecordFields, RecordFlag, RecordType } from './record.ts'
import type { Room } from './room.ts'
import type { Committed } from './stream-store.ts'
import { WRITTEN_BYTES_PACKED, type WrittenBytes } from './wear.ts'

/** Whatever shows or counts what is staged, and must forget it when a commit fails. */
export interface Staging {
  unstage(): void
  /** Nothing of it is staged any more. */
  settled(): void
}

/** What a record is for: a stored message needs room, what frees room or follows it may use the reserve. */
export type RecordUrge = 'message' | 'upkeep'

export interface RecordDraft {
  readonly type: RecordType
  readonly flags: number
  readonly streamId: number
  readonly seq: number
  readonly subject: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  readonly timeMs: number | undefined
}

const NO_BYTES = new Uint8Array(0)
const BOOT_ID_BYTES = 16
/** A boot record's shift and id; totals of what was written follow. */
export const BOOT_BYTES = 8 + BOOT_ID_BYTES

export class Writer {
  readonly gather: Gather
  readonly #clock: Clock
  readonly #random: Random
  readonly #boots: Boots
  readonly #room: Room
  readonly #staged = new Set<Staging>()
  /** Filled for each record, and encoded at once. */
  readonly #fields: { -readonly [Key in keyof RecordFields]: RecordFields[Key] } = {
    type: RecordType.message,
    flags: 0,
    streamId: 0,
    seq: 0,
    wallMs: 0,
    bootRef: 0,
    monotonicMs: 0,
    subject: NO_BYTES,
    headers: NO_BYTES,
    payload: NO_BYTES,
  }
  #undo: (() => void)[] | undefined
  #bootRef = 0
  #isClockWrong = false
  #startWallMs = 0
  #startMonotonicMs = 0
  #askedAtWallMs = Number.NaN
  #askedMonotonicMs = 0
  /** Set by the committer; called when there is something to commit. */
  wake: () => void = () => {}
  /** The first segment that a record appended now may come to lie in. */
  segmentIdMin: () => number = () => 0
  /** What the store has written since it was made. */
  written: () => WrittenBytes = () => ({ journal: 0, all: 0 })
  /** Appends what waits for a commit of others, so that a barrier covers it. */
  beforeBarrier: () => void = () => {}
  /** Transactions begun. */
  transactions = 0

  constructor(clock: Clock, random: Random, boots: Boots, room: Room, limits: GatherLimits) {
    this.#clock = clock
    this.#random = random
    this.#boots = boots
    this.#room = room
    this.gather = new Gather(limits)
  }

  /** Throws when the record may not be written now; nothing was appended then. */
  check(bytes: number, urge: RecordUrge): void {
    if (bytes > RECORD_BYTES_MAX) {
      throw new PetioleError(
        'PETIOLE_MESSAGE_TOO_LARGE',
        `a record of ${bytes} bytes is larger than the store's limit of ${RECORD_BYTES_MAX}: send less at once`,
      )
    }
    this.#room.check(bytes + this.gather.bytes, urge)
  }

  /** @param syncWithinMs how long after its write the record may wait for a sync; 0: its callback waits too */
  append(
    draft: RecordDraft,
    committed: Committed | undefined,
    syncWithinMs = 0,
    whom?: unknown,
  ): void {
    if (this.#bootRef === 0) this.#startBoot()
    const wallMs = this.#clock.wallMs()
    if (this.#isClockWrong && wallMs >= PLAUSIBLE_WALL_MS) this.#learnTime(wallMs)
    const monotonicMs = this.#monotonicMs(wallMs)
    const isWrong = this.#isClockWrong && draft.timeMs === undefined
    const fields = this.#fields
    fields.type = draft.type
    fields.flags =
      draft.flags |
      (isWrong ? RecordFlag.clockWrong : 0) |
      (this.gather.isGrouping ? RecordFlag.more : 0)
    fields.streamId = draft.streamId
    fields.seq = draft.seq
    fields.wallMs = draft.timeMs ?? (isWrong ? this.#steadyWallMs(monotonicMs) : wallMs)
    fields.bootRef = this.#bootRef
    fields.monotonicMs = monotonicMs
    fields.subject = draft.subject
    fields.headers = draft.headers
    fields.payload = draft.payload
    this.gather.append(fields, committed, syncWithinMs, whom)
    fields.payload = NO_BYTES
    this.wake()
  }

  /** Remembers who must be told when the commit fails. */
  stage(staging: Staging): void {
    this.#staged.add(staging)
  }

  /** Only inside a transaction. */
  onUndo(undo: () => void): void {
    this.#undo?.push(undo)
  }

  /** Called back with the commit of all that was appended before. */
  barrier(committed: Committed): void {
    if (!this.isInTransaction) this.beforeBarrier()
    this.gather.barrier(committed)
    this.wake()
  }

  get isInTransaction(): boolean {
    return this.#undo !== undefined
  }

  transaction(write: () => void): void {
    if (this.#undo !== undefined) {
      write()
      return
    }
    this.#room.check(0, 'upkeep')
    if (this.#bootRef === 0) this.#startBoot()
    const savepoint = this.gather.beginGroup()
    this.#undo = []
    this.transactions++
    try {
      write()
      this.gather.endGroup()
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      this.gather.rollBack(savepoint)
      throw error
    } finally {
      this.#undo = undefined
    }
  }

  /** For what nobody waits for: false when the store takes nothing now, and nothing of it was written. */
  tryTransaction(write: () => void): boolean {
    try {
      this.transaction(write)
      return true
    } catch (error) {
      if (error instanceof PetioleError) return false
      throw error
    }
  }

  /** All that is staged is void. */
  unstageAll(): void {
    for (const staging of this.#staged) staging.unstage()
    this.#staged.clear()
    const boot = this.#boots.get(this.#bootRef)
    if (boot === undefined) this.#bootRef = 0
    else this.#isClockWrong = Number.isNaN(boot.shiftMs)
  }

  /** Nothing waits and nothing is under way. */
  settled(): void {
    for (const staging of this.#staged) staging.settled()
    this.#staged.clear()
  }

  /** The boot that this process writes records of; 0 before the first. */
  get bootRef(): number {
    return this.#bootRef
  }

  /** The boot's record once more, as the mark of a clean end. */
  repeatBoot(): void {
    if (this.#bootRef === 0) this.#startBoot()
    else this.appendBoot(this.#bootRef, this.#boots.get(this.#bootRef)?.shiftMs ?? Number.NaN)
    this.barrier(() => {})
  }

  #startBoot(): void {
    this.#startMonotonicMs = this.#clock.monotonicMs()
    this.#startWallMs = this.#clock.wallMs()
    this.#isClockWrong = this.#startWallMs < PLAUSIBLE_WALL_MS
    this.#bootRef = this.#boots.nextRef
    this.appendBoot(this.#bootRef, this.#isClockWrong ? Number.NaN : 0)
  }

  /** One clock is asked for each record; the other once for all records of a millisecond. */
  #monotonicMs(wallMs: number): number {
    if (wallMs !== this.#askedAtWallMs) {
      this.#askedAtWallMs = wallMs
      this.#askedMonotonicMs = this.#clock.monotonicMs()
    }
    return this.#askedMonotonicMs
  }

  /** A wrong clock counts on from the start, whatever is done to it, so that one shift repairs all. */
  #steadyWallMs(monotonicMs: number): number {
    return this.#startWallMs + (monotonicMs - this.#startMonotonicMs)
  }

  #learnTime(wallMs: number): void {
    this.#isClockWrong = false
    this.onUndo(() => {
      this.#isClockWrong = true
    })
    this.appendBoot(this.#bootRef, wallMs - this.#steadyWallMs(this.#clock.monotonicMs()))
  }

  /** What is known of a boot's clock. */
  appendBoot(ref: number, shiftMs: number): void {
    invariant(ref > 0, 'a boot has a reference')
    const payload = new Uint8Array(BOOT_BYTES + WRITTEN_BYTES_PACKED)
    const view = new DataView(payload.buffer)
    const { journal, all } = this.written()
    view.setFloat64(0, shiftMs, true)
    view.setFloat64(BOOT_BYTES, journal, true)
    view.setFloat64(BOOT_BYTES + 8, all, true)
    payload.set(this.#random.bytes(BOOT_ID_BYTES), 8)
    this.gather.append(
      {
        type: RecordType.boot,
        flags: this.gather.isGrouping ? RecordFlag.more : 0,
        streamId: 0,
        seq: ref,
        wallMs: this.#clock.wallMs(),
        bootRef: this.#bootRef,
        monotonicMs: this.#clock.monotonicMs(),
        subject: NO_BYTES,
        headers: NO_BYTES,
        payload,
      },
      undefined,
      Number.POSITIVE_INFINITY,
    )
    this.wake()
  }
}
