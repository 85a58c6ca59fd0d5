import {
  type AuthorizationConfig,
  type ConnectionType,
  type CoreConfig,
  isCertificateUser,
} from '../config/index.ts'
import { GLOBAL_ACCOUNT } from './authenticator.ts'
import { FileLogin, type FileLoginOptions } from './file-login.ts'
import type { Secrets } from './password.ts'

/** What of a configuration says who may connect. */
export type AccountsConfig = Pick<
  CoreConfig,
  | 'accounts'
  | 'authorization'
  | 'leafnodes'
  | 'mqtt'
  | 'operator'
  | 'system_account'
  | 'tls'
  | 'websocket'
>

/** Listeners may have users of their own. */
export type Listener = 'client' | 'websocket' | 'mqtt' | 'leafnode'

export function listenerOf(type: ConnectionType | undefined): Listener {
  switch (type) {
    case 'WEBSOCKET':
      return 'websocket'
    case 'MQTT':
    case 'MQTT_WS':
      return 'mqtt'
    case 'LEAFNODE':
    case 'LEAFNODE_WS':
      return 'leafnode'
    default:
      return 'client'
  }
}

export function makeLogins(
  config: AccountsConfig,
  secrets: Secrets,
): Readonly<Record<Listener, FileLogin>> {
  const { tls, websocket, mqtt, leafnodes } = config
  const own = withDefaults(config.authorization, config)
  const make = (
    authorization: AuthorizationConfig | undefined,
    noAuthUser: string,
    maps: boolean | undefined,
  ): FileLogin => new FileLogin(optionsFor(config, authorization ?? own, noAuthUser, maps, secrets))
  return {
    client: make(undefined, '', tls?.verify_and_map),
    websocket: make(
      overriding(websocket?.authorization, own),
      websocket?.no_auth_user ?? '',
      websocket?.tls?.verify_and_map,
    ),
    mqtt: make(
      overriding(mqtt?.authorization, own),
      mqtt?.no_auth_user ?? '',
      mqtt?.tls?.verify_and_map,
    ),
    leafnode: make(leafnodes.authorization, '', leafnodes.tls?.verify_and_map),
  }
}

function optionsFor(
  config: AccountsConfig,
  authorization: AuthorizationConfig,
  noAuthUser: string,
  mapsCertificates: boolean | undefined,
  secrets: Secrets,
): FileLoginOptions {
  return {
    authorization:
      noAuthUser === '' ? authorization : { ...authorization, no_auth_user: noAuthUser },
    mapsCertificates: mapsCertificates === true,
    openAccount: GLOBAL_ACCOUNT,
    letsStrangersIn: hasSystemUsersOnly(config) && authorization.no_auth_user === '',
    isCertificateUser: (user) => isCertificateUser(user.connection_types, config),
    secrets,
  }
}

/** A listener's block with a user or a token stands in for the server's; nats-server allows no more in it. */
function overriding(
  block: AuthorizationConfig | undefined,
  own: AuthorizationConfig,
): AuthorizationConfig | undefined {
  if (block === undefined) return undefined
  if (block.users.length > 0 || block.token !== '') return block
  return block.no_auth_user === '' ? undefined : { ...own, no_auth_user: block.no_auth_user }
}

/** Users without permissions of their own have those of their account, or of the block. */
function withDefaults(
  authorization: AuthorizationConfig,
  config: AccountsConfig,
): AuthorizationConfig {
  const byAccount = new Map(config.accounts.map((each) => [each.name, each.default_permissions]))
  const users = authorization.users.map((user) => {
    const isGlobal = user.account === GLOBAL_ACCOUNT
    const ofBlock = isGlobal ? authorization.default_permissions : undefined
    const permissions = user.permissions ?? byAccount.get(user.account) ?? ofBlock
    return { ...user, permissions }
  })
  return { ...authorization, users }
}

/**
 * A file that only gives the system account its users leaves everybody else as free as without it.
 * Source: nats-server's server/server.go, `configureAccounts`.
 */
function hasSystemUsersOnly(config: AccountsConfig): boolean {
  const { accounts, authorization, system_account } = config
  const { users, token } = authorization
  if (system_account === '' || token !== '' || users.length === 0) return false
  const isKnown = (name: string): boolean => name === system_account || name === GLOBAL_ACCOUNT
  return (
    accounts.every(({ name }) => isKnown(name)) &&
    users.every(({ account }) => account === system_account)
  )
}
