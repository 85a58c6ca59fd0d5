import type { Message } from '../../shared/broker/index.ts'
import type { Store } from '../../shared/store/index.ts'
import type { WillMessage } from '../codec/index.ts'
import type { DeliveryHost } from './delivery.ts'
import type { DurableSession } from './durable-session.ts'
import type { SessionCommitted } from './filter-journal.ts'
import type { LogInterests } from './log-interest.ts'
import type { SessionRecords } from './session-records.ts'
import type { WillSession } from './session-will.ts'
import type { SharedGroups } from './shared-groups.ts'
import type { SharedHandover } from './shared-handover.ts'
import type { StateWriter } from './state-writer.ts'

/** What a session needs of the log it belongs to. */
export interface SessionHost extends DeliveryHost {
  readonly store: Store
  readonly records: SessionRecords
  readonly writer: StateWriter
  readonly interests: LogInterests
  readonly groups: SharedGroups
  readonly handover: SharedHandover
  /** Those whose clients have come, and not all of whose interests know it: they are told of all that is stored. */
  readonly arriving: Set<DurableSession>
  /** Calls `next` until it says that there is nothing left: some at once, the rest in turns of the loop, while the log is open. */
  doInPieces(next: () => boolean): void
  /** By a clock that can be trusted; 0 when there is none. */
  nowMs(): number
  /** Appends a message for one session. False: it could not be stored, and its publisher was told. */
  appendTo(session: DurableSession, message: Message, qos: number, group: string): boolean
  /** The same for some that no publisher waits for, all or none. Returns the sequence of the first; throws what the store throws. */
  keepFor(
    session: DurableSession,
    messages: readonly KeptMessage[],
    committed?: SessionCommitted,
  ): number
  /** Its client has gone, or comes to have an end at another time. */
  left(session: DurableSession): void
  ended(session: DurableSession): void
  /** What it has in flight is needed, though its filters may not match it any more. */
  strays(session: DurableSession): void
  /** Messages may be needed by nobody any more. */
  sweep(): void
  publishWill(session: WillSession, will: WillMessage): void
}

export interface KeptMessage {
  readonly subject: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}
