import type { Expulsion, Identity } from '../../shared/account/index.ts'
import type { PeerTraffic } from '../../shared/monitor/index.ts'
import type { Clock } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Authentication } from '../auth/index.ts'
import type { ConnectPacket } from '../codec/index.ts'
import type { MqttCounters } from '../counters.ts'
import type { MqttLimits } from '../limits.ts'
import type { Notices } from '../notices.ts'
import type { RetainedStore } from '../retained/index.ts'
import type { Translator } from '../translator.ts'
import type { Admission, Applicant } from './admission.ts'
import type { ClientConnection } from './client-connection.ts'
import type { KeptMessages } from './outbound-kept.ts'
import type { Scratch } from './scratch.ts'
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
