/** Whether a client is let in: what it comes with, and what it gets. */
import type { Identity } from '../../shared/account/index.ts'
import type { SubjectSpace } from '../../shared/broker/index.ts'
import type { ConnectPacket } from '../codec/index.ts'
import type { DurableSession } from '../durable/index.ts'
import type { Terms } from './connection-terms.ts'

/** Who has said CONNECT, and on what terms. */
export interface Applicant {
  readonly packet: ConnectPacket
  readonly terms: Terms
  /** undefined: nobody knows him. */
  readonly identity: Identity | undefined
}

export type Admission =
  | {
      readonly kind: 'admitted'
      readonly clientId: string
      readonly identity: Identity
      readonly space: SubjectSpace
      readonly kept: Kept
      /** It was there before [MQTT-3.2.2-3]. */
      readonly isSessionPresent: boolean
      /** An elder session has ended: resolves when that is on disk, or with why it is not. */
      readonly settled?: Promise<Refusal | undefined> | undefined
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** What there is of a client beyond its connection. */
export interface Kept {
  /** Not given: the session ends with the connection. */
  readonly durable?: DurableSession
  /** Whether a stream or buffer stores the subject. */
  readonly isStored?: (subject: Uint8Array) => boolean
}

/** Why a client is not let in: what CONNACK says before MQTT 5 and in it, and the log. */
export interface Refusal {
  readonly returnCode: number
  readonly reason: number
  readonly text: string
  /** The fault behind it, for the log alone. */
  readonly err?: unknown
}
