import { fmtCreds, newScopedSigner } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import { credsAuthenticator, jwtAuthenticator } from '@nats-io/transport-node'
import {
  createAccount,
  createUser,
  inSeconds,
  JwtWorld,
  UNLIMITED,
} from '../../unit/account/jwt-world.ts'
import type { Login } from './doors.ts'
import { type LoginCase, type Mode, NO } from './mode.ts'

const TEMPLATE = {
  pub: { allow: ['>'], deny: [] },
  sub: { allow: ['>'], deny: [] },
  subs: -1,
  payload: -1,
  data: -1,
  bearer_token: false,
  allowed_connection_types: [],
}

/** An operator with accounts in memory, and users with JWTs. */
export async function jwtMode(): Promise<Mode> {
  const world = new JwtWorld()
  const [signer, scoped, stranger, strict, late] = [1, 2, 3, 4, 5].map(createAccount)
  const revoked = createUser()
  const own = await world.accountJwt({
    signing_keys: [signer!.getPublicKey(), newScopedSigner(scoped!, 'sensor', TEMPLATE)],
    revocations: { [revoked.getPublicKey()]: inSeconds(60) },
  })
  const limits = { ...UNLIMITED, disallow_bearer: true }
  const { jwts, resolver_preload } = await world.config(own)
  const preload = {
    ...resolver_preload,
    [strict!.getPublicKey()]: await world.accountJwt({ limits }, { account: strict! }),
    [late!.getPublicKey()]: await world.accountJwt({}, { account: late!, exp: inSeconds(-5) }),
  }
  return {
    name: 'operator',
    config: `${operatorConfig(jwts[0]!, preload)}\nauthorization { timeout: 20 }`,
    webSocket: 'jwt_cookie: "jwt"',
    cases: {
      ...(await users(world, revoked)),
      ...(await signed(world, { signer: signer!, scoped: scoped!, stranger: stranger! })),
      ...(await bearers(world, strict!)),
      'of an account that expired': await byKey(world, {}, { issuer: late! }, NO),
      'no JWT': { expects: NO },
      'a password': { login: { user: 'ada', pass: 'x' }, expects: NO },
    },
  }
}

export function operatorConfig(jwt: string, preload: Readonly<Record<string, string>>): string {
  const lines = Object.entries(preload).map(([id, token]) => `  ${id}: ${token}`)
  return `operator: ${jwt}\nresolver: MEMORY\nresolver_preload {\n${lines.join('\n')}\n}`
}

/** What the library's own authenticator does, some tens of times faster. */
export function withJwt(jwt: string, user: KeyPair): Login {
  return {
    authenticator: (nonce) => ({
      jwt,
      nkey: user.getPublicKey(),
      sig: Buffer.from(user.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
    }),
  }
}

async function byKey(
  world: JwtWorld,
  ...[body, options, expects]: [
    Parameters<JwtWorld['userJwt']>[0],
    Parameters<JwtWorld['userJwt']>[1],
    LoginCase['expects'],
  ]
): Promise<LoginCase> {
  const jwt = await world.userJwt(body, options)
  return { login: withJwt(jwt, options?.user ?? world.user), expects }
}

async function users(world: JwtWorld, revoked: KeyPair): Promise<Record<string, LoginCase>> {
  const right = await world.userJwt()
  const creds = fmtCreds(right, world.user)
  return {
    credentials: { login: { authenticator: credsAuthenticator(creds) }, expects: 'in' },
    'a JWT and its key': {
      login: { authenticator: jwtAuthenticator(right, world.user.getSeed()) },
      expects: 'in',
    },
    'a JWT and a key of another': { login: withJwt(right, createUser()), expects: NO },
    'a JWT unsigned': { login: { authenticator: jwtAuthenticator(right) }, expects: NO },
    'one that expired': await byKey(world, {}, { exp: inSeconds(-10) }, NO),
    'one of tomorrow': await byKey(world, {}, { nbf: inSeconds(86_400) }, NO),
    'one revoked': await byKey(world, {}, { user: revoked }, NO),
    'one from here': await byKey(world, { src: ['127.0.0.0/8'] }, {}, 'in'),
    'one from elsewhere': await byKey(world, { src: ['10.0.0.0/8'] }, {}, NO),
    'one of WebSocket': await byKey(
      world,
      { allowed_connection_types: ['WEBSOCKET'] },
      {},
      { ws: 'in', tcp: NO },
    ),
    'one of TCP': await byKey(
      world,
      { allowed_connection_types: ['STANDARD'] },
      {},
      { ws: NO, tcp: 'in' },
    ),
    'one of MQTT': await byKey(world, { allowed_connection_types: ['MQTT'] }, {}, NO),
  }
}

async function signed(
  world: JwtWorld,
  keys: { readonly signer: KeyPair; readonly scoped: KeyPair; readonly stranger: KeyPair },
): Promise<Record<string, LoginCase>> {
  const byScope = { signer: keys.scoped, scopedUser: true }
  return {
    'of a signing key': await byKey(world, {}, { signer: keys.signer }, 'in'),
    'of a key that is not of the account': await byKey(world, {}, { signer: keys.stranger }, NO),
    'of an account that nobody knows': await byKey(world, {}, { issuer: keys.stranger }, NO),
    'of a scope': await byKey(world, {}, byScope, 'in'),
    'of a scope, with permissions of its own': await byKey(
      world,
      { pub: { allow: ['>'] } },
      byScope,
      NO,
    ),
  }
}

async function bearers(world: JwtWorld, strict: KeyPair): Promise<Record<string, LoginCase>> {
  const bearer = await world.userJwt({ bearer_token: true })
  const refused = await world.userJwt({ bearer_token: true }, { issuer: strict })
  const late = await world.userJwt({ bearer_token: true }, { exp: inSeconds(-10) })
  const plain = await world.userJwt()
  return {
    'a bearer': { login: { authenticator: jwtAuthenticator(bearer) }, expects: 'in' },
    'a bearer with a key': { login: withJwt(bearer, world.user), expects: 'in' },
    'a bearer where none may be': {
      login: { authenticator: jwtAuthenticator(refused) },
      expects: NO,
    },
    'a bearer that expired': { login: { authenticator: jwtAuthenticator(late) }, expects: NO },
    'a bearer in a cookie': { login: { cookies: { jwt: bearer } }, expects: 'in', needs: 'ws' },
    'no bearer in a cookie': { login: { cookies: { jwt: plain } }, expects: NO, needs: 'ws' },
  }
}
