import type { ConnectionType } from './account-config.ts'

interface MappingListener {
  readonly tls?: { readonly verify_and_map: boolean } | undefined
}

/** What of a file, or of a configuration, says which listeners take users from certificates. */
export interface MappingListeners extends MappingListener {
  readonly websocket?: MappingListener | undefined
  readonly mqtt?: MappingListener | undefined
  readonly leafnodes: MappingListener & {
    readonly authorization?: { readonly users?: readonly unknown[] | undefined } | undefined
  }
}

/**
 * Whether some listener takes a user with these connection types from a certificate: without a password he comes
 * in by that only, at no other listener by his name (nats-server's `canTLSMap`).
 */
export function isCertificateUser(
  types: readonly ConnectionType[],
  { tls, websocket, mqtt, leafnodes }: MappingListeners,
): boolean {
  const may = (...some: ConnectionType[]): boolean =>
    types.length === 0 || some.some((type) => types.includes(type))
  const hasOwnLeafUsers = (leafnodes.authorization?.users?.length ?? 0) > 0
  return (
    (tls?.verify_and_map === true && may('STANDARD')) ||
    (websocket?.tls?.verify_and_map === true && may('WEBSOCKET')) ||
    (mqtt?.tls?.verify_and_map === true && may('MQTT', 'MQTT_WS')) ||
    (leafnodes.tls?.verify_and_map === true && !hasOwnLeafUsers && may('LEAFNODE', 'LEAFNODE_WS'))
  )
}
