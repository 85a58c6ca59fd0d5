import { ROOT_ACCOUNT } from './config.ts'
import type { MqttRemoteConfig } from './mqtt-remote-config.ts'
import type { MqttRemoteFile } from './mqtt-remote-schema.ts'
import { isSecureUrl } from './remote-url.ts'
import { DIALLED_TLS, tlsOf } from './tls-assembly.ts'
import { topicsOverlap, unshared } from './topic-rule.ts'

/** Those that are not disabled, as they are to be dialled. */
export function mqttRemotesOf(files: readonly MqttRemoteFile[]): MqttRemoteConfig[] {
  return files.filter((remote) => !remote.disabled).map(mqttRemoteOf)
}

/** What a remote without a name is called. */
export function nameOfMqttRemote({ name, url }: MqttRemoteFile): string {
  return name ?? url?.[0]?.host ?? ''
}

function mqttRemoteOf(file: MqttRemoteFile): MqttRemoteConfig {
  const urls = file.url ?? []
  const [first] = urls
  return {
    name: nameOfMqttRemote(file),
    urls,
    client_id: file.client_id,
    user: file.user ?? first?.user ?? '',
    password: file.password ?? first?.password ?? '',
    account: file.account ?? ROOT_ACCOUNT,
    subscribe: file.subscribe,
    publish: file.publish,
    tls: file.tls ? tlsOf(file.tls) : urls.some(isSecureUrl) ? DIALLED_TLS : undefined,
    keep_alive: file.keep_alive,
    // What would come back takes a broker that can be told not to send it.
    version: file.version === 'auto' && comesBack(file) ? '5' : file.version,
    session_expiry: file.session_expiry ?? 0,
    via: file.via ?? '',
    max_bytes: file.max_bytes,
    max_msgs: file.max_msgs,
    max_age: file.max_age,
    discard: file.discard,
    max_inflight: file.max_inflight,
    reconnect: file.reconnect,
    dial_timeout: file.dial_timeout,
  }
}

/** Whether something goes out on a topic that is subscribed to at the same broker. */
function comesBack({ subscribe, publish }: MqttRemoteFile): boolean {
  return subscribe.some(({ filter, remote_prefix }) => {
    const wanted = remote_prefix + (unshared(filter) ?? filter)
    return publish.some((it) => topicsOverlap(wanted, it.remote_prefix + it.filter))
  })
}
