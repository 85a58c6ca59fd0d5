import type { ServerFacts } from '../monitor/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import type { ServerCore } from './server-core.ts'

/** Who the server is, how it is configured, and the ports that it took. */
export function serverFacts(core: ServerCore): ServerFacts {
  const { config, ports } = core
  const { users, token } = config.authorization
  const mqttPort = ports?.frontDoors['mqtt']
  return {
    id: core.identity.id,
    name: core.serverName,
    version: SERVER_VERSION,
    petioleVersion: core.version,
    config,
    client: { host: config.host, port: ports?.client.port ?? config.port },
    leafNodes: ports?.leafNodes ?? config.leafnodes.listen,
    webSocket: ports?.webSocket ?? config.websocket?.listen,
    mqtt:
      config.mqtt === undefined
        ? undefined
        : { host: config.mqtt.listen.host, port: mqttPort ?? config.mqtt.listen.port },
    // Also with a `no_auth_user`, of whom INFO says that nobody need log in.
    isAuthRequired: users.length > 0 || token !== '' || config.operator !== undefined,
    startedMs: core.startedMs,
    configLoadedMs: core.configLoadedMs,
    configDigest: config.config_digest,
    connectUrls: core.broker.connectUrls,
    webSocketUrls: core.broker.webSocketUrls,
    certificateEndsMs: (listener) => core.tls.of(listener)?.endsMs,
  }
}
