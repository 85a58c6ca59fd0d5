import type { DurableSession } from '../durable/index.ts'
import type { RetainedStore } from '../retained/index.ts'
import type { SessionLine, SessionOwner } from './session.ts'

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
  | 'nowMs'
  | 'keep'
  | 'hasCaughtUp'
  | 'passedSeq'
  | 'puback'
  | 'pubrec'
  | 'pubcomp'
>

/** Whose subscriptions they are. */
export type SubscriberOwner = Omit<SessionOwner, 'durable'> & {
  readonly durable?: SubscriberLog
}

export type SubscriberLine = Pick<
  SessionLine,
  'channel' | 'input' | 'uncommitted' | 'violated' | 'end'
>

/** The retained messages of an account, as far as a subscriber gets them. */
export type RetainedSource = Pick<RetainedStore, 'replay'>
