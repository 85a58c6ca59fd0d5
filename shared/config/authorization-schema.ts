/** Who may connect: `authorization` in all the places where it may stand. */
import * as v from 'valibot'
import type { ConnectionType } from './account-config.ts'
import { block } from './block.ts'
import { anyPublicKey, publicKey } from './credential-values.ts'
import { permissions } from './permission-schema.ts'
import { duration, flag, nameList, reading, shown, text, texts, word } from './values.ts'

const USER_ALIASES = { username: 'user', pass: 'password' }

const CONNECTION_TYPES: readonly ConnectionType[] = [
  'STANDARD',
  'WEBSOCKET',
  'LEAFNODE',
  'LEAFNODE_WS',
  'MQTT',
  'MQTT_WS',
  'IN_PROCESS',
]

function connectionTypes() {
  return reading<readonly ConnectionType[]>((input) => {
    const list = Array.isArray(input) ? input : [input]
    const found = list.map((name) => {
      return CONNECTION_TYPES.find((type) => type === String(name).toUpperCase())
    })
    const unknown = found.indexOf(undefined)
    if (unknown < 0) return { value: found.filter((type) => type !== undefined) }
    return { fault: `must be some of ${CONNECTION_TYPES.join(', ')}, not ${shown(list[unknown])}` }
  })
}

const user = block(
  {
    user: v.optional(text(), ''),
    password: v.optional(text()),
    nkey: v.optional(publicKey('U'), ''),
    account: v.optional(word()),
    permissions: v.optional(permissions),
    allowed_connection_types: v.optional(connectionTypes(), []),
    proxy_required: v.optional(flag(), false),
  },
  {
    aliases: {
      ...USER_ALIASES,
      permission: 'permissions',
      authorization: 'permissions',
      connection_types: 'allowed_connection_types',
      clients: 'allowed_connection_types',
    },
  },
)

/** A list that lets nobody in is a mistake, not an open door. */
function users() {
  return v.pipe(accountUsers(), v.minLength(1, 'may not be empty'))
}

/** In an account it is none: others may import what it exports. */
export function accountUsers() {
  return v.array(user, 'must be a list of users')
}

const callout = block(
  {
    issuer: v.pipe(publicKey('A'), v.nonEmpty('is missing')),
    account: v.optional(word(), '$G'),
    auth_users: texts(),
    xkey: v.optional(publicKey('X'), ''),
    allowed_accounts: v.optional(nameList(), []),
  },
  { aliases: { acc: 'account', users: 'auth_users', key: 'xkey' } },
)

const entries = {
  user: v.optional(text()),
  password: v.optional(text()),
  nkey: v.optional(publicKey('U')),
  token: v.optional(text()),
  account: v.optional(word()),
  users: v.optional(users()),
  timeout: v.optional(duration()),
  default_permissions: v.optional(permissions),
  auth_callout: v.optional(callout),
  proxy_required: v.optional(flag(), false),
}

/** Where a block of this shape stands decides which of its keys mean something. */
function authorizationBlock(keys: readonly (keyof typeof entries)[], where: string) {
  const others = (Object.keys(entries) as (keyof typeof entries)[]).filter(
    (key) => !keys.includes(key),
  )
  return block(entries, {
    aliases: {
      ...USER_ALIASES,
      default_permission: 'default_permissions',
      permissions: 'default_permissions',
      auth_hook: 'auth_callout',
    },
    elsewhere: Object.fromEntries(others.map((key) => [key, `has no meaning in ${where}`])),
  })
}

const SINGLE = ['user', 'password', 'timeout'] as const

export const authorization = authorizationBlock(
  [...SINGLE, 'token', 'users', 'default_permissions', 'auth_callout', 'proxy_required'],
  'authorization: users belong to accounts',
)

export const leafAuthorization = authorizationBlock(
  [...SINGLE, 'token', 'nkey', 'account', 'users', 'proxy_required'],
  'leafnodes.authorization',
)

/** `websocket` and `mqtt` may ask for other credentials than the server does. */
export const doorAuthorization = authorizationBlock(
  [...SINGLE, 'token'],
  'the authorization of a listener: put it into the one of the server',
)

export const peerAuthorization = authorizationBlock(
  [...SINGLE],
  'the authorization of peers: they log in by one user and password',
)

export const proxies = block({
  trusted: v.optional(
    v.array(
      block({ key: anyPublicKey() }, { aliases: { public_key: 'key' } }),
      'must be a list like [{ key: "U…" }]',
    ),
    [],
  ),
})

export type AuthorizationFile = v.InferOutput<typeof authorization>
export type UserFile = v.InferOutput<typeof user>
