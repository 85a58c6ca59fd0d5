/**
 * The blocks that hub and leaf share, as valibot schemas. Key names, aliases and defaults are
 * nats-server's (server/opts.go, server/const.go); what else it knows is in server-options.ts.
 */
import * as v from 'valibot'
import { block, namedBlocks } from './block.ts'
import type { RemoteUrl } from './config.ts'
import { readRemoteUrl } from './remote-url.ts'
import {
  ACCOUNT_OPTIONS,
  AUTHORIZATION_OPTIONS,
  CORE_OPTIONS,
  JETSTREAM_OPTIONS,
  LEAFNODES_OPTIONS,
  MQTT_OPTIONS,
  REMOTE_OPTIONS,
  USER_OPTIONS,
  WEBSOCKET_OPTIONS,
} from './server-options.ts'
import {
  count,
  duration,
  flag,
  limit,
  port,
  reading,
  shown,
  size,
  text,
  tokenName,
  word,
} from './values.ts'

const MIB = 1024 * 1024
const INT32_MAX = 2 ** 31 - 1

/** `host:port`, `:port` or a port alone. */
function listen() {
  return reading<{ readonly host: string; readonly port: number }>((input) => {
    const match = /^(.*):(-?\d+)$/.exec(typeof input === 'number' ? `:${input}` : String(input))
    const number = Number(match?.[2] ?? Number.NaN)
    if (match !== null && number >= -1 && number <= 65_535) {
      const host = (match[1] ?? '').replace(/^\[(.*)\]$/, '$1')
      return { value: { host, port: Math.max(0, number) } }
    }
    return { fault: `must be host:port or a port, not ${shown(input)}` }
  })
}

/** A flag that may be spelt `enabled` or `disabled`. */
function switched() {
  return reading<boolean>((input) => {
    const word = String(input).toLowerCase()
    if (['true', 'enabled', 'enable'].includes(word)) return { value: true }
    if (['false', 'disabled', 'disable'].includes(word)) return { value: false }
    return { fault: `must be true, false, enabled, disabled or a block, not ${shown(input)}` }
  })
}

/** One address of a hub or a list of them. */
function urls() {
  return reading<readonly RemoteUrl[]>((input) => {
    const list = typeof input === 'string' ? [input] : input
    if (!Array.isArray(list) || list.length === 0) {
      return { fault: `must be a URL or a list of URLs, not ${shown(input)}` }
    }
    const read = list.map((url) => readRemoteUrl(String(url).trim()))
    const faults = read.flatMap((result) => ('fault' in result ? [result.fault] : []))
    if (faults.length > 0) return { fault: faults.join('; ') }
    return { value: read.flatMap((result) => ('value' in result ? [result.value] : [])) }
  })
}

const LISTEN_ALIASES = { net: 'host' }

const listener = {
  listen: v.optional(listen()),
  host: v.optional(word()),
  port: v.optional(port()),
}

const USER_ALIASES = { username: 'user', pass: 'password' }

export const user = block(
  { user: text(), password: v.optional(text()), account: v.optional(word()) },
  { aliases: USER_ALIASES, ...USER_OPTIONS },
)

/** A list that lets nobody in is a mistake, not an open door. */
function users() {
  return v.pipe(v.array(user, 'must be a list of users'), v.minLength(1, 'may not be empty'))
}

export const authorization = block(
  {
    user: v.optional(text()),
    password: v.optional(text()),
    token: v.optional(text()),
    account: v.optional(word()),
    users: v.optional(users()),
    timeout: v.optional(duration(), '2s'),
  },
  {
    aliases: USER_ALIASES,
    ...AUTHORIZATION_OPTIONS,
  },
)

const accounts = namedBlocks(
  { name: word(), users: v.optional(v.array(user, 'must be a list of users'), []) },
  {
    ...ACCOUNT_OPTIONS,
  },
)

/** `jetstream { … }`, and for short `jetstream: true` or `jetstream: enabled`. */
const jetstream = block(
  {
    enabled: v.optional(switched(), true),
    store_dir: v.optional(text()),
    domain: v.optional(tokenName()),
    max_file: v.optional(size(), 0),
    max_mem: v.optional(size(), 0),
  },
  {
    aliases: {
      enable: 'enabled',
      store: 'store_dir',
      storedir: 'store_dir',
      max_file_store: 'max_file',
      max_memory_store: 'max_mem',
      max_mem_store: 'max_mem',
    },
    shorthand: 'enabled',
    ...JETSTREAM_OPTIONS,
  },
)

export const remote = block(
  {
    url: v.optional(urls()),
    account: v.optional(word()),
    no_randomize: v.optional(flag(), false),
    disabled: v.optional(flag(), false),
  },
  {
    aliases: { urls: 'url', local: 'account', dont_randomize: 'no_randomize' },
    ...REMOTE_OPTIONS,
  },
)

const leafnodes = block(
  {
    ...listener,
    advertise: v.optional(text(), ''),
    authorization: v.optional(authorization),
    remotes: v.optional(v.array(remote, 'must be a list of remotes'), []),
    reconnect: v.optional(duration(100), '1s'),
    dial_timeout: v.optional(duration(100), '2s'),
  },
  {
    aliases: {
      ...LISTEN_ALIASES,
      leafnode_advertise: 'advertise',
      reconnect_delay: 'reconnect',
      reconnect_interval: 'reconnect',
    },
    ...LEAFNODES_OPTIONS,
  },
)

const websocket = block(
  {
    ...listener,
    advertise: v.optional(text(), ''),
    no_tls: v.optional(flag(), false),
    handshake_timeout: v.optional(duration(100), '2s'),
  },
  {
    aliases: LISTEN_ALIASES,
    ...WEBSOCKET_OPTIONS,
  },
)

const mqtt = block(
  {
    ...listener,
    ack_wait: v.optional(duration(100), '30s'),
    max_ack_pending: v.optional(count(1, 65_535), 1024),
  },
  {
    aliases: {
      ...LISTEN_ALIASES,
      ackwait: 'ack_wait',
      max_pending: 'max_ack_pending',
      max_inflight: 'max_ack_pending',
    },
    ...MQTT_OPTIONS,
  },
)

export const core = {
  ...listener,
  server_name: v.optional(word()),
  client_advertise: v.optional(text(), ''),
  http: v.optional(listen()),
  http_port: v.optional(port()),
  http_base_path: v.optional(text(), ''),
  pid_file: v.optional(text(), ''),
  debug: v.optional(flag(), false),
  trace: v.optional(flag(), false),
  logtime: v.optional(flag(), true),
  log_file: v.optional(text(), ''),
  max_payload: v.optional(size(1, 64 * MIB), MIB),
  max_control_line: v.optional(size(64, INT32_MAX), 4096),
  max_connections: v.optional(limit(), 65_536),
  max_pending: v.optional(size(1), 64 * MIB),
  max_subscriptions: v.optional(limit(), 0),
  ping_interval: v.optional(duration(10), '2m'),
  ping_max: v.optional(count(1, 1_000), 2),
  write_deadline: v.optional(duration(1), '10s'),
  lame_duck_duration: v.optional(duration(), '2m'),
  lame_duck_grace_period: v.optional(duration(), '10s'),
  authorization: v.optional(authorization),
  accounts: v.optional(accounts, []),
  no_auth_user: v.optional(text(), ''),
  store_dir: v.optional(text()),
  jetstream: v.optional(jetstream),
  leafnodes: v.optional(leafnodes, {}),
  websocket: v.optional(websocket),
  mqtt: v.optional(mqtt),
}

const CORE_ALIASES = {
  net: 'host',
  monitor_port: 'http_port',
  pidfile: 'pid_file',
  logfile: 'log_file',
  max_conn: 'max_connections',
  max_subs: 'max_subscriptions',
  storedir: 'store_dir',
  leaf: 'leafnodes',
  ws: 'websocket',
}

export const CORE_RULES = { aliases: CORE_ALIASES, ...CORE_OPTIONS }

const coreSchema = block(core)

export type CoreFile = v.InferOutput<typeof coreSchema>
export type AuthorizationFile = v.InferOutput<typeof authorization>
export type UserFile = v.InferOutput<typeof user>
export type RemoteFile = v.InferOutput<typeof remote>
