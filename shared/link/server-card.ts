import type { ServerIdentity } from './server-identity.ts'

/** What a server says of itself to the other side of a link. */
export interface ServerCard {
  readonly identity: ServerIdentity
  /** `server_name`: unique among the servers that meet. */
  readonly name: string
  /** JetStream domain; '' for none. */
  readonly domain: string
  /** Servers of one cluster pass messages to each other by themselves; '' for a single server. */
  readonly cluster: string
  /** The version of nats-server whose protocol this one speaks, such as `2.15.2`. */
  readonly protocolVersion: string
  /** Petiole's own. */
  readonly version: string
  /** New for every start of the process. */
  readonly boot: string
}
