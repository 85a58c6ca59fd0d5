import type {
  AuthorizationConfig,
  PermissionsConfig,
  SubjectPermissionConfig,
  UserConfig,
} from './account-config.ts'
import type { AuthorizationFile, UserFile } from './authorization-schema.ts'
import { ROOT_ACCOUNT } from './config.ts'
import type { CoreFile } from './core-schema.ts'
import type { PermissionsFile } from './permission-schema.ts'
import { TLS_TIMEOUT_MS } from './tls-assembly.ts'
import type { TlsFile } from './tls-schema.ts'

const TIMEOUT_MS = 2_000
/** What is left for credentials when the handshake took all the time it had. */
const TIMEOUT_BEHIND_TLS_MS = 1_000

/** Users of `authorization` first, then those of the accounts. */
export function authorizationOf(file: CoreFile): AuthorizationConfig {
  const own = file.authorization
  const users = own === undefined ? [] : usersOf(own, ROOT_ACCOUNT)
  for (const account of file.accounts) {
    users.push(...account.users.map((user) => userOf(user, account.name)))
  }
  return {
    ...blockOf(own, users, file.tls),
    no_auth_user: file.no_auth_user,
    default_permissions: own?.default_permissions && permissionsOf(own.default_permissions),
    auth_callout: own?.auth_callout,
    trusted_proxies: file.proxies.trusted.map(({ key }) => key),
  }
}

/** Of a listener or a peer; undefined when the block names nobody: a timeout alone opens no door. */
export function ownAuthorizationOf(
  own: AuthorizationFile | undefined,
  tls: TlsFile | undefined,
  noAuthUser = '',
): AuthorizationConfig | undefined {
  const { user, users, token, nkey } = own ?? {}
  if (own === undefined || (user ?? users ?? token ?? nkey) === undefined) return undefined
  return {
    ...blockOf(own, usersOf(own, own.account ?? ROOT_ACCOUNT), tls),
    no_auth_user: noAuthUser,
  }
}

/** What a block says of the time for a login, whether it names users or not. */
export function ownTimeoutOf(own: AuthorizationFile | undefined): { auth_timeout?: number } {
  return own?.timeout === undefined ? {} : { auth_timeout: own.timeout }
}

export function permissionsOf(file: PermissionsFile): PermissionsConfig {
  const { publish, subscribe, allow_responses: responses } = file
  const answers = responses?.enabled ? responses : undefined
  const published = permissionOf(publish)
  return {
    // Who is only allowed to answer may publish nothing else.
    publish: answers === undefined ? published : { ...published, allow: published.allow ?? [] },
    subscribe: permissionOf(subscribe),
    allow_responses: answers && { max: answers.max, expires: answers.expires },
  }
}

function blockOf(
  own: AuthorizationFile | undefined,
  users: readonly UserConfig[],
  tls: TlsFile | undefined,
): AuthorizationConfig {
  return {
    users,
    token: own?.token ?? '',
    timeout: own?.timeout ?? timeoutOf(tls),
    no_auth_user: '',
    default_permissions: undefined,
    auth_callout: undefined,
    proxy_required: own?.proxy_required ?? false,
    trusted_proxies: [],
  }
}

function timeoutOf(tls: TlsFile | undefined): number {
  return tls === undefined ? TIMEOUT_MS : (tls.timeout ?? TLS_TIMEOUT_MS) + TIMEOUT_BEHIND_TLS_MS
}

/** `user` and `password`, or `nkey`, are a list of one user. */
function usersOf(file: AuthorizationFile, account: string): UserConfig[] {
  const users = (file.users ?? []).map((user) => userOf(user, account))
  if (file.user === undefined && file.nkey === undefined) return users
  const { user = '', password, nkey = '' } = file
  return [userOf({ ...NOBODY, user, password, nkey }, account), ...users]
}

const NOBODY = {
  account: undefined,
  permissions: undefined,
  allowed_connection_types: [],
  proxy_required: false,
}

function userOf(file: UserFile, account: string): UserConfig {
  return {
    user: file.user,
    password: file.password ?? '',
    nkey: file.nkey,
    account: file.account ?? account,
    permissions: file.permissions && permissionsOf(file.permissions),
    connection_types: file.allowed_connection_types,
    proxy_required: file.proxy_required,
  }
}

function permissionOf(
  file: { allow?: readonly string[] | undefined; deny: readonly string[] } | undefined,
): SubjectPermissionConfig {
  return { allow: file?.allow, deny: file?.deny ?? [] }
}
