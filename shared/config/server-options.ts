/**
 * Options that nats-server has and this server does not read, block by block. `unsupported` ones are
 * refused: without them the server would be open where it should not be, or behave in another way than
 * the file says. `inert` ones only tune what works differently here: a warning. Source: nats-server's
 * server/opts.go.
 */
export interface ServerOptions {
  readonly unsupported: readonly string[]
  readonly inert: readonly string[]
}

export const USER_OPTIONS: ServerOptions = {
  unsupported: [
    'nkey',
    'permission',
    'permissions',
    'authorization',
    'allowed_connection_types',
    'connection_types',
    'clients',
    'proxy_required',
  ],
  inert: [],
}

export const AUTHORIZATION_OPTIONS: ServerOptions = {
  unsupported: [
    'nkey',
    'default_permission',
    'default_permissions',
    'permissions',
    'auth_callout',
    'auth_hook',
    'proxy_required',
  ],
  inert: [],
}

export const ACCOUNT_OPTIONS: ServerOptions = {
  unsupported: [
    'nkey',
    'imports',
    'exports',
    'default_permissions',
    'mappings',
    'maps',
    'limits',
    'msg_trace',
    'trace_dest',
  ],
  inert: ['jetstream'],
}

export const JETSTREAM_OPTIONS: ServerOptions = {
  unsupported: [
    'key',
    'ek',
    'encryption_key',
    'prev_key',
    'prev_ek',
    'prev_encryption_key',
    'cipher',
    'tpm',
    'limits',
  ],
  inert: [
    'strict',
    'sync',
    'sync_interval',
    'extension_hint',
    'unique_tag',
    'max_outstanding_catchup',
    'max_buffered_size',
    'max_buffered_msgs',
    'request_queue_limit',
    'info_queue_limit',
    'meta_compact',
    'meta_compact_size',
    'meta_compact_sync',
    'max_concurrent_io',
  ],
}

export const REMOTE_OPTIONS: ServerOptions = {
  unsupported: [
    'creds',
    'credentials',
    'nkey',
    'seed',
    'tls',
    'hub',
    'deny_imports',
    'deny_import',
    'deny_exports',
    'deny_export',
    'jetstream_cluster_migrate',
    'js_cluster_migrate',
    'isolate_leafnode_interest',
    'isolate',
    'request_isolation',
    'proxy',
  ],
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
  ],
}

export const LEAFNODES_OPTIONS: ServerOptions = {
  unsupported: [
    'tls',
    'min_version',
    'minimum_version',
    'isolate_leafnode_interest',
    'isolate',
    'write_timeout',
  ],
  inert: ['advertise', 'no_advertise', 'compression', 'write_deadline'],
}

export const WEBSOCKET_OPTIONS: ServerOptions = {
  unsupported: [
    'tls',
    'same_origin',
    'allowed_origins',
    'allowed_origin',
    'allow_origins',
    'allow_origin',
    'origins',
    'origin',
    'authorization',
    'authentication',
    'no_auth_user',
    'jwt_cookie',
    'user_cookie',
    'pass_cookie',
    'token_cookie',
  ],
  inert: ['advertise', 'handshake_timeout', 'compress', 'compression', 'headers', 'ping_interval'],
}

export const MQTT_OPTIONS: ServerOptions = {
  unsupported: ['tls', 'authorization', 'authentication', 'no_auth_user', 'js_domain'],
  inert: [
    'ack_wait',
    'js_api_timeout',
    'api_timeout',
    'stream_replicas',
    'consumer_replicas',
    'consumer_memory_storage',
    'consumer_inactive_threshold',
    'consumer_auto_cleanup',
    'reject_qos2_publish',
    'downgrade_qos2_subscribe',
  ],
}

export const CORE_OPTIONS: ServerOptions = {
  unsupported: [
    'allow_non_tls',
    'account_resolver',
    'accounts_resolver',
    'cluster',
    'default_sentinel',
    'default_js_domain',
    'gateway',
    'https',
    'https_port',
    'mappings',
    'maps',
    'max_sub_tokens',
    'max_subscription_tokens',
    'no_header_support',
    'ocsp',
    'ocsp_cache',
    'operator',
    'operators',
    'ports_file_dir',
    'proxies',
    'proxy_protocol',
    'remote_syslog',
    'resolver',
    'resolver_pinned_accounts',
    'resolver_preload',
    'resolver_tls',
    'root',
    'root_operator',
    'root_operators',
    'roots',
    'syslog',
    'system',
    'system_account',
    'tls',
    'trusted',
    'trusted_keys',
    'write_timeout',
  ],
  inert: [
    'client_advertise',
    'lame_duck_duration',
    'lame_duck_grace_period',
    'write_deadline',
    'connect_error_reports',
    'disable_sublist_cache',
    'feature_flags',
    'log_max_num',
    'log_size_limit',
    'logfile_max_num',
    'logfile_size_limit',
    'logtime_utc',
    'max_closed_clients',
    'max_traced_msg_len',
    'no_fast_producer_stall',
    'no_sublist_cache',
    'no_sys_acc',
    'no_system',
    'no_system_account',
    'prof_block_rate',
    'prof_port',
    'reconnect_error_reports',
    'server_metadata',
    'server_tags',
    'trace_headers',
    'trace_verbose',
  ],
}
