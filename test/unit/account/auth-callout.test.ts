import assert from 'node:assert/strict'
import { decode, encodeAuthorizationResponse, encodeUser, type User } from '@nats-io/jwt'
import { createCurve, fromPublic, type KeyPair } from '@nats-io/nkeys'
import {
  type Accounts,
  type CalloutPort,
  type Credentials,
  createAccounts,
} from '../../../shared/account/index.ts'
import type { AuthCalloutConfig } from '../../../shared/config/index.ts'
import { createAccount, createUser, JwtWorld, NONCE, sign } from './jwt-world.ts'
import {
  accountConfig,
  accountsConfig,
  authorizationConfig,
  dependencies,
  permissionsConfig,
  SERVER,
  userConfig,
} from './setup.ts'

interface Asked {
  readonly account: string
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array
}

interface Request {
  readonly sub: string
  readonly aud: string
  readonly iss: string
  readonly exp: number
  readonly nats: {
    readonly user_nkey: string
    readonly server_id: Readonly<Record<string, unknown>>
    readonly client_info: Readonly<Record<string, unknown>>
    readonly connect_opts: Readonly<Record<string, unknown>>
    readonly client_tls?: unknown
  }
}

const issuer = createAccount()
const serverKey = fromPublic(SERVER.id)

/** An auth service: answers as the test wants. */
class Service implements CalloutPort {
  readonly asked: Asked[] = []
  answer: (request: Request, asked: Asked) => Promise<string | Uint8Array> = () =>
    Promise.reject(new Error('nobody answers'))
  curve: KeyPair | undefined

  async request(
    account: string,
    subject: string,
    headers: Readonly<Record<string, string>>,
    payload: Uint8Array,
  ): Promise<Uint8Array> {
    const asked = { account, subject, headers, payload }
    this.asked.push(asked)
    const key = headers['Nats-Server-Xkey'] ?? ''
    const plain = this.curve === undefined ? payload : this.curve.open(payload, key)
    const request = decode(Buffer.from(plain!).toString()) as unknown as Request
    return Buffer.from(await this.answer(request, asked))
  }
}

interface Answer {
  readonly user?: Record<string, unknown>
  readonly name?: string
  readonly account?: string
  readonly subject?: KeyPair
  readonly audience?: KeyPair
  readonly signer?: KeyPair
  readonly exp?: number
  readonly error?: string
}

async function allow({ nats }: Request, parts: Answer = {}): Promise<string> {
  const { account = 'RED', exp, name = '', signer = issuer, user = {} } = parts
  const key = parts.subject ?? fromPublic(nats.user_nkey)
  const options = { aud: account, ...(exp === undefined ? {} : { exp }) }
  const jwt = await encodeUser(name, key, signer, user as Partial<User>, options)
  return respond(
    nats.user_nkey,
    parts,
    parts.error === undefined ? { jwt } : { error: parts.error },
  )
}

function respond(user: string, parts: Answer, body: { jwt?: string; error?: string }) {
  const { audience = serverKey, signer = issuer } = parts
  const claims = { version: 2, ...body } as never
  return encodeAuthorizationResponse(fromPublic(user), audience, signer, claims, {})
}

const CALLOUT: AuthCalloutConfig = {
  issuer: issuer.getPublicKey(),
  account: 'AUTH',
  auth_users: ['auth'],
  xkey: '',
  allowed_accounts: [],
}

function accountsOf(
  service: Service,
  callout: Partial<AuthCalloutConfig> = {},
  parts: Parameters<typeof authorizationConfig>[0] = {},
): Promise<Accounts> {
  const users = [
    userConfig({ user: 'auth', password: 'a', account: 'AUTH' }),
    userConfig({ user: 'ada', password: 'x1', account: 'RED' }),
  ]
  const authorization = authorizationConfig({
    users,
    auth_callout: { ...CALLOUT, ...callout },
    ...parts,
  })
  const accounts = ['$G', '$SYS', 'AUTH', 'RED'].map((name) => accountConfig(name))
  return createAccounts(
    accountsConfig({ accounts, authorization }),
    dependencies({ callout: { port: service, server: SERVER } }),
  )
}

describe('auth callout', () => {
  it('tells the service who connects, and takes its word', async () => {
    const service = new Service()
    service.answer = (request) =>
      allow(request, { name: 'eve-7', user: { pub: { allow: ['x'] }, subs: 5 } })
    const { authenticator } = await accountsOf(service)
    const tls = { version: '1.3', cipherSuite: 'TLS_AES_128_GCM_SHA256', certificate: undefined }
    const client = { id: 7, name: 'press', lang: 'js', version: '3', protocol: 1 }
    const presented: Credentials = {
      user: 'eve',
      password: 'p',
      nonce: NONCE,
      remoteAddress: '10.1.2.3',
      tls,
      client,
    }
    const identity = await authenticator.authenticate(presented)
    const [asked] = service.asked
    assert.equal(asked?.account, 'AUTH')
    assert.equal(asked?.subject, '$SYS.REQ.USER.AUTH')
    assert.deepEqual(asked?.headers, {})
    const { aud, iss, nats, sub } = decode(
      Buffer.from(asked!.payload).toString(),
    ) as unknown as Request
    assert.equal(sub, CALLOUT.issuer)
    assert.equal(aud, 'nats-authorization-request')
    assert.equal(iss, SERVER.id)
    const { name, host, id, version } = SERVER
    assert.deepEqual(nats.server_id, { name, host, id, version })
    assert.deepEqual(nats.client_info, {
      host: '10.1.2.3',
      id: 7,
      user: 'eve',
      name: 'press',
      kind: 'Client',
      type: 'nats',
    })
    assert.deepEqual(nats.connect_opts, {
      user: 'eve',
      pass: 'p',
      name: 'press',
      lang: 'js',
      version: '3',
      protocol: 1,
    })
    assert.deepEqual(nats.client_tls, { version: '1.3', cipher: 'TLS_AES_128_GCM_SHA256' })
    assert.equal(identity?.user, 'eve-7')
    assert.equal(identity?.account, 'RED')
    assert.equal(identity?.jwt, undefined)
    assert.deepEqual(identity?.permissions?.config, permissionsConfig({ pub: ['x'] }))
    assert.equal(identity?.limits?.subscriptions, 5)
  })

  it('does not ask about its own users, who may not publish requests', async () => {
    const service = new Service()
    const { authenticator } = await accountsOf(service)
    const identity = await authenticator.authenticate({ user: 'auth', password: 'a' })
    assert.equal(identity?.account, 'AUTH')
    assert.equal(identity?.permissions?.mayPublish('$SYS.REQ.USER.AUTH'), false)
    assert.equal(identity?.permissions?.mayPublish('other'), true)
    assert.equal(await authenticator.authenticate({ user: 'auth', password: 'b' }), undefined)
    assert.equal(service.asked.length, 0)
  })

  it('asks about everybody else: users of the file too, unless their account is left alone', async () => {
    const service = new Service()
    const all = await accountsOf(service)
    const ada = { user: 'ada', password: 'x1' }
    assert.equal(await all.authenticator.authenticate(ada), undefined)
    assert.equal(service.asked.length, 1)
    const some = await accountsOf(service, { allowed_accounts: ['BLUE'] })
    assert.equal((await some.authenticator.authenticate(ada))?.account, 'RED')
    assert.equal(service.asked.length, 1)
    assert.equal(await some.authenticator.authenticate({}), undefined)
    assert.equal(service.asked.length, 2)
    assert.equal(some.authenticator.isRequired, true)
  })

  it('believes no answer that is not meant for this server, this user and this moment', async () => {
    const service = new Service()
    const { authenticator } = await accountsOf(service)
    const wrong: [string, (request: Request) => Promise<string | Uint8Array>][] = [
      ['none', () => Promise.reject(new Error('timeout'))],
      ['nothing', () => Promise.resolve('')],
      ['noise', () => Promise.resolve('eyJ.x.y')],
      ['an error', (request) => allow(request, { error: 'no' })],
      ['another user', (request) => allow(request, { subject: createUser() })],
      ['another issuer', (request) => allow(request, { signer: createAccount() })],
      ['another account', (request) => allow(request, { account: 'BLUE' })],
      ['expired', (request) => allow(request, { exp: 1_000_000_000 })],
      ['elsewhere', (request) => allow(request, { user: { src: ['192.0.2.0/24'] } })],
      [
        'another type',
        (request) => allow(request, { user: { allowed_connection_types: ['MQTT'] } }),
      ],
      ['behind a proxy', (request) => allow(request, { user: { proxy_required: true } })],
      ['two at once', ({ nats }) => respond(nats.user_nkey, {}, { jwt: 'x', error: 'y' })],
      ['the request', (_request) => Promise.resolve(service.asked.at(-1)!.payload)],
    ]
    const eve = { user: 'eve', remoteAddress: '10.1.2.3' }
    for (const [what, answer] of wrong) {
      service.answer = answer
      assert.equal(await authenticator.authenticate(eve), undefined, what)
    }
    let first = ''
    service.answer = async (request) => {
      first = await allow(request)
      return first
    }
    assert.ok(await authenticator.authenticate(eve))
    service.answer = () => Promise.resolve(first)
    assert.equal(await authenticator.authenticate(eve), undefined, 'an answer of before')
  })

  it('is sealed both ways when the service has a curve key', async () => {
    const service = new Service()
    service.curve = createCurve()
    const xkey = service.curve.getPublicKey()
    service.answer = async (request, { headers }) => {
      const plain = Buffer.from(await allow(request))
      return service.curve!.seal(plain, headers['Nats-Server-Xkey']!)
    }
    const accounts = await accountsOf(service, { xkey })
    const identity = await accounts.authenticator.authenticate({ user: 'eve', password: 'p' })
    assert.equal(identity?.account, 'RED')
    const [asked] = service.asked
    assert.equal(asked?.headers['Nats-Server-Xkey'], accounts.xkey)
    assert.equal(Buffer.from(asked!.payload).includes('eyJ'), false)
    const stranger = createCurve()
    service.answer = async (request, { headers }) =>
      stranger.seal(Buffer.from(await allow(request)), headers['Nats-Server-Xkey']!)
    assert.equal(await accounts.authenticator.authenticate({ user: 'eve' }), undefined)
  })

  it('follows a reload: another issuer, or a user that is let in by the file', async () => {
    const service = new Service()
    service.answer = (request) => allow(request)
    const accounts = await accountsOf(service)
    const identity = await accounts.authenticator.authenticate({ user: 'eve' })
    assert.equal(accounts.authenticator.recheck(identity!), undefined)
    const config = accountsConfig({
      accounts: ['$G', '$SYS', 'AUTH', 'RED'].map((name) => accountConfig(name)),
      authorization: authorizationConfig({
        users: [userConfig({ user: 'auth', password: 'a', account: 'AUTH' })],
        auth_callout: { ...CALLOUT, issuer: createAccount().getPublicKey() },
      }),
    })
    await accounts.update(config)
    assert.equal(accounts.authenticator.recheck(identity!), 'authorization')
  })
})

describe('auth callout of an operator’s account', () => {
  const world = new JwtWorld()
  const target = createAccount()

  async function start(service: Service, allowed: readonly string[]): Promise<Accounts> {
    const authorization = {
      auth_users: [world.user.getPublicKey()],
      allowed_accounts: [...allowed],
      xkey: '',
    }
    const own = await world.accountJwt({ authorization })
    const operator = await world.config(own)
    const other = await world.accountJwt({}, { account: target, name: 'blue' })
    return world.accounts(
      own,
      { resolver_preload: { ...operator.resolver_preload, [target.getPublicKey()]: other } },
      { callout: { port: service, server: SERVER } },
    )
  }

  it('asks about its bearers, and puts them where it may', async () => {
    const service = new Service()
    const stranger = createUser()
    const sentinel = await world.userJwt({ bearer_token: true }, { user: stranger })
    const presented: Credentials = { jwt: sentinel, user: 'eve', password: 'p' }
    const byWorld = (signer: KeyPair) => async (request: Request) => {
      const user = fromPublic(request.nats.user_nkey)
      const jwt = await encodeUser('eve', user, signer, {}, {})
      return respond(request.nats.user_nkey, { signer: world.account }, { jwt })
    }
    for (const [allowed, signer, isRight] of [
      [[], world.account, true],
      [[], target, false],
      [[target.getPublicKey()], target, true],
      [['*'], target, true],
      [['*'], createAccount(), false],
    ] as const) {
      const { authenticator } = await start(service, allowed)
      service.answer = byWorld(signer)
      const identity = await authenticator.authenticate(presented)
      const expected = isRight ? signer.getPublicKey() : undefined
      assert.equal(identity?.account, expected, JSON.stringify(allowed))
      if (identity !== undefined) assert.equal(authenticator.recheck(identity), undefined)
    }
    const { authenticator } = await start(service, [])
    service.answer = (request) =>
      respond(request.nats.user_nkey, { signer: createAccount() }, { jwt: sentinel })
    assert.equal(await authenticator.authenticate(presented), undefined)
  })

  it('lets its own users in by their JWT, and asks about nobody who has none', async () => {
    const service = new Service()
    const { authenticator } = await start(service, [])
    const jwt = await world.userJwt()
    const identity = await authenticator.authenticate({
      jwt,
      nonce: NONCE,
      signature: sign(world.user, NONCE),
    })
    assert.equal(identity?.account, world.id)
    assert.equal(identity?.permissions?.mayPublish('$SYS.REQ.USER.AUTH'), false)
    assert.equal(await authenticator.authenticate({ user: 'eve', password: 'p' }), undefined)
    assert.equal(await authenticator.authenticate({ jwt }), undefined)
    assert.equal(service.asked.length, 0)
  })
})
