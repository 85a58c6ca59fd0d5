/**
 * The blocks that hub and leaf share, as valibot schemas. Key names, aliases and defaults are
 * nats-server's (server/opts.go, server/const.go); what else it knows is in server-options.ts.
 */
import * as v from 'valibot'
import { accounts, mappings } from './account-schema.ts'
import { authorization, proxies } from './authorization-schema.ts'
import { block, namedValues } from './block.ts'
import { cluster, gateway } from './cluster-schema.ts'
import { encryptionKey } from './credential-values.ts'
import { leafnodes } from './leafnodes-schema.ts'
import {
  CONSUMERS_PER_STREAM,
  SUBJECTS_IN_MEMORY,
  SUBJECTS_IN_MEMORY_MAX,
  SUBJECTS_IN_MEMORY_MIN,
} from './limits.ts'
import { LISTEN_ALIASES, listen, listener, mqtt, websocket } from './listener-schema.ts'
import { OPERATOR_ALIASES, operatorKeys } from './operator-schema.ts'
import { CORE_OPTIONS, JETSTREAM_OPTIONS } from './server-options.ts'
import { tls } from './tls-schema.ts'
import {
  count,
  duration,
  durationOrAlways,
  flag,
  limit,
  nameList,
  oneOf,
  port,
  size,
  spelt,
  switched,
  text,
  tokenName,
  word,
} from './values.ts'

const MIB = 1024 * 1024
const INT32_MAX = 2 ** 31 - 1

/** Of batch publishing; 0: nats-server's own. */
const batchLimits = block({
  max_inflight_per_stream: v.optional(limit(), 0),
  max_inflight_total: v.optional(limit(), 0),
  max_msgs: v.optional(limit(), 0),
  timeout: v.optional(duration(), 0),
})

/** 0 is nats-server's own limit, less than that none. */
function consumersPerStream() {
  return v.pipe(
    count(-1, Number.MAX_SAFE_INTEGER),
    v.transform((max) => (max === 0 ? CONSUMERS_PER_STREAM : Math.max(0, max))),
  )
}

/** What no stream or consumer may be above, whoever asks; 0: no limit. */
const jetstreamLimits = block(
  {
    max_ack_pending: v.optional(limit(), 0),
    max_request_batch: v.optional(limit(), 0),
    default_max_consumers: v.optional(consumersPerStream(), 0),
    duplicate_window: v.optional(duration(), 0),
    batch: v.optional(batchLimits, {}),
  },
  { inert: ['max_ha_assets'] },
)

/** `jetstream { … }`, and for short `jetstream: true` or `jetstream: enabled`. */
const jetstream = block(
  {
    enabled: v.optional(switched(), true),
    store_dir: v.optional(text()),
    domain: v.optional(tokenName()),
    max_file: v.optional(size(), 0),
    max_mem: v.optional(size(), 0),
    scrub_interval: v.optional(duration(), '7d'),
    cipher: v.optional(spelt({ aes: 'aes', chacha: 'chacha', chachapoly: 'chacha' }), 'aes'),
    key: v.optional(encryptionKey()),
    key_file: v.optional(word()),
    prev_key: v.optional(encryptionKey()),
    prev_key_file: v.optional(word()),
    max_subjects_in_memory: v.optional(
      count(SUBJECTS_IN_MEMORY_MIN, SUBJECTS_IN_MEMORY_MAX),
      SUBJECTS_IN_MEMORY,
    ),
    strict: v.optional(flag(), true),
    sync_interval: v.optional(durationOrAlways(), 'always'),
    max_buffered_msgs: v.optional(limit(), 0),
    max_buffered_size: v.optional(size(), 0),
    request_queue_limit: v.optional(limit(), 0),
    info_queue_limit: v.optional(limit(), 0),
    limits: v.optional(jetstreamLimits, {}),
  },
  {
    aliases: {
      enable: 'enabled',
      store: 'store_dir',
      storedir: 'store_dir',
      max_file_store: 'max_file',
      max_memory_store: 'max_mem',
      max_mem_store: 'max_mem',
      ek: 'key',
      encryption_key: 'key',
      prev_ek: 'prev_key',
      prev_encryption_key: 'prev_key',
      sync: 'sync_interval',
    },
    shorthand: 'enabled',
    ...JETSTREAM_OPTIONS,
  },
)

/** `js_ack_fc_v2`: acks and flow control name the domain and the account, also without a domain. */
const featureFlags = block(
  { js_ack_fc_v2: v.optional(flag(), false) },
  { inert: ['js_raft_delete_range', 'js_snapshot_sources'] },
)

const limits = {
  max_payload: v.optional(size(1, 64 * MIB), MIB),
  max_control_line: v.optional(size(64, INT32_MAX), 4096),
  max_connections: v.optional(limit(), 65_536),
  max_pending: v.optional(size(1), 64 * MIB),
  max_subscriptions: v.optional(limit(), 0),
  max_sub_tokens: v.optional(count(1, 255)),
  max_closed_clients: v.optional(count(-1, INT32_MAX), 10_000),
  ping_interval: v.optional(duration(10), '2m'),
  ping_max: v.optional(count(1, 1_000), 2),
  write_deadline: v.optional(duration(1), '10s'),
  lame_duck_duration: v.optional(duration(30_000), '2m'),
  lame_duck_grace_period: v.optional(duration(), '10s'),
  no_fast_producer_stall: v.optional(flag(), false),
  no_header_support: v.optional(flag(), false),
}

const logging = {
  debug: v.optional(flag(), false),
  trace: v.optional(flag(), false),
  trace_verbose: v.optional(flag(), false),
  trace_headers: v.optional(flag(), false),
  logtime: v.optional(flag(), true),
  logtime_utc: v.optional(flag(), false),
  log_file: v.optional(text(), ''),
  log_format: v.optional(oneOf('text', 'json', 'pretty')),
  logfile_size_limit: v.optional(size(), 0),
  logfile_max_num: v.optional(limit(), 0),
}

export const core = {
  ...listener,
  ...limits,
  ...logging,
  ...operatorKeys,
  server_name: v.optional(word()),
  server_tags: v.optional(nameList(), []),
  server_metadata: v.optional(namedValues(text()), []),
  client_advertise: v.optional(text(), ''),
  http: v.optional(listen()),
  http_port: v.optional(port()),
  https: v.optional(listen()),
  https_port: v.optional(port()),
  http_base_path: v.optional(text(), ''),
  pid_file: v.optional(text(), ''),
  ports_file_dir: v.optional(text(), ''),
  proxy_protocol: v.optional(flag(), false),
  tls: v.optional(tls),
  allow_non_tls: v.optional(flag(), false),
  authorization: v.optional(authorization),
  accounts: v.optional(accounts, []),
  mappings: v.optional(mappings, []),
  proxies: v.optional(proxies, {}),
  no_auth_user: v.optional(text(), ''),
  system_account: v.optional(word()),
  no_system_account: v.optional(flag(), false),
  cluster: v.optional(cluster),
  gateway: v.optional(gateway),
  store_dir: v.optional(text()),
  jetstream: v.optional(jetstream),
  feature_flags: v.optional(featureFlags, {}),
  leafnodes: v.optional(leafnodes, {}),
  websocket: v.optional(websocket),
  mqtt: v.optional(mqtt),
}

const CORE_ALIASES = {
  ...LISTEN_ALIASES,
  ...OPERATOR_ALIASES,
  monitor_port: 'http_port',
  pidfile: 'pid_file',
  logfile: 'log_file',
  log_size_limit: 'logfile_size_limit',
  log_max_num: 'logfile_max_num',
  max_conn: 'max_connections',
  max_subs: 'max_subscriptions',
  max_subscription_tokens: 'max_sub_tokens',
  maps: 'mappings',
  system: 'system_account',
  no_system: 'no_system_account',
  no_sys_acc: 'no_system_account',
  storedir: 'store_dir',
  leaf: 'leafnodes',
  ws: 'websocket',
}

export const CORE_RULES = { aliases: CORE_ALIASES, ...CORE_OPTIONS }

const coreSchema = block(core)

export type CoreFile = v.InferOutput<typeof coreSchema>
