/**
 * Appends what was checked, with all that it brings about: what it replaces goes in the same
 * transaction, its deadline is noted, and once it is on disk it is published again if it is to be.
 */
import { type Clock, type PetioleError, PLAUSIBLE_WALL_MS } from '../../runtime/index.ts'
import type { Committed, Store } from '../../store/index.ts'
import { hasWildcard, SubjectFilter } from '../../subject/index.ts'
import type { Admission, AdmittingStream, Draft } from './admission.ts'
import type { Expiry } from './expiry.ts'
import { NOTHING_ASKED, type PublishHeaders } from './publish-headers.ts'
import type { Republishing } from './republishing.ts'
import type { Schedules } from './schedule/schedules.ts'

/** What storing needs of its stream. */
export interface StoringStream extends AdmittingStream {
  readonly consumers: {
    readonly interest: { wants(subject: string): boolean }
    removed(first: number, last: number, isTold?: boolean): void
  }
  purgeUnasked(options: { filter: SubjectFilter; throughSeq: number }): Promise<number>
}

export interface StoringParts {
  readonly clock: Clock
  readonly root: Store
  readonly admission: Admission
  readonly expiry: Expiry
  readonly schedules: Schedules
  readonly republishing: Republishing
}

export class Storing {
  readonly #stream: StoringStream
  readonly #parts: StoringParts

  constructor(stream: StoringStream, parts: StoringParts) {
    this.#stream = stream
    this.#parts = parts
  }

  /** Whether `plain` does for a message that asks for nothing. */
  get isPlain(): boolean {
    const { republishing, admission } = this.#parts
    if (republishing.isActive) return false
    // An id that it hides must be shown again when its commit fails, or a transaction around it.
    return admission.lastMsgId === '' && this.#stream.config.retention !== 'interest'
  }

  /** A message that asks for nothing, where `isPlain`: nothing is made that lives until it is on disk. */
  plain(draft: Draft, committed: Committed, whom: unknown): void {
    const { subject, subjectBytes, headers, payload } = draft
    const { store, mode } = this.#stream
    const seq = store.append(
      subjectBytes,
      headers,
      payload,
      committed,
      undefined,
      false,
      false,
      whom,
    )
    this.#parts.admission.stagePlain(seq, mode.isCapturing ? subject : '')
  }

  /** @returns its sequence */
  append(draft: Draft, asked: PublishHeaders, committed: Committed): number {
    if (draft.rollup === undefined && asked.scheduleNext === undefined) {
      return this.#append(draft, asked, committed)
    }
    const isWide = draft.rollup === 'sub' && hasWildcard(draft.subject)
    const done = isWide ? this.#purgingFirst(draft.subject, committed) : committed
    let seq = 0
    this.transaction(() => {
      seq = this.#append(draft, asked, done)
      this.#replace(draft, asked, seq)
    })
    return seq
  }

  /**
   * Like `Store.transaction`; when `work` throws, what was remembered is as it was before, and also when it is
   * part of another one that throws: that of a publisher who has more to store than the message.
   */
  transaction(work: () => void): void {
    this.#parts.root.transaction(work)
  }

  /** What nobody wants has a sequence, and is remembered as if it had been stored and removed. */
  #skip(draft: Draft, asked: PublishHeaders, committed: Committed): number {
    const { admission } = this.#parts
    const { store } = this.#stream
    const seq = store.assignedSeq + 1
    const nowhere = { ...draft, subject: '' }
    store.skipTo(seq + 1, (error) => {
      if (error !== undefined) admission.undo(seq, nowhere, asked, lastMsgId)
      committed(error, seq)
    })
    const lastMsgId = admission.stage(seq, nowhere, asked)
    this.#parts.root.onUndo(() => admission.undo(seq, nowhere, asked, lastMsgId))
    return seq
  }

  #append(draft: Draft, asked: PublishHeaders, committed: Committed): number {
    if (!this.#stream.consumers.interest.wants(draft.subject)) {
      return this.#skip(draft, asked, committed)
    }
    const { admission, expiry, schedules, republishing } = this.#parts
    if (asked === NOTHING_ASKED && !republishing.isActive)
      return this.#appendPlain(draft, committed)
    const { subject, subjectBytes, headers, payload, ttl, dueMs } = draft
    const wallMs = draft.timeMs ?? this.#parts.clock.wallMs()
    const before = republishing.isActive ? admission.lastSeqOn(subject) : 0
    const republished = republishing.take(draft, before, wallMs)
    const isMarked = ttl !== undefined || dueMs !== undefined
    const isRollUp = draft.rollup !== undefined
    const done: Committed = (error, seq) => {
      if (error !== undefined) undo(seq)
      else {
        if (ttl !== undefined) expiry.add(seq, ttl, wallMs)
        if (isRollUp || asked.scheduleNext !== undefined) this.#replaced(draft, asked, seq)
        if (republished !== undefined) republishing.send(republished, seq)
      }
      committed(error, seq)
    }
    // What is told of a time must be what is stored.
    const isTimeTold = isMarked || republished !== undefined || draft.timeMs !== undefined
    const timeMs = isTimeTold ? plausible(wallMs) : undefined
    const { store } = this.#stream
    const seq = store.append(subjectBytes, headers, payload, done, timeMs, isMarked, isRollUp)
    const lastMsgId = admission.stage(seq, draft, asked)
    if (dueMs !== undefined) schedules.add(seq, subject, dueMs)
    const undo = (stored: number): void => {
      admission.undo(stored, draft, asked, lastMsgId)
      if (dueMs !== undefined) schedules.forget(stored)
    }
    this.#parts.root.onUndo(() => undo(seq))
    return seq
  }

  /** The same for a message that asks for nothing: all there can be to undo is that it hid an id. */
  #appendPlain(draft: Draft, committed: Committed): number {
    const { subject, subjectBytes, headers, payload, timeMs } = draft
    const { admission } = this.#parts
    const { lastMsgId } = admission
    let done = committed
    if (lastMsgId !== '') {
      const undo = (): void => admission.undoPlain(lastMsgId)
      this.#parts.root.onUndo(undo)
      done = (error, seq) => {
        if (error !== undefined) undo()
        committed(error, seq)
      }
    }
    const { store, mode } = this.#stream
    const toldMs = timeMs === undefined ? undefined : plausible(timeMs)
    const seq = store.append(subjectBytes, headers, payload, done, toldMs)
    admission.stagePlain(seq, mode.isCapturing ? subject : '')
    return seq
  }

  /** What a roll-up, or the end of a schedule, takes: with the message itself or not at all. */
  #replace({ subject, subjectBytes, rollup }: Draft, asked: PublishHeaders, seq: number): void {
    const { admission } = this.#parts
    const { store } = this.#stream
    const { staged } = admission
    if (rollup === 'all') store.rollUp(seq, undefined, [])
    else if (rollup === 'sub') store.rollUp(seq, subjectBytes, staged.seqsOf(subject))
    if (rollup !== undefined) staged.rollUp(seq, rollup === 'sub' ? subject : undefined)
    const ended = endedBy(asked)
    if (ended === undefined) return
    store.rollUp(seq, Buffer.from(ended), staged.seqsOf(ended))
    staged.rollUp(seq, ended)
  }

  /**
   * Wildcards in the subject of a roll-up take all that they match, as in nats-server. That may be very much: it
   * goes in steps once the message is on disk, and only then is the message told to be.
   */
  #purgingFirst(subject: string, committed: Committed): Committed {
    const filter = new SubjectFilter(subject)
    return (error, seq) => {
      if (error !== undefined) return committed(error, seq)
      this.#stream.purgeUnasked({ filter, throughSeq: seq - 1 }).then(
        () => committed(undefined, seq),
        (failed: PetioleError) => committed(failed, seq),
      )
    }
  }

  #replaced({ rollup }: Draft, asked: PublishHeaders, seq: number): void {
    if (rollup === undefined && endedBy(asked) === undefined) return
    this.#stream.consumers.removed(1, seq - 1, false)
  }
}

/** A clock that is wrong is put right by the store. */
function plausible(wallMs: number): number | undefined {
  return wallMs >= PLAUSIBLE_WALL_MS ? wallMs : undefined
}

/** The subject of the schedule that ends with this message. */
function endedBy({ scheduler, scheduleNext }: PublishHeaders): string | undefined {
  return scheduleNext === 'purge' ? scheduler : undefined
}
