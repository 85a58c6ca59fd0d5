import type { Message } from '../../shared/broker/index.ts'
import type { StoredFilter } from './subscriber-ports.ts'

/** A message of the account's log on its way to one durable session. */
export interface LoggedMessage {
  readonly seq: number
  readonly subject: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** Wall time, repaired when the clock was wrong as it was stored. */
  readonly storedMs: number
  /** To deliver with. */
  readonly qos: number
  readonly subscriptionIds: readonly number[]
  /** Of the subscriptions that match: RETAIN is as the publisher had it [MQTT-3.3.1-13]. */
  readonly isRetainAsPublished: boolean
}

/** Where the log of an account sends what it has for a client that is here. */
export interface DeliveryLine {
  readonly clientId: string
  /** The output is full: nothing is sent until the session is woken. */
  readonly isBehind: boolean
  /**
   * Writes a PUBLISH. False: it is nothing for this client (expired, above its maximum packet size, not
   * permitted any more), and counts as done.
   */
  publish(message: LoggedMessage, packetId: number, isDup: boolean): boolean
  pubrel(packetId: number): void
  /** A message of QoS 0 for a shared subscription for which this client was chosen. */
  direct(message: Message, filter: StoredFilter): void
}
