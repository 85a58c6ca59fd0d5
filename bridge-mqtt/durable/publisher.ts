import type { Peer, PublishCommitted } from '../../shared/broker/index.ts'
import { rootOf } from '../../shared/imports/index.ts'

/** A publisher of this server, asked by the log while its message is on its way (`message.origin`). */
export interface MqttPublisher extends Peer {
  readonly clientId: string
  /** undefined: of the account that it publishes in. */
  readonly account?: string
  /** Of the message that is being routed. */
  readonly publishingQos: number
  readonly publishingRetain: boolean
  /** One of its client's filters leaves out what the client itself publishes. */
  readonly hasNoLocal: boolean
  /**
   * The acknowledgement of the publish that is being routed waits for one more call of the result;
   * undefined when nobody waits. An error that comes before `publish` returns means that a transaction
   * around it must be taken back.
   */
  hold(): PublishCommitted | undefined
}

/** The origin of a message as a publisher of this server, of another account too; undefined for all others. */
export function publisherOf(origin: Peer): MqttPublisher | undefined {
  const root = origin.kind === 'mqtt' ? origin : rootOf(origin)
  return root.kind === 'mqtt' && 'publishingQos' in root ? (root as MqttPublisher) : undefined
}
