import type { PetioleError } from '../runtime/index.ts'
import type { LaidOut } from '../store/index.ts'

/**
 * What streams need of the messaging side. A role wires it to its broker: `stream` itself knows no
 * sockets and no router. One port serves one account.
 */
export interface StreamPort {
  /** A message to whoever is interested: replies, statuses, advisories. */
  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void
  /** Where much goes out one after the other: a consumer's messages, what publishers are told. */
  outlet(options?: OutletOptions): Outlet
  /** API and direct-get subjects. The handler's message is the handler's to keep. */
  subscribe(subject: string, handler: (request: PortMessage) => void): () => void
  /** What comes in numbers, as acks do: the handler is called from within the router, and keeps nothing. */
  listen(subject: string, handler: (message: HeardMessage) => void): () => void
  /** Everything published on `subject` goes to `capture` before any acknowledgement. */
  capture(subject: string, capture: (message: CapturedMessage) => void): () => void
  /** The same for what consumers deliver: shown with the subject under which it is stored. */
  receive(subject: string, handler: (message: PortMessage) => void): () => void
  hasInterest(subject: string): boolean
  /**
   * Tells whenever a link, which may be one that has come back, brings somebody who takes messages on
   * this literal subject. Called outside of the router.
   */
  onReach(subject: string, onReached: () => void): () => void
  /**
   * Follows who subscribes to exactly this literal subject, as a member of `queue` unless that is ''.
   * `onChange` is called outside of the router, when the first one came or the last one left.
   */
  watchInterest(subject: string, queue: string, onChange: () => void): InterestWatch
}

export interface InterestWatch {
  readonly isInterested: boolean
  stop(): void
}

/** Called while a receiver is behind, and not for long when that one does not move at all. */
export interface Flow {
  pause(): void
  resume(): void
}

export interface OutletOptions {
  /** Of a consumer that pushes: it is stopped while a receiver is behind. */
  readonly flow?: Flow
  /** Streams that bind the subject store what is sent there. */
  readonly isCaptured?: boolean
}

export interface Outlet {
  /**
   * A message routed by `to`, and shown to its receiver with `subject`: that under which it was stored, or
   * the same object when the two are one. Neither holds anything that may not stand in a control line.
   * All bytes are read before it returns; false: nobody took the message.
   */
  deliver(
    to: Uint8Array,
    subject: Uint8Array,
    reply: Uint8Array,
    headers: Uint8Array,
    payload: Uint8Array,
  ): boolean
  /** The same for a message as the store has it in memory, shown with its own subject. */
  deliverLaidOut(to: Uint8Array, message: LaidOut, reply: Uint8Array): boolean
}

export interface PortMessage {
  readonly subject: string
  readonly reply: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** Who asked, for whoever made the port; means nothing here. */
  readonly requester?: unknown
}

/** Views on the router's memory, valid during the call only. */
export interface HeardMessage {
  readonly subjectBytes: Uint8Array
  /** '' when there is none. */
  readonly reply: string
  readonly payload: Uint8Array
}

/** Views on the router's memory, valid during the call only; `StreamStore.append` copies them. */
export interface CapturedMessage extends HeardMessage {
  readonly subject: string
  readonly headers: Uint8Array
  /** Whoever takes it owes exactly one call, when the message is on disk or refused. */
  takeCommitted(): ((error: PetioleError | undefined) => void) | undefined
}

/** The same message under another subject. */
export function renamed(message: CapturedMessage, subject: string): CapturedMessage {
  return {
    subject,
    subjectBytes: Buffer.from(subject),
    reply: message.reply,
    headers: message.headers,
    payload: message.payload,
    takeCommitted: () => message.takeCommitted(),
  }
}
