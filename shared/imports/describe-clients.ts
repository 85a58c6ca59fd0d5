import type { Broker } from '../broker/index.ts'
import type { Describe } from './client-info.ts'

/** Tells of the NATS clients of a broker. Links and bridges are described by who made them. */
export function describeClients(broker: Pick<Broker, 'connections'>): Describe {
  return (peer) => {
    if (peer.kind !== 'client') return undefined
    const connection = broker.connections.get(peer.id)
    if (connection === undefined) return undefined
    const { channel, options, identity } = connection
    return {
      account: identity?.account ?? '',
      startedMs: connection.startedMs,
      host: channel.remoteAddress,
      id: connection.id,
      name: options.name,
      user: identity?.user ?? '',
      lang: options.lang,
      version: options.version,
      roundTripMs: connection.roundTripMs,
      jwt: identity?.jwt ?? '',
      issuerKey: identity?.issuerKey ?? '',
      nameTag: identity?.nameTag ?? '',
      tags: identity?.tags ?? [],
      kind: 'Client',
      clientType: channel.kind === 'websocket' ? 'websocket' : 'nats',
    }
  }
}
