import assert from 'node:assert/strict'
import { newScopedSigner } from '@nats-io/jwt'
import { type Credentials, createAccounts } from '../../../shared/account/index.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import {
  createAccount,
  createOperator,
  createUser,
  inSeconds,
  JwtWorld,
  operated,
  sign,
  UNLIMITED,
} from './jwt-world.ts'
import { dependencies } from './setup.ts'

const world = new JwtWorld()

describe('accounts of an operator', () => {
  it('let a user in whose account the operator signed', async () => {
    const accounts = await world.accounts(await world.accountJwt({ tags: ['region:eu'] }))
    const jwt = await world.userJwt({ tags: ['dept:ops'], subs: 10, payload: 100 })
    const identity = await accounts.authenticator.authenticate(world.credentials(jwt))
    assert.ok(identity !== undefined)
    const { permissions, ...rest } = identity
    assert.equal(permissions, undefined)
    assert.deepEqual(rest, {
      user: world.user.getPublicKey(),
      account: world.id,
      limits: { subscriptions: 10, payloadBytes: 100 },
      jwt,
      issuerKey: world.id,
      nameTag: 'ada',
      tags: ['dept:ops'],
    })
    const account = accounts.book.get(world.id)
    assert.equal(account?.displayName, 'red')
    assert.deepEqual(account?.tags, ['region:eu'])
    assert.equal(accounts.authenticator.isRequired && accounts.authenticator.needsNonce, true)
    assert.equal(accounts.book.systemAccount, world.system.getPublicKey())
    assert.equal(accounts.book.get(accounts.book.systemAccount)?.isSystem, true)
  })

  it('refuse what does not prove who it is', async () => {
    const accounts = await world.accounts(await world.accountJwt())
    const jwt = await world.userJwt()
    const right = world.credentials(jwt)
    const stranger = createUser()
    const strange = createAccount()
    const cases: [string, Credentials][] = [
      ['nothing', {}],
      ['no signature', { jwt, nonce: right.nonce! }],
      ['another nonce', { ...right, nonce: 'another' }],
      ['no nonce', { jwt, signature: right.signature! }],
      ['another signer', { ...right, signature: sign(stranger, right.nonce!) }],
      ['a user and a password', { user: 'ada', password: 'x' }],
      ['an nkey alone', { ...right, jwt: '', nkey: world.user.getPublicKey() }],
      ['a foreign account', world.credentials(await world.userJwt({}, { issuer: strange }))],
      [
        'a foreign signing key',
        world.credentials(await world.userJwt({}, { signer: createAccount() })),
      ],
      [
        'an account as a user',
        world.credentials(await world.accountJwt({}, { signer: world.account })),
      ],
    ]
    for (const [what, credentials] of cases) {
      assert.equal(await accounts.authenticator.authenticate(credentials), undefined, what)
    }
    assert.ok(await accounts.authenticator.authenticate(right))
  })

  it('refuse accounts that no trusted operator signed', async () => {
    const jwt = await world.userJwt()
    const wrong: [string, string][] = [
      ['another operator', await world.accountJwt({}, { signer: createOperator() })],
      ['the account itself', await world.accountJwt({}, { signer: world.account })],
      ['expired', await world.accountJwt({}, { exp: inSeconds(-10) })],
      ['not yet', await world.accountJwt({}, { nbf: inSeconds(100) })],
      ['another account', await world.accountJwt({}, { account: createAccount() })],
      [
        'too many exports',
        await world.accountJwt({
          limits: { ...UNLIMITED, exports: 0 },
          exports: [{ name: 'x', subject: 'x', type: 'stream' }],
        }),
      ],
      ['no jwt', 'eyJ'],
    ]
    for (const [what, accountJwt] of wrong) {
      const { authenticator } = await world.accounts(accountJwt)
      assert.equal(await authenticator.authenticate(world.credentials(jwt)), undefined, what)
    }
  })

  it('hold users to times, addresses, connection types and bearers', async () => {
    const { authenticator } = await world.accounts(await world.accountJwt())
    const zone = { times_location: 'UTC' }
    const now = new Date()
    const hour = (offset: number): string =>
      `${String((now.getUTCHours() + offset + 24) % 24).padStart(2, '0')}:00:00`
    const cases: [
      Record<string, unknown>,
      Parameters<JwtWorld['userJwt']>[1],
      Partial<Credentials>,
      boolean,
    ][] = [
      [{}, { exp: inSeconds(100) }, {}, true],
      [{}, { exp: inSeconds(-10) }, {}, false],
      [{}, { nbf: inSeconds(100) }, {}, false],
      [{ src: ['10.1.0.0/16'] }, {}, {}, true],
      [{ src: ['10.2.0.0/16', '2001:db8::/32'] }, {}, {}, false],
      [{ src: ['2001:db8::/32'] }, {}, { remoteAddress: '2001:db8::7' }, true],
      [{ src: ['10.1.0.0/16'] }, {}, { remoteAddress: '::ffff:10.1.9.9' }, true],
      [{ src: ['nonsense'] }, {}, {}, false],
      [{ times: [{ start: hour(-1), end: hour(2) }], ...zone }, {}, {}, true],
      [{ times: [{ start: hour(2), end: hour(4) }], ...zone }, {}, {}, false],
      [{ times: [{ start: hour(2), end: hour(2 + 23) }], ...zone }, {}, {}, true],
      [{ times: [{ start: 'noon', end: hour(1) }], ...zone }, {}, {}, false],
      [
        { times: [{ start: hour(-1), end: hour(2) }], times_location: 'Nowhere/At_all' },
        {},
        {},
        false,
      ],
      [{ allowed_connection_types: ['STANDARD'] }, {}, {}, true],
      [{ allowed_connection_types: ['MQTT', 'FUTURE'] }, {}, {}, false],
      [{ allowed_connection_types: ['FUTURE'] }, {}, {}, false],
      [{ allowed_connection_types: ['standard'] }, {}, {}, true],
      [{ bearer_token: true }, {}, { signature: '' }, true],
      [{ bearer_token: false }, {}, { signature: '' }, false],
      [{ proxy_required: true }, {}, {}, false],
    ]
    for (const [body, options, presented, isRight] of cases) {
      const jwt = await world.userJwt(body, options)
      const credentials = { ...world.credentials(jwt), ...presented }
      const identity = await authenticator.authenticate(credentials)
      assert.equal(identity !== undefined, isRight, JSON.stringify([body, options, presented]))
    }
  })

  it('end a connection when its JWT or its time of day ends, whichever comes first', async () => {
    const { authenticator } = await world.accounts(await world.accountJwt())
    const exp = inSeconds(50)
    const whole = { times: [{ start: '00:00:00', end: '23:59:59' }], times_location: 'UTC' }
    const jwt = await world.userJwt(whole, { exp })
    const identity = await authenticator.authenticate(world.credentials(jwt))
    assert.ok((identity?.expiresMs ?? 0) <= exp * 1_000 && (identity?.expiresMs ?? 0) > 0)
  })

  it('know signing keys, and let a strict operator forbid the others', async () => {
    const signer = createAccount()
    const operatorSigner = createOperator()
    const body = { signing_keys: [signer.getPublicKey()] }
    const bySigner = world.credentials(await world.userJwt({}, { signer }))
    const byAccount = world.credentials(await world.userJwt())
    const plain = await world.accounts(await world.accountJwt(body))
    const identity = await plain.authenticator.authenticate(bySigner)
    assert.equal(identity?.account, world.id)
    assert.equal(identity?.issuerKey, signer.getPublicKey())
    assert.ok(await plain.authenticator.authenticate(byAccount))

    const jwts = [
      await world.operatorJwt({
        strict_signing_key_usage: true,
        signing_keys: [operatorSigner.getPublicKey()],
      } as never),
    ]
    const system = await world.accountJwt({}, { account: world.system, signer: operatorSigner })
    const preload = async (jwt: string) => ({
      jwts,
      resolver_preload: { [world.id]: jwt, [world.system.getPublicKey()]: system },
    })
    const signed = await world.accountJwt(body, { signer: operatorSigner })
    const strict = await world.accounts('', await preload(signed))
    assert.ok(await strict.authenticator.authenticate(bySigner))
    assert.equal(await strict.authenticator.authenticate(byAccount), undefined)
    const byRoot = await world.accounts('', await preload(await world.accountJwt(body)))
    assert.equal(await byRoot.authenticator.authenticate(bySigner), undefined)
  })

  it('give users of a scoped signing key what its template says, and nothing of their own', async () => {
    const signer = createAccount()
    const scope = newScopedSigner(signer, 'sensor', {
      pub: { allow: ['{{account-name()}}.{{tag(site)}}.{{name()}}.>'], deny: [] },
      sub: { allow: ['_INBOX.{{subject()}}.>'], deny: ['{{account-subject()}}.x'] },
      // Absent figures are those of nats-server: one response, within two minutes.
      resp: {},
      subs: 7,
      payload: 99,
      data: -1,
      bearer_token: false,
      allowed_connection_types: [],
    })
    const { authenticator } = await world.accounts(
      await world.accountJwt({ signing_keys: [scope] }),
    )
    const options = { signer, scopedUser: true }
    const jwt = await world.userJwt({ tags: ['site:a', 'site:b', 'dept:x'] }, options)
    const identity = await authenticator.authenticate(world.credentials(jwt))
    const subject = world.user.getPublicKey()
    assert.deepEqual(identity?.permissions?.config, {
      publish: { allow: ['red.a.ada.>', 'red.b.ada.>'], deny: [] },
      subscribe: { allow: [`_INBOX.${subject}.>`], deny: [`${world.id}.x`] },
      allow_responses: { max: 1, expires: 120_000 },
    })
    assert.deepEqual(identity?.limits, { subscriptions: 7, payloadBytes: 99 })
    const untagged = await world.userJwt({}, options)
    const nobody = await authenticator.authenticate(world.credentials(untagged))
    assert.equal(nobody?.permissions?.mayPublish('red.a.ada.x'), false)
    const greedy = await world.userJwt({ pub: { allow: ['>'] } }, options)
    assert.equal(await authenticator.authenticate(world.credentials(greedy)), undefined)
  })

  it('fall back to the default sentinel, and shut accounts out that are not pinned', async () => {
    const sentinel = await world.userJwt({ bearer_token: true })
    const accountJwt = await world.accountJwt()
    const open = await world.accounts(accountJwt, { default_sentinel: sentinel })
    assert.equal((await open.authenticator.authenticate({}))?.account, world.id)
    assert.equal((await open.authenticator.authenticate({ jwt: 'eyJ.x' }))?.account, world.id)
    const other = [createAccount().getPublicKey()]
    const pinned = await world.accounts(accountJwt, { resolver_pinned_accounts: other })
    const credentials = world.credentials(await world.userJwt())
    assert.equal(await pinned.authenticator.authenticate(credentials), undefined)
    const bearers = { limits: { ...UNLIMITED, disallow_bearer: true } }
    const strict = await world.accounts(await world.accountJwt(bearers), {
      default_sentinel: sentinel,
    })
    assert.equal(await strict.authenticator.authenticate({}), undefined)
  })

  it('take the JWT of an MQTT client from its password', async () => {
    const { authenticator } = await world.accounts(await world.accountJwt())
    const password = await world.userJwt({ bearer_token: true })
    const mqtt = { user: 'any', password, connectionType: 'MQTT' as const }
    assert.equal((await authenticator.authenticate(mqtt))?.account, world.id)
    assert.equal(await authenticator.authenticate({ user: 'any', password }), undefined)
  })

  it('tell an MQTT client that its JWT is of no bearer, and nobody whose JWT the account has not signed', async () => {
    const strict = { limits: { ...UNLIMITED, disallow_bearer: true } }
    const [open, closed] = [
      await world.accounts(await world.accountJwt()),
      await world.accounts(await world.accountJwt(strict)),
    ]
    const bearer = await world.userJwt({ bearer_token: true })
    const plain = await world.userJwt()
    const fallback = { default_sentinel: bearer }
    const withSentinel = await world.accounts(await world.accountJwt(strict), fallback)
    const cases: [typeof open, string, string | undefined][] = [
      [open, plain, 'not_bearer'],
      [closed, bearer, 'bearers_disallowed'],
      [closed, plain, 'not_bearer'],
      [open, await world.userJwt({}, { signer: createAccount() }), undefined],
      [open, await world.userJwt({}, { exp: inSeconds(-10) }), undefined],
      [open, 'password', undefined],
      [open, '', undefined],
      [withSentinel, 'password', undefined],
      [withSentinel, '', undefined],
    ]
    for (const [{ authenticator }, password, expected] of cases) {
      const mqtt = { user: 'any', password, connectionType: 'MQTT' as const }
      assert.equal(await authenticator.authenticate(mqtt), undefined)
      assert.equal(authenticator.bearerRefusalOf?.(mqtt), expected)
    }
  })

  it('expel whom an update of the account concerns', async () => {
    const signer = createAccount()
    const keys = [signer.getPublicKey()]
    const user = world.user.getPublicKey()
    const credentials = world.credentials(await world.userJwt({ bearer_token: true }, { signer }))
    const now = inSeconds(10)
    const changes: [Record<string, unknown>, string | undefined][] = [
      [{ signing_keys: keys, tags: ['new'] }, undefined],
      [{ signing_keys: keys, revocations: { [user]: now } }, 'user_revoked'],
      [{ signing_keys: keys, revocations: { '*': now } }, 'user_revoked'],
      [{ signing_keys: keys, revocations: { [user]: now - 1_000 } }, undefined],
      [{ signing_keys: [] }, 'disowned'],
      [{ signing_keys: keys, limits: { ...UNLIMITED, disallow_bearer: true } }, 'authorization'],
      [{ signing_keys: keys, default_permissions: { pub: { deny: ['x'] } } }, undefined],
    ]
    for (const [body, expected] of changes) {
      const accounts = await world.accounts(await world.accountJwt({ signing_keys: keys }))
      const identity = await accounts.authenticator.authenticate(credentials)
      assert.equal(accounts.authenticator.recheck(identity!), undefined)
      const answer = await accounts.claims!.update(await world.accountJwt(body))
      assert.deepEqual(answer, { data: { account: world.id, code: 200, message: 'jwt updated' } })
      assert.equal(accounts.authenticator.recheck(identity!), expected, JSON.stringify(body))
      if (expected === 'user_revoked') {
        assert.equal(await accounts.authenticator.authenticate(credentials), undefined)
      }
    }
  })

  it('renew who has the permissions of the account, and nobody with his own', async () => {
    const denying = (subject: string) => ({ default_permissions: { pub: { deny: [subject] } } })
    const accounts = await world.accounts(await world.accountJwt(denying('x')))
    const { authenticator } = accounts
    const login = async (jwt: string) => authenticator.authenticate(world.credentials(jwt))
    const own = await login(await world.userJwt({ pub: { allow: ['up'] } }))
    let user = await login(await world.userJwt())
    for (const subject of ['y', 'z', 'x']) {
      await accounts.claims!.update(await world.accountJwt(denying(subject)))
      assert.equal(authenticator.recheck(user!), undefined)
      const renewed = authenticator.renewed!(user!)
      assert.deepEqual(renewed?.permissions?.config.publish.deny, [subject])
      assert.deepEqual({ ...renewed, permissions: 0 }, { ...user, permissions: 0 })
      assert.equal(authenticator.renewed!(renewed!), undefined)
      assert.equal(authenticator.renewed!(own!), undefined)
      user = renewed
    }
    await accounts.claims!.update(await world.accountJwt())
    assert.equal(authenticator.renewed!(user!)?.permissions, undefined)
  })

  it('follow a reload: another operator, another preload', async () => {
    const accounts = await world.accounts(await world.accountJwt())
    const identity = await accounts.authenticator.authenticate(
      world.credentials(await world.userJwt()),
    )
    const seen: string[] = []
    accounts.book.onChange((after, before) => {
      // The system account's JWT may have another second in it.
      if (after?.name === world.id) seen.push(`${before?.tags}>${after.tags}`)
    })
    const changed = await world.config(await world.accountJwt({ tags: ['new'] }))
    await accounts.update(operated(changed))
    assert.deepEqual(seen, ['>new'])
    assert.equal(accounts.authenticator.recheck(identity!), undefined)
    const foreign = { ...changed, jwts: [], trusted_keys: [createOperator().getPublicKey()] }
    await accounts.update(operated(foreign))
    assert.equal(accounts.authenticator.recheck(identity!), 'authorization')
  })

  it('are gone with their JWT when a reload takes it out of the file, but for the system account', async () => {
    const other = createAccount()
    const config = await world.config(await world.accountJwt())
    const system = world.system.getPublicKey()
    const accounts = await createAccounts(operated(config), dependencies())
    const identity = await accounts.authenticator.authenticate(
      world.credentials(await world.userJwt()),
    )
    const resolver_preload = {
      [other.getPublicKey()]: await world.accountJwt({}, { account: other }),
    }
    await accounts.update(operated({ ...config, resolver_preload }))
    assert.equal(accounts.authenticator.recheck(identity!), 'authorization')
    assert.notEqual(accounts.book.get(system), undefined)
    await accounts.update(operated(config))
    assert.ok(await accounts.authenticator.authenticate(world.credentials(await world.userJwt())))
  })

  it('go by who may sign for them now, though their JWTs are the same', async () => {
    const operatorSigner = createOperator()
    const signer = createAccount()
    const operator = async (isStrict: boolean): Promise<string[]> => [
      await world.operatorJwt({
        strict_signing_key_usage: isStrict,
        signing_keys: [operatorSigner.getPublicKey()],
      } as never),
    ]
    const body = { signing_keys: [signer.getPublicKey()] }
    const jwt = await world.accountJwt(body, { signer: operatorSigner })
    const system = await world.accountJwt({}, { account: world.system, signer: operatorSigner })
    const config = {
      ...(await world.config('', { jwts: await operator(false) })),
      resolver_preload: { [world.id]: jwt, [world.system.getPublicKey()]: system },
    }
    const accounts = await createAccounts(operated(config), dependencies())
    const { authenticator, book } = accounts
    const byAccount = world.credentials(await world.userJwt())
    const bySigner = world.credentials(await world.userJwt({}, { signer }))
    const [plain, signed] = [
      await authenticator.authenticate(byAccount),
      await authenticator.authenticate(bySigner),
    ]
    const changed: string[] = []
    book.onChange((after) => changed.push(after?.name ?? ''))
    await accounts.update(operated({ ...config, jwts: await operator(true) }))
    assert.deepEqual(changed.sort(), [world.id, world.system.getPublicKey()].sort())
    assert.equal(authenticator.recheck(plain!), 'disowned')
    assert.equal(authenticator.recheck(signed!), undefined)
    assert.equal(await authenticator.authenticate(byAccount), undefined)
    await accounts.update(operated({ ...config, jwts: await operator(true) }))
    assert.equal(changed.length, 2)
    await accounts.update(operated(config))
    assert.ok(await authenticator.authenticate(byAccount))
  })

  it('are not told to have expired before they have, and are then', async () => {
    const clock = new ManualClock()
    clock.wallBeginMs = Date.now()
    const config = await world.config(await world.accountJwt({}, { exp: inSeconds(60) }))
    const accounts = await createAccounts(operated(config), dependencies({ clock }))
    const identity = await accounts.authenticator.authenticate(
      world.credentials(await world.userJwt()),
    )
    const told: unknown[] = []
    accounts.book.onChange((after) => told.push(accounts.authenticator.recheck(identity!) && after))
    // The wall clock is put back by as much as a correction may be.
    clock.wallBeginMs -= 5_000
    clock.advance(61_000)
    assert.deepEqual(told, [])
    clock.advance(5_000)
    assert.deepEqual(told, [accounts.book.get(world.id)])
  })

  it('do not start without their system account or with an operator of another', async () => {
    const operator = await world.config(await world.accountJwt())
    const { [world.system.getPublicKey()]: _, ...rest } = operator.resolver_preload
    await assert.rejects(
      createAccounts(operated({ ...operator, resolver_preload: rest }), dependencies()),
      { code: 'PETIOLE_SYSTEM_ACCOUNT_UNKNOWN' },
    )
    const newer = [await world.operatorJwt({ assert_server_version: '99.0.0' } as never)]
    const wrong: string[][] = [newer, ['eyJ.eyJ.x'], [await world.accountJwt()]]
    for (const jwts of wrong) {
      await assert.rejects(
        createAccounts(operated({ ...operator, jwts }), dependencies({ version: '2.15.2' })),
        { code: 'PETIOLE_OPERATOR_INVALID' },
      )
    }
  })
})
