import type { ConnectionFacts } from '../../shared/monitor/index.ts'
import type { Channel } from '../../shared/transport/index.ts'
import type { Level } from '../codec/index.ts'
import type { Ending } from './connection-ending.ts'

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
