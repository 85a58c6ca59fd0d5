import type { PublishCommitted } from '../../shared/broker/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import { LISTED_AT_ONCE } from './limits.ts'

/** The newest retained message of a subject. Its bytes are the receiver's to keep. */
export interface RetainedMessage {
  /** Its place in the order of what was retained. */
  readonly seq: number
  readonly subject: string
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** Wall time at which it was stored, ms since the epoch. */
  readonly storedMs: number
  /** What is left of its time, in seconds, at least 1; -1 when it does not expire [MQTT-3.3.2-6]. */
  readonly expirySeconds: number
}

/** How far a replay is: another one goes on behind what this one has given. */
export interface ReplayPosition {
  /** What came later was published to the subscription by itself, as far as that gets what it missed. */
  readonly throughSeq: number
  /** Which of its filters the store is gone through by, -1: it is not. */
  readonly scan: number
  /** What has been seen, by that filter, and by all of them. */
  readonly scannedSeq: number
  readonly seenSeq: number
}

/** The retained messages for one subscription, piece by piece: who receives them decides about the pace. */
export interface RetainedReplay {
  /**
   * The next ones, `max` at most, and fewer when they are large; none at the end. They are the newest of their
   * subjects when this resolves: what the subscription has been given a newer message of meanwhile is not
   * among them, so nothing is sent behind what replaced it if they are sent in the same turn. Rejects when the
   * disk cannot be read; the next call goes on from the same place.
   */
  next(max: number): Promise<readonly RetainedMessage[]>
  /**
   * Whether a message that `next` gave is the newest of its subject still: for who sends it in a later turn. False for
   * one that was removed, or is being replaced.
   */
  isNewest(seq: number, subject: Uint8Array): boolean
  /** Behind what `next` has given; none where nothing outlives a connection. */
  readonly position?: ReplayPosition | undefined
}

/** The retained messages of one account: the newest of each subject, until an empty one comes. */
export interface RetainedStore {
  readonly count: number
  readonly bytes: number
  /**
   * Keeps a message in place of the one that its subject has; an empty payload, or one whose time is
   * over at once, removes that [MQTT-3.3.1-6]. `committed` is called when it is on disk, which may be before
   * this returns when there was nothing to remove. Copies its arguments; within `Store.transaction` it is part
   * of that. Throws PETIOLE_RETAINED_FULL above a limit of the account (a larger message needs
   * room beside the one that it replaces), and what `StreamStore.append` throws; then all is as it was.
   */
  set(
    subject: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
    committed?: PublishCommitted,
  ): void
  /** The same as an empty message; false when the subject has none, neither on disk nor on the way there. */
  remove(subject: Uint8Array, committed?: PublishCommitted): boolean
  /**
   * What is kept now of the subjects that match, also what is not on disk yet. To be asked for in the turn that
   * subscribes: later messages come to the subscription by themselves.
   *
   * @param skipsDollar the filter begins with a wildcard, so subjects with `$` do not match [MQTT-4.7.2-1]
   * @param from goes on there; what was retained since is given, too
   */
  replay(
    filters: readonly SubjectFilter[],
    skipsDollar: boolean,
    from?: ReplayPosition,
  ): RetainedReplay
  /** For people: `max` of those that match at most. */
  list(filter: SubjectFilter, max: number): Promise<readonly RetainedMessage[]>
}

/** The first `max` of a replay, or all. */
export async function firstOf(
  replay: RetainedReplay,
  max: number,
): Promise<readonly RetainedMessage[]> {
  const some: RetainedMessage[] = []
  while (some.length < max) {
    const page = await replay.next(Math.min(max - some.length, LISTED_AT_ONCE))
    if (page.length === 0) break
    some.push(...page)
  }
  return some
}
