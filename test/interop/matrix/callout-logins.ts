import {
  type AuthorizationRequest,
  decode,
  encodeAuthorizationResponse,
  encodeUser,
} from '@nats-io/jwt'
import { createCurve, fromPublic, type KeyPair } from '@nats-io/nkeys'
import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { createAccount } from '../../unit/account/jwt-world.ts'
import { DOORS } from './doors.ts'
import { type Mode, NO } from './mode.ts'

/** A service of the official libraries says who comes in; once in the open, once with sealed messages. */
export function calloutModes(): Mode[] {
  return [callout(undefined), callout(createCurve())]
}

function callout(curve: KeyPair | undefined): Mode {
  const issuer = createAccount()
  const xkey = curve === undefined ? '' : `, xkey: ${curve.getPublicKey()}`
  return {
    name: curve === undefined ? 'auth callout' : 'sealed auth callout',
    doors: curve === undefined ? DOORS : ['open', 'mutual'],
    config: `accounts { AUTH { users [ { user: auth, password: auth } ] }, APP {} }
      authorization { timeout: 20, auth_callout {
        issuer: ${issuer.getPublicKey()}, account: AUTH, auth_users: [ auth ]${xkey} } }`,
    beside: async (connect) => {
      const service = await connect({ user: 'auth', pass: 'auth' })
      serve(service, issuer, curve)
      await service.flush()
    },
    cases: {
      'who the service lets in': { login: { user: 'ada', pass: 'lovelace' }, expects: 'in' },
      'who shows a token to it': { login: { token: 'open sesame' }, expects: 'in' },
      'who it does not': { login: { user: 'eve', pass: 'x' }, expects: NO },
      'who shows nothing': { expects: NO },
      'who it lets into an account that is not': {
        login: { user: 'lost', pass: 'lost' },
        expects: NO,
      },
      'who it answers wrongly about': { login: { user: 'garbled', pass: 'x' }, expects: NO },
      'whose JWT another signed': { login: { user: 'forged', pass: 'x' }, expects: NO },
      'the service itself': { login: { user: 'auth', pass: 'wrong' }, expects: NO },
    },
  }
}

function serve(service: NatsConnection, issuer: KeyPair, curve: KeyPair | undefined): void {
  service.subscribe('$SYS.REQ.USER.AUTH', {
    callback: (_error, message) => {
      void answer(message, issuer, curve)
    },
  })
}

async function answer(message: Msg, issuer: KeyPair, curve: KeyPair | undefined): Promise<void> {
  const theirKey = message.headers?.get('Nats-Server-Xkey') ?? ''
  const opened = curve === undefined ? message.data : curve.open(message.data, theirKey)
  if (opened === null) return
  const { nats, iss } = decode<AuthorizationRequest>(Buffer.from(opened).toString())
  const { user_nkey: id = '', connect_opts: shown, server_id } = nats
  const isKnown =
    (shown?.user === 'ada' && shown.pass === 'lovelace') || shown?.auth_token === 'open sesame'
  const isOdd = ['lost', 'garbled', 'forged'].includes(shown?.user ?? '')
  const signer = shown?.user === 'forged' ? createAccount() : issuer
  const aud = shown?.user === 'lost' ? 'NOWHERE' : 'APP'
  const user = fromPublic(id)
  const jwt = await encodeUser(shown?.user ?? 'token', user, signer, {}, { aud })
  const said = isKnown || isOdd ? { jwt } : { error: 'nobody knows you' }
  const server = fromPublic(server_id?.id ?? iss)
  const token = await encodeAuthorizationResponse(user, server, issuer, said, {})
  const bytes = Buffer.from(shown?.user === 'garbled' ? token.slice(0, -9) : token)
  if (curve === undefined) message.respond(bytes)
  else message.respond(curve.seal(bytes, theirKey), { headers: headers() })
}
