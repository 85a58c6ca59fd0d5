import type { AccountConfig, AuthorizationConfig, UserConfig } from './account-config.ts'
import {
  type CoreConfig,
  type HubConfig,
  type JetStreamConfig,
  type LeafConfig,
  type LeafNodesConfig,
  type ListenConfig,
  type RemoteConfig,
  ROOT_ACCOUNT,
  type Role,
  SYSTEM_ACCOUNT,
} from './config.ts'
import type { AuthorizationFile, CoreFile, RemoteFile, UserFile } from './core-schema.ts'
import type { HubFile, LeafFile } from './schema.ts'

const HOST_DEFAULT = '0.0.0.0'
const PORT_DEFAULT = 4222

/** A checked file as the configuration that the role runs on: what depends on several keys is settled here. */
export function assembleHub(file: HubFile): HubConfig {
  const { fleet, ...core } = file
  return { ...assembleCore(core, 'hub', fleet.streams.length > 0), role: 'hub', fleet }
}

export function assembleLeaf(file: LeafFile): LeafConfig {
  const { region, buffers, ...core } = file
  return { ...assembleCore(core, 'leaf', true), role: 'leaf', region, buffers }
}

function assembleCore(file: CoreFile, role: Role, needsStore: boolean): CoreConfig {
  const { listen, http_port, store_dir, no_auth_user, ...same } = file
  const host = file.host ?? hostOf(listen)
  return {
    ...same,
    server_name: file.server_name ?? '',
    host,
    port: file.port ?? listen?.port ?? PORT_DEFAULT,
    http: httpOf(file, host),
    authorization: authorizationOf(file),
    accounts: accountsOf(file),
    system_account: SYSTEM_ACCOUNT,
    operator: undefined,
    cluster: undefined,
    gateway: undefined,
    https: undefined,
    ports_file_dir: '',
    logtime_utc: false,
    logfile_size_limit: 0,
    logfile_max_num: 0,
    max_sub_tokens: 0,
    max_closed_clients: 10_000,
    no_header_support: false,
    no_fast_producer_stall: false,
    proxy_protocol: false,
    server_tags: [],
    server_metadata: {},
    tls: undefined,
    allow_non_tls: false,
    jetstream: jetstreamOf(file, role, needsStore),
    leafnodes: leafnodesOf(file.leafnodes),
    websocket: file.websocket && {
      listen: listenOf(file.websocket),
      advertise: file.websocket.advertise,
      handshake_timeout: file.websocket.handshake_timeout,
      tls: undefined,
      same_origin: false,
      allowed_origins: [],
      compression: false,
      jwt_cookie: '',
      user_cookie: '',
      pass_cookie: '',
      token_cookie: '',
      headers: {},
      no_auth_user: '',
      authorization: undefined,
      ping_interval: 0,
    },
    mqtt: file.mqtt && {
      listen: listenOf(file.mqtt),
      ack_wait: file.mqtt.ack_wait,
      max_ack_pending: file.mqtt.max_ack_pending,
      tls: undefined,
      no_auth_user: '',
      authorization: undefined,
    },
  }
}

/** Monitoring listens where clients do unless `http` says otherwise, as in nats-server. */
function httpOf(file: CoreFile, host: string): ListenConfig | undefined {
  const port = file.http_port ?? file.http?.port
  if (port === undefined) return undefined
  return { host: file.http === undefined || file.http.host === '' ? host : file.http.host, port }
}

function authorizationOf(file: CoreFile): AuthorizationConfig {
  const own = file.authorization
  const users = own === undefined ? [] : usersOf(own, ROOT_ACCOUNT)
  for (const account of file.accounts) {
    users.push(...account.users.map((user) => userOf(user, account.name)))
  }
  return {
    users,
    token: own?.token ?? '',
    timeout: own?.timeout ?? 2_000,
    no_auth_user: file.no_auth_user,
    ...PLAIN_AUTHORIZATION,
  }
}

const PLAIN_AUTHORIZATION = {
  default_permissions: undefined,
  auth_callout: undefined,
  proxy_required: false,
  trusted_proxies: [],
}

function accountsOf(file: CoreFile): AccountConfig[] {
  const names = [ROOT_ACCOUNT, SYSTEM_ACCOUNT, ...namesOf(file.accounts)]
  return [...new Set(names)].map((name) => ({
    name,
    nkey: '',
    exports: [],
    imports: [],
    mappings: [],
    default_permissions: undefined,
    limits: { max_connections: -1, max_subscriptions: -1, max_payload: -1, max_leafnodes: -1 },
    jetstream: name !== SYSTEM_ACCOUNT,
    msg_trace: undefined,
  }))
}

/** `user` and `password` are a list of one user. */
function usersOf(file: AuthorizationFile, account: string): UserConfig[] {
  const users = (file.users ?? []).map((user) => userOf(user, account))
  if (file.user !== undefined) {
    users.unshift({
      ...PLAIN_USER,
      user: file.user,
      password: file.password ?? '',
      account: file.account ?? account,
    })
  }
  return users
}

function userOf(file: UserFile, account: string): UserConfig {
  return {
    ...PLAIN_USER,
    user: file.user,
    password: file.password ?? '',
    account: file.account ?? account,
  }
}

const PLAIN_USER = {
  nkey: '',
  permissions: undefined,
  connection_types: [],
  proxy_required: false,
}

function jetstreamOf(file: CoreFile, role: Role, needsStore: boolean): JetStreamConfig {
  const own = file.jetstream
  return {
    enabled: own?.enabled ?? needsStore,
    store_dir: own?.store_dir ?? file.store_dir ?? `./data/${file.server_name ?? role}`,
    domain: own?.domain ?? (role === 'leaf' ? domainFrom(file.server_name ?? '') : ''),
    max_file: own?.max_file ?? 0,
    max_mem: own?.max_mem ?? 0,
  }
}

/** Two servers with JetStream on one link must be told apart by their domains. */
function domainFrom(serverName: string): string {
  return /[\s.*>]/.test(serverName) ? '' : serverName
}

function leafnodesOf(file: CoreFile['leafnodes']): LeafNodesConfig {
  const isListening = file.port !== undefined || file.listen !== undefined
  const own = namesSomebody(file.authorization)
  return {
    listen: isListening ? listenOf(file) : undefined,
    advertise: file.advertise,
    authorization: own && {
      users: usersOf(own, own.account ?? ROOT_ACCOUNT),
      token: own.token ?? '',
      timeout: own.timeout,
      no_auth_user: '',
      ...PLAIN_AUTHORIZATION,
    },
    tls: undefined,
    remotes: file.remotes.filter((remote) => !remote.disabled).map(remoteOf),
    reconnect: file.reconnect,
    dial_timeout: file.dial_timeout,
  }
}

/** A block with a timeout alone leaves links to authenticate as clients do: it must not open the door. */
function namesSomebody(file: AuthorizationFile | undefined): AuthorizationFile | undefined {
  const { user, users, token } = file ?? {}
  return user === undefined && users === undefined && token === undefined ? undefined : file
}

function remoteOf(file: RemoteFile): RemoteConfig {
  return {
    urls: file.url ?? [],
    account: file.account ?? ROOT_ACCOUNT,
    no_randomize: file.no_randomize,
    tls: undefined,
    credentials: '',
    nkey: '',
    deny_exports: [],
    deny_imports: [],
    hub: false,
    is_isolated: false,
  }
}

interface ListenerFile {
  readonly listen?: ListenConfig | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
}

function listenOf(file: ListenerFile): ListenConfig {
  return { host: file.host ?? hostOf(file.listen), port: file.port ?? file.listen?.port ?? 0 }
}

function hostOf(listen: ListenConfig | undefined): string {
  return listen === undefined || listen.host === '' ? HOST_DEFAULT : listen.host
}

function namesOf(named: readonly { readonly name: string }[]): string[] {
  return named.map((one) => one.name)
}
