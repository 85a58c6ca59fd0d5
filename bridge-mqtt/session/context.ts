import type { Expulsion, Identity } from '../../shared/account/index.ts'
import type { SubjectSpace } from '../../shared/broker/index.ts'
import type { ConnectionFacts, PeerTraffic } from '../../shared/monitor/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Authentication } from '../auth/index.ts'
import { AckReader, type ConnectPacket, Frame, type Level, PublishReader } from '../codec/index.ts'
import type { MqttCounters } from '../counters.ts'
import type { DurableSession } from '../durable/index.ts'
import { NO_HEADERS } from '../headers/index.ts'
import type { MqttLimits } from '../limits.ts'
import type { Notices } from '../notices.ts'
import type { RetainedStore } from '../retained/index.ts'
import type { Translator } from '../translator.ts'
import type { Ending } from './connection-ending.ts'
import type { Terms } from './connection-terms.ts'
import type { PublishFacts } from './inbound-publisher.ts'
import type { KeptMessages } from './outbound-kept.ts'
import type { SessionLimits } from './session-guard.ts'
import type { RetainedSource } from './subscriber-ports.ts'
import type { WillOwners } from './will-owners.ts'

/** What all connections of a front door share. */
export interface MqttContext {
  readonly clock: Clock
  readonly limits: MqttLimits
  readonly counters: MqttCounters
  readonly notices: Notices
  readonly translator: Translator
  readonly scratch: Scratch
  /** What waits for slow clients. */
  readonly kept: KeptMessages
  readonly willOwners: WillOwners
  /** Where durable sessions are; undefined: there are none. */
  readonly store: Store | undefined
  /** The retained messages of an account; undefined: none are kept. */
  retainedOf(account: string): RetainedStore | undefined
  /** What a new subscription in the account gets at once: `$SYS` topics too. */
  replaySource(account: string): RetainedSource
  /** Headers and payload of one message at most. */
  readonly payloadBytesMax: number
  /** Of a packet of any client. */
  readonly packetBytesMax: number
  /** QoS 1 deliveries of one client that wait for its PUBACK. */
  readonly ackPendingMax: number
  nextPeerId(): number
  /** Who a client is; undefined: refused. A promise when somebody else must be asked; it never rejects. */
  authenticate(
    packet: ConnectPacket,
    channel: Channel,
  ): Identity | undefined | Promise<Identity | undefined>
  /** For a CONNECT that names an authentication method; undefined: there is none here. */
  enhanced(packet: ConnectPacket, channel: Channel): Authentication | undefined
  /** Lets a client in, closing an elder connection of the same client id, or says why not. */
  admit(applicant: Applicant, client: ClientConnection): Admission
  /** The identity as it is now: others were asked about him, and a reload may have come meanwhile. */
  current(identity: Identity): Identity | undefined
  /** Why a client that was let in may stay no longer, or who it is now; undefined: all is as it was. */
  recheck(identity: Identity): Expulsion | Identity | undefined
  /** The lowest of what server, account and user allow, as it is now. */
  readonly limitsOf: (identity: Identity) => SessionLimits
  /**
   * The connection has ended: its client id is free.
   * @param moved by its session; undefined when there was none
   */
  left(client: ClientConnection, moved: PeerTraffic | undefined): void
  /** Its channel is gone as well. */
  closed(client: ClientConnection): void
}

/** What the front door and its registry of clients know of a connection. */
export interface ClientConnection {
  readonly channel: Pick<Channel, 'kind' | 'tls'>
  /** For monitoring; undefined while there is no session. */
  readonly facts: ConnectionFacts | undefined
  /** What its client speaks; undefined while there is no session. */
  readonly level: Level | undefined
  /** Reads no more, waits for commits that are on their way, publishes the will and waits for it. */
  settle(): Promise<void>
  /** Says what is left to say, then closes. */
  end(ending: Ending): void
  /** Ends it at once, without its will. */
  destroy(): void
  /** Ends it when its user may stay no longer, or holds it to what the user may do now; of one account, or any. */
  recheck(account?: string): void
  /** Ends it because another connection has come with the same client id [MQTT-3.1.4-2]. */
  takeOver(): void
}

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

/**
 * Objects that are filled for one packet and read at once. Packets are handled one after the other
 * to their end, so one of each serves all connections.
 */
export class Scratch {
  readonly frame = new Frame()
  readonly publish = new PublishReader()
  readonly ack = new AckReader()
  readonly publication = {
    subject: NO_HEADERS,
    reply: NO_HEADERS,
    headers: NO_HEADERS,
    payload: NO_HEADERS,
  }
  readonly facts: PublishFacts = {
    qos: 0,
    isRetain: false,
    headers: NO_HEADERS,
    reply: NO_HEADERS,
  }
}
