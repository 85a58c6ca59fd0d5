import type { PublishCommitted } from '../../shared/broker/index.ts'
import type { StoredMessage } from '../../shared/store/index.ts'
import type { SubjectFilter } from '../../shared/subject/index.ts'
import type { SendWindow } from '../send-window.ts'
import type { DeliveryLine } from './delivery-line.ts'

/** A subscription as it was granted; the options are those of MQTT 5 and false or 0 before it. */
export interface StoredFilter {
  /** As it was asked for, `$share/group/` included. */
  readonly filter: string
  readonly qos: number
  readonly isNoLocal: boolean
  readonly isRetainAsPublished: boolean
  /** 0 for none. */
  readonly subscriptionId: number
  readonly retainHandling: number
}

/** What a subscriber asks of the durable session that it serves; see `DurableSession`. */
export interface SubscriberLog {
  readonly window: SendWindow
  readonly filters: ReadonlyMap<string, StoredFilter>
  subscribe(filters: readonly StoredFilter[], committed: PublishCommitted): void
  unsubscribe(filters: readonly string[], committed: PublishCommitted): void
  attach(line: DeliveryLine): void
  detach(): void
  /** The line has room again. */
  wake(): void
  /** Each is false when the packet identifier is not one of a message of the log. */
  puback(packetId: number, reason: number): boolean
  pubrec(packetId: number, reason: number): boolean
  pubcomp(packetId: number): boolean
}

/** The retained messages of an account, as far as a subscriber gets them; see `RetainedStore`. */
export interface RetainedSource {
  replay(filters: readonly SubjectFilter[], skipsDollar: boolean): RetainedPages
}

export interface RetainedPages {
  /** The next messages, `max` at most; none at the end. */
  next(max: number): Promise<readonly StoredMessage[]>
}
