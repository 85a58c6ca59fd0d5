import type { SubjectFilter } from '../../shared/subject/index.ts'
import type { DurableSession } from '../durable/index.ts'

/** What a subscriber asks of the durable session that it serves. */
export type SubscriberLog = Pick<
  DurableSession,
  | 'window'
  | 'filters'
  | 'subscribe'
  | 'unsubscribe'
  | 'attach'
  | 'detach'
  | 'wake'
  | 'puback'
  | 'pubrec'
  | 'pubcomp'
>

/** The retained messages of an account, as far as a subscriber gets them. */
export interface RetainedSource {
  /** To be asked for in the turn that subscribes: later messages come to the subscription by themselves. */
  replay(filters: readonly SubjectFilter[], skipsDollar: boolean): RetainedPages
}

/** Those for one subscription, piece by piece. */
export interface RetainedPages {
  /**
   * The next ones, `max` at most; none at the end. To be sent in the turn in which it resolves: later there
   * may be newer ones. Rejects when the disk cannot be read; the next call goes on from the same place.
   */
  next(max: number): Promise<readonly RetainedMessage[]>
}

export interface RetainedMessage {
  readonly subjectBytes: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** What is left of its time, -1 when it does not expire. */
  readonly expirySeconds: number
}
