import { createServer } from '@nats-io/nkeys'
import type {
  AccountsConfig,
  AccountsDependencies,
  ServerFacts,
} from '../../../shared/account/index.ts'
import type {
  AccountConfig,
  AuthorizationConfig,
  PermissionsConfig,
  TlsConfig,
  UserConfig,
} from '../../../shared/config/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { type PasswordHashes, SystemClock, SystemDisk } from '../../../shared/runtime/index.ts'

/** Exact configurations out of the parts that a test is about. */
export function accountConfig(name: string, parts: Partial<AccountConfig> = {}): AccountConfig {
  return {
    name,
    nkey: '',
    exports: [],
    imports: [],
    mappings: [],
    default_permissions: undefined,
    limits: { max_connections: -1, max_subscriptions: -1, max_payload: -1, max_leafnodes: -1 },
    jetstream: true,
    msg_trace: undefined,
    ...parts,
  }
}

export function userConfig(parts: Partial<UserConfig>): UserConfig {
  return {
    user: '',
    password: '',
    nkey: '',
    account: '$G',
    permissions: undefined,
    connection_types: [],
    proxy_required: false,
    ...parts,
  }
}

export function authorizationConfig(parts: Partial<AuthorizationConfig>): AuthorizationConfig {
  return {
    users: [],
    token: '',
    timeout: 2_000,
    no_auth_user: '',
    default_permissions: undefined,
    auth_callout: undefined,
    proxy_required: false,
    trusted_proxies: [],
    ...parts,
  }
}

export function accountsConfig(parts: Partial<AccountsConfig>): AccountsConfig {
  return {
    accounts: [accountConfig('$G'), accountConfig('$SYS')],
    authorization: authorizationConfig({}),
    leafnodes: {
      listen: undefined,
      advertise: '',
      authorization: undefined,
      tls: undefined,
      remotes: [],
      reconnect: 1_000,
      dial_timeout: 1_000,
    },
    mqtt: undefined,
    operator: undefined,
    system_account: '$SYS',
    tls: undefined,
    websocket: undefined,
    ...parts,
  }
}

export function permissionsConfig(parts: {
  readonly pub?: readonly string[]
  readonly noPub?: readonly string[]
  readonly sub?: readonly string[]
  readonly noSub?: readonly string[]
  readonly responses?: { readonly max: number; readonly expires: number }
}): PermissionsConfig {
  return {
    publish: { allow: parts.pub, deny: parts.noPub ?? [] },
    subscribe: { allow: parts.sub, deny: parts.noSub ?? [] },
    allow_responses: parts.responses,
  }
}

export const MAPPING_TLS: TlsConfig = {
  certs: [],
  ca_file: '',
  verify: true,
  verify_and_map: true,
  insecure: false,
  cipher_suites: [],
  curve_preferences: [],
  min_version: 'TLSv1.2',
  pinned_certs: [],
  connection_rate_limit: 0,
  timeout: 2_000,
  handshake_first: 'no',
  handshake_first_delay: 50,
}

/** bcrypt without its cost: `$2b$04$` in front of the password itself. */
export class FakeHashes implements PasswordHashes {
  asked = 0

  matches(password: string, hash: string): Promise<boolean> {
    this.asked++
    return Promise.resolve(hash === `$2b$04$${password}`)
  }

  close(): void {}
}

const serverPair = createServer()

export const SERVER: ServerFacts = {
  id: serverPair.getPublicKey(),
  name: 'press-7',
  host: '127.0.0.1',
  version: '2.15.2',
  cluster: '',
  tags: [],
  sign: (bytes) => Buffer.from(serverPair.sign(bytes)).toString('base64url'),
}

export function dependencies(parts: Partial<AccountsDependencies> = {}): AccountsDependencies {
  return {
    clock: new SystemClock(),
    disk: new SystemDisk(),
    log: silentLog,
    passwords: new FakeHashes(),
    ...parts,
  }
}
