import type { Message } from '../../shared/broker/index.ts'

/** A topic filter as it was asked for (`$share/g/f` too), with what was granted. */
export interface StoredFilter {
  readonly filter: string
  readonly qos: number
  readonly isNoLocal: boolean
  readonly isRetainAsPublished: boolean
  /** 0 for none. */
  readonly subscriptionId: number
  readonly retainHandling: number
}

/** A message out of the log, on its way to one session. One object is filled again and again. */
export interface LoggedMessage {
  readonly seq: number
  readonly subject: Uint8Array
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** Wall time at which it was stored, repaired when the clock was wrong at the time. */
  readonly storedMs: number
  /** To deliver with. */
  readonly qos: number
  /** Of the session's filters that match [MQTT-3.3.4-4]. */
  readonly subscriptionIds: readonly number[]
  readonly isRetainAsPublished: boolean
  /**
   * When it was addressed to the session: the queue group that it is for, and those of all filters that match, ''
   * for one that is not shared.
   */
  readonly groups: readonly string[]
}

/** The connection of a durable session, as far as the log needs it. */
export interface DeliveryLine {
  readonly clientId: string
  /** Its output is full: nothing is sent until `wake`. */
  readonly isBehind: boolean
  /** Whether its user may receive it as a member of a queue group now. */
  mayReceive(subject: Uint8Array, group: string): boolean
  /**
   * Changes of these filters did not get to the disk, whichever connection of the client asked for them: what the
   * session has of them now is what counts.
   */
  filtersTakenBack(filters: readonly string[]): void
  /** What waited has come: whoever held something back until then may go on. */
  caughtUp(): void
  /**
   * Writes a PUBLISH. False: it is nothing for this client (it has expired, is larger than the client
   * takes, may not be received any more) and counts as done. `packetId` is 0 at QoS 0.
   */
  publish(message: LoggedMessage, packetId: number, isDup: boolean): boolean
  pubrel(packetId: number): void
  /** A QoS 0 message for a shared subscription, by its queue group, that this session was chosen for. */
  direct(message: Message, filter: StoredFilter & { readonly group: string }): void
}
