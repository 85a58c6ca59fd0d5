import type { Flow } from '../port.ts'

/** Whom a consumer delivers to: those who pull from it, or the subject that it pushes to. */
export interface DeliveryTarget {
  /** Whether somebody would take a message now. Nothing is read for nobody. */
  readonly isReady: boolean
  /** Whether somebody uses the consumer without a word: it is not inactive then. */
  readonly isInUse: boolean
  /** Pull requests that wait. */
  readonly waiting: number
  /** Somebody subscribes to the subject that it pushes to. */
  readonly isBound: boolean
  /** `priority_groups` of CONSUMER.INFO. */
  groups?(): readonly Readonly<Record<string, unknown>>[]
  /** What a message that was taken shows as its `Nats-Pin-Id`; undefined: it has none. */
  readonly pinId?: string | undefined
  /** Stops deliveries while a receiver is behind. */
  readonly flow?: Flow
  /**
   * The inbox that a message of `bytes` goes to; undefined when nobody can take it. Whoever takes it
   * is charged: the caller must send.
   */
  take(bytes: number, nowMs: number): Uint8Array | undefined
  /** What was taken has been sent, and somebody got it. */
  delivered(bytes: number): void
  /** What was taken reached nobody. Returns whether it counts as not delivered. */
  missed(): boolean
  /** Everything that is there has been delivered. */
  endOfStream(): void
  /**
   * CONSUMER.MSG.NEXT: whatever is wrong with it is told to `reply` as a status. Returns whether it
   * waits now.
   */
  pull(reply: string, payload: Uint8Array): boolean
  /** CONSUMER.UNPIN. Returns false when there is no such priority group. */
  unpin?(group: string): boolean
  /** The consumer's configuration has changed. */
  update(): void
  /** Ends all that waits with `status`. */
  close(status: string): void
}
