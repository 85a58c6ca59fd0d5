/**
 * Options that nats-server has and this server does not read, block by block. `unsupported` ones are
 * refused, with the reason: without them the server would be open where it should not be, or behave in
 * another way than the file says. `inert` ones only tune what works differently here: a warning. Source:
 * nats-server's server/opts.go. docs/configuration.md lists them all.
 */
export interface ServerOptions {
  readonly unsupported: Readonly<Record<string, string>>
  readonly inert: readonly string[]
}

export const JETSTREAM_OPTIONS: ServerOptions = {
  unsupported: {
    tpm: 'a TPM is not asked for the key: give it as key_file, such as systemd-creds makes from a TPM',
  },
  inert: [
    'extension_hint',
    'unique_tag',
    'max_outstanding_catchup',
    'meta_compact',
    'meta_compact_size',
    'meta_compact_sync',
    'max_concurrent_io',
  ],
}

export const REMOTE_OPTIONS: ServerOptions = {
  unsupported: {
    proxy:
      'links are dialled directly: give the leaf a route to the hub, or a tunnel and its address',
  },
  inert: [
    'compression',
    'ws_compress',
    'ws_compression',
    'websocket_compress',
    'websocket_compression',
    'ws_no_masking',
    'websocket_no_masking',
    'first_info_timeout',
    'dial_timeout',
    'ignore_discovered_servers',
    'jetstream_cluster_migrate',
    'js_cluster_migrate',
    'request_isolation',
  ],
}

const MIN_VERSION =
  'versions of leaves are not compared: keep old ones out by their credentials, and remove this'

export const LEAFNODES_OPTIONS: ServerOptions = {
  unsupported: { min_version: MIN_VERSION, minimum_version: MIN_VERSION },
  inert: [
    'advertise',
    'no_advertise',
    'compression',
    'isolate_leafnode_interest',
    'isolate',
    'write_deadline',
    'write_timeout',
  ],
}

export const MQTT_OPTIONS: ServerOptions = {
  unsupported: {
    js_domain: 'sessions are kept in the store of this server: give it a store, and remove this',
  },
  inert: [
    'ack_wait',
    'js_api_timeout',
    'api_timeout',
    'stream_replicas',
    'consumer_replicas',
    'consumer_memory_storage',
    'consumer_inactive_threshold',
    'consumer_auto_cleanup',
  ],
}

export const CLUSTER_OPTIONS: ServerOptions = {
  unsupported: {
    permissions:
      'hubs of one region share all interest: keep subjects apart with accounts and the permissions of users',
  },
  inert: [
    'accounts',
    'compression',
    'connect_backoff',
    'ping_interval',
    'ping_max',
    'pool_size',
    'write_deadline',
    'write_timeout',
  ],
}

export const GATEWAY_OPTIONS: ServerOptions = {
  unsupported: {},
  inert: ['connect_backoff', 'connect_retries', 'write_deadline', 'write_timeout'],
}

export const REMOTE_GATEWAY_OPTIONS: ServerOptions = {
  unsupported: {
    tls: 'all regions share the certificate of gateway.tls: move it there',
  },
  inert: [],
}

const SYSLOG =
  'the log goes to a file or to standard error: let systemd or your log collector take it from there'
const OCSP =
  'OCSP answers are neither stapled nor kept: remove it, and renew certificates before they expire'

export const CORE_OPTIONS: ServerOptions = {
  unsupported: {
    default_js_domain:
      'streams are found by their domain: let the client name it ($JS.<domain>.API)',
    ocsp: OCSP,
    ocsp_cache: OCSP,
    remote_syslog: SYSLOG,
    syslog: SYSLOG,
  },
  inert: [
    'connect_error_reports',
    'disable_sublist_cache',
    'max_traced_msg_len',
    'no_sublist_cache',
    'prof_block_rate',
    'prof_port',
    'reconnect_error_reports',
    'write_timeout',
  ],
}
