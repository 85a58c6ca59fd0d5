import type { MessagePart, Peer, PublishCommitted, Subscription } from '../broker/index.ts'

/** A message that was received. Its bytes are the receiver's to keep. */
export interface ClientMessage {
  readonly subject: string
  /** '' when nobody waits for an answer. */
  readonly reply: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** The peer of this process that it came from; undefined when it came over a client's socket. */
  readonly origin: Peer | undefined
}

export type MessageHandler = (message: ClientMessage) => void

export interface PublishChoices {
  readonly reply?: string
  readonly headers?: Uint8Array
  /** False for what is stored already: streams do not capture it again. */
  readonly capture?: boolean
  readonly committed?: PublishCommitted
  /** See `MessagePart`. */
  readonly part?: MessagePart
  /** See `PublishOptions.lots`. */
  readonly lots?: Subscription[] | undefined
}

export interface SubscribeChoices {
  readonly queue?: string
  /** Every server has its own of it: other hubs are not told. */
  readonly isConfined?: boolean
}

export interface RequestChoices {
  readonly deadlineMs: number
  readonly headers?: Uint8Array
  /** Gives the request up; it rejects with PETIOLE_REQUEST_ABORTED. */
  readonly signal?: AbortSignal
}

/**
 * What the fleet's services speak to the messaging system, wherever it runs: in this process
 * (`LocalClient`) or behind a socket. They use nothing else, so they run on either.
 */
export interface NatsClient {
  /** Returns how many peers took it, as far as this end can know. */
  publish(subject: string | Uint8Array, payload: Uint8Array, choices?: PublishChoices): number
  subscribe(subject: string, handler: MessageHandler, choices?: SubscribeChoices): () => void
  /**
   * Rejects with PETIOLE_NO_RESPONDERS at once when nobody subscribes, PETIOLE_REQUEST_TIMEOUT at
   * the deadline, PETIOLE_CLIENT_CLOSED when the client ends first.
   */
  request(subject: string, payload: Uint8Array, choices: RequestChoices): Promise<ClientMessage>
  /** Whether somebody but this client listens to a literal subject, as far as this end can know. */
  hasInterest(subject: string): boolean
  /** Called after interest that overlaps `subject` came or went. */
  onInterest(subject: string, changed: () => void): () => void
}
