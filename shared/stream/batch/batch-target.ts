import type { Clock } from '../../runtime/index.ts'
import type { Committed, Store, StreamStore } from '../../store/index.ts'
import type { AccountLimits } from '../account-limits.ts'
import type { Advisories } from '../advisories.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { headerValue } from '../headers.ts'
import { JetStreamError } from '../jetstream-error.ts'
import type { StreamPort } from '../port.ts'
import type { Draft, Message } from '../publish/admission.ts'
import type { PubAcks, Told } from '../publish/pub-ack.ts'
import type { PublishHeaders } from '../publish/publish-headers.ts'

/** The way of single messages into the stream, step by step; see `Publishing`. */
export interface BatchTarget {
  /** The subject under which the stream stores what comes on this one. */
  subjectOf(subject: string): string
  prepare(message: Message, asked: PublishHeaders): Promise<void> | undefined
  check(message: Message, asked: PublishHeaders): Draft | number
  appendChecked(draft: Draft, asked: PublishHeaders, committed: Committed): number
  transaction(work: () => void): void
  /** Calls back when what a refusal tells of the stream is on disk, or did not get there. */
  whenTold(error: JetStreamError, then: Told): void
}

export interface BatchStream {
  readonly name: string
  readonly config: StreamConfig
  readonly store: StreamStore
}

export interface BatchParts {
  readonly clock: Clock
  readonly port: StreamPort
  readonly root: Store
  readonly advisories: Advisories
  readonly acks: PubAcks
  /** What this server can do, for publishers that ask for more. */
  readonly apiLevel: number
  readonly limits: AccountLimits
}

export const API_LEVEL_HEADER = 'Nats-Required-Api-Level'

/**
 * What is judged of each message of a batch, of whichever kind, before its batch is looked at.
 * Throws 10109 or 10054.
 */
export function checkStream({ config }: BatchStream, message: Message): void {
  if (config.sealed) throw new JetStreamError(10109)
  const { max_msg_size } = config
  if (max_msg_size >= 0 && message.headers.length + message.payload.length > max_msg_size) {
    throw new JetStreamError(10054)
  }
}

/** Whether the message asks for a server that can do more. */
export function isLevelMissing({ headers }: Message, apiLevel: number): boolean {
  const required = headerValue(headers, API_LEVEL_HEADER) || undefined
  if (required === undefined) return false
  return !/^[-+]?\d+$/.test(required) || Number(required) > apiLevel
}
