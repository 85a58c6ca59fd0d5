import type { PetioleError } from '../runtime/index.ts'

/**
 * What streams need of the messaging side. A role wires it to its broker: `stream` itself knows no
 * sockets and no router. One port serves one account.
 */
export interface StreamPort {
  /** A message to whoever is interested: replies, statuses, advisories. */
  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void
  /**
   * A stored message to the inbox that asked for it: routed by `inbox`, shown to its receiver with
   * `subject`, under which it was stored. Captures are passed over.
   */
  deliver(
    inbox: string,
    subject: Uint8Array,
    reply: string,
    headers: Uint8Array,
    payload: Uint8Array,
  ): void
  /** API, ack and direct-get subjects. The handler's message is the handler's to keep. */
  subscribe(subject: string, handler: (request: PortMessage) => void): () => void
  /** Everything published on `subject` goes to `capture` before any acknowledgement. */
  capture(subject: string, capture: (message: CapturedMessage) => void): () => void
  hasInterest(subject: string): boolean
}

export interface PortMessage {
  readonly subject: string
  readonly reply: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
}

/** Views on the router's memory, valid during the call only; `StreamStore.append` copies them. */
export interface CapturedMessage {
  readonly subjectBytes: Uint8Array
  readonly subject: string
  readonly reply: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
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
