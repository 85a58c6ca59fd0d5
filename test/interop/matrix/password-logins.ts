import { nkeyAuthenticator } from '@nats-io/transport-node'
import bcrypt from 'bcryptjs'
import { createUser } from '../../unit/account/jwt-world.ts'
import type { Doors } from './doors.ts'
import { type Mode, NO } from './mode.ts'

/** bcrypt's least: the tests try whether, not how hard. */
const COST = 4

/** Of one process, by reloads. */
export function passwordModes(): Mode[] {
  const modes = [nothing(), token(), hashedToken(), oneUser(), users()]
  return modes.map((mode) => ({ ...mode, webSocket: COOKIES }))
}

const COOKIES = 'user_cookie: "u", pass_cookie: "p", token_cookie: "the-token"'

function nothing(): Mode {
  return {
    name: 'none',
    config: '',
    cases: {
      'who shows nothing': { expects: 'in' },
      'who shows a password': { login: { user: 'ada', pass: 'lovelace' }, expects: 'in' },
      'who shows a token': { login: { token: 'any' }, expects: 'in' },
    },
  }
}

/** That no reload can bring. */
export function noAuthUserMode(): Mode {
  return {
    name: 'no_auth_user',
    config: `no_auth_user: guest
      accounts { A { users [ { user: guest, password: guest }, { user: ada, password: secret } ] } }`,
    cases: {
      'who shows nothing': { expects: 'in' },
      'a user': { login: { user: 'ada', pass: 'secret' }, expects: 'in' },
      'a wrong password': { login: { user: 'ada', pass: 'guessed' }, expects: NO },
      'a stranger': { login: { user: 'eve', pass: 'secret' }, expects: NO },
      'a token where there is none': { login: { token: 'secret' }, expects: NO },
    },
  }
}

function token(): Mode {
  return {
    name: 'token',
    config: 'authorization { timeout: 20, token: "s3cr3t" }',
    cases: {
      'the token': { login: { token: 's3cr3t' }, expects: 'in' },
      'a wrong token': { login: { token: 's3cr3' }, expects: NO },
      'the token as a password': { login: { user: 's3cr3t', pass: 's3cr3t' }, expects: NO },
      nothing: { expects: NO },
      'a cookie': { login: { cookies: { 'the-token': 's3cr3t' } }, expects: 'in', needs: 'ws' },
      'a wrong cookie': { login: { cookies: { 'the-token': 'x' } }, expects: NO, needs: 'ws' },
    },
  }
}

function hashedToken(): Mode {
  return {
    name: 'bcrypt token',
    config: `authorization { timeout: 20, token: "${bcrypt.hashSync('s3cr3t', COST)}" }`,
    cases: {
      'the token': { login: { token: 's3cr3t' }, expects: 'in' },
      'a wrong token': { login: { token: 's3cr3' }, expects: NO },
      'the hash': { login: { token: bcrypt.hashSync('s3cr3t', COST) }, expects: NO },
      nothing: { expects: NO },
    },
  }
}

function oneUser(): Mode {
  return {
    name: 'user and password',
    config: 'authorization { timeout: 20, user: ada, password: "pass word" }',
    cases: {
      'the user': { login: { user: 'ada', pass: 'pass word' }, expects: 'in' },
      'a wrong password': { login: { user: 'ada', pass: 'password' }, expects: NO },
      'no password': { login: { user: 'ada', pass: '' }, expects: NO },
      'another user': { login: { user: 'Ada', pass: 'pass word' }, expects: NO },
      nothing: { expects: NO },
      cookies: { login: { cookies: { u: 'ada', p: 'pass word' } }, expects: 'in', needs: 'ws' },
      'coded cookies': {
        login: { cookies: { u: 'ada', p: 'pass%20word' } },
        expects: NO,
        needs: 'ws',
      },
    },
  }
}

function users(): Mode {
  const known = createUser()
  const unknown = createUser()
  const hash = bcrypt.hashSync('hashed', COST)
  return {
    name: 'list of users',
    config: `authorization { timeout: 20, users [
      { user: plain, password: "pl:ain" }
      { user: hashed, password: "${hash}" }
      { user: web, password: web, allowed_connection_types: [WEBSOCKET] }
      { user: wired, password: wired, allowed_connection_types: [STANDARD] }
      { user: device, password: device, allowed_connection_types: [MQTT] }
      { nkey: ${known.getPublicKey()} }
    ] }`,
    cases: {
      'a password': { login: { user: 'plain', pass: 'pl:ain' }, expects: 'in' },
      'a wrong password': { login: { user: 'plain', pass: 'plain' }, expects: NO },
      'a hashed password': { login: { user: 'hashed', pass: 'hashed' }, expects: 'in' },
      'a wrong one': { login: { user: 'hashed', pass: 'hash' }, expects: NO },
      'the hash itself': { login: { user: 'hashed', pass: hash }, expects: NO },
      'an nkey': { login: { authenticator: nkeyAuthenticator(known.getSeed()) }, expects: 'in' },
      'another nkey': {
        login: { authenticator: nkeyAuthenticator(unknown.getSeed()) },
        expects: NO,
      },
      'an nkey unsigned': {
        login: { authenticator: () => ({ nkey: known.getPublicKey(), sig: '' }) },
        expects: NO,
      },
      'an nkey signed by another': {
        login: {
          authenticator: (nonce) => ({
            nkey: known.getPublicKey(),
            sig: Buffer.from(unknown.sign(Buffer.from(nonce ?? ''))).toString('base64url'),
          }),
        },
        expects: NO,
      },
      'a user of WebSocket': {
        login: { user: 'web', pass: 'web' },
        expects: { ws: 'in', tcp: NO },
      },
      'a user of TCP': { login: { user: 'wired', pass: 'wired' }, expects: { ws: NO, tcp: 'in' } },
      'a user of MQTT': { login: { user: 'device', pass: 'device' }, expects: NO },
      cookies: { login: { cookies: { u: 'hashed', p: 'hashed' } }, expects: 'in', needs: 'ws' },
      'cookies with a wrong password': {
        login: { cookies: { u: 'hashed', p: 'x' } },
        expects: NO,
        needs: 'ws',
      },
      nothing: { expects: NO },
    },
  }
}

/** Who is let in is written in the certificate. */
export function tlsMapMode({ authority }: Doors): Mode {
  const press = authority.issue('press', {
    subject: [
      ['O', 'Petiole'],
      ['CN', 'press-7'],
    ],
  })
  const mail = authority.issue('mail', { subject: [['CN', 'x']], emails: ['ada@plant.example'] })
  const host = authority.issue('host', { subject: [['CN', 'y']], dns: ['oven.plant.example'] })
  const stranger = authority.issue('stranger', { subject: [['CN', 'press-8']] })
  const expired = authority.issue('expired', {
    subject: [['CN', 'z']],
    emails: ['ada@plant.example'],
    isExpired: true,
  })
  return {
    name: 'TLS map',
    config: `authorization { timeout: 20, users [
      { user: "CN=press-7,O=Petiole" }
      { user: "ada@plant.example" }
      { user: "oven.plant.example" }
    ] }`,
    doors: ['first', 'mutual'],
    isMapped: true,
    cases: {
      'a distinguished name': { login: { certificate: press }, expects: 'in' },
      'an address of mail': { login: { certificate: mail }, expects: 'in' },
      'a name of DNS': { login: { certificate: host }, expects: 'in' },
      'a name that nobody has': { login: { certificate: stranger }, expects: NO },
      'a name without its certificate': {
        login: { certificate: stranger, user: 'ada@plant.example', pass: '' },
        expects: NO,
      },
      'a certificate that expired': { login: { certificate: expired }, expects: 'no handshake' },
      'no certificate': { login: { certificate: 'none' }, expects: 'no handshake' },
    },
  }
}
