import assert from 'node:assert/strict'
import { createUser } from '@nats-io/nkeys'
import {
  type Account,
  type Authenticator,
  type Credentials,
  createAccounts,
  current,
  type Expulsion,
  type Identity,
  type TlsFacts,
} from '../../../shared/account/index.ts'
import {
  accountConfig,
  accountsConfig,
  authorizationConfig,
  dependencies,
  FakeHashes,
  MAPPING_TLS,
  permissionsConfig,
  userConfig,
} from './setup.ts'

const NONCE = 'dLWh0m6tGOnZgcw'
const ADA = userConfig({ user: 'ada', password: 'x1', account: 'RED' })
const BOB = userConfig({ user: 'bob', password: '$2b$04$x2' })
const RED = accountConfig('RED')
const ACCOUNTS = [accountConfig('$G'), accountConfig('$SYS'), RED]

describe('accounts of a file', () => {
  it('lets everybody into $G when nobody is configured', async () => {
    const { authenticator } = await fileOf({})
    assert.equal(authenticator.isRequired, false)
    assert.equal(authenticator.needsNonce, false)
    assert.deepEqual(await authenticator.authenticate({ user: 'eve', password: 'any' }), {
      user: 'eve',
      account: '$G',
    })
  })

  it('tells who is who by passwords, plain and bcrypt', async () => {
    const { authenticator } = await fileOf({ users: [ADA, BOB], token: '' })
    assert.equal(authenticator.isRequired, true)
    const cases: [Credentials, string | undefined][] = [
      [{ user: 'ada', password: 'x1' }, 'RED ada'],
      [{ user: 'bob', password: 'x2' }, '$G bob'],
      [{ user: 'bob', password: '$2b$04$x2' }, undefined],
      [{ user: 'ada', password: 'X1' }, undefined],
      [{ user: 'ada' }, undefined],
      [{ user: 'ad', password: 'x1' }, undefined],
      [{ user: '', password: '' }, undefined],
      [{ password: 'x1' }, undefined],
      [{ token: 'x1' }, undefined],
      [{ jwt: 'x1' }, undefined],
      [{}, undefined],
    ]
    for (const [credentials, expected] of cases) {
      assert.equal(await who(authenticator, credentials), expected, JSON.stringify(credentials))
    }
  })

  it('answers at once unless bcrypt is asked', async () => {
    const { authenticator } = await fileOf({ users: [ADA, BOB] })
    assert.equal(
      authenticator.authenticate({ user: 'ada', password: 'x1' }) instanceof Promise,
      false,
    )
    assert.equal(
      authenticator.authenticate({ user: 'bob', password: 'x2' }) instanceof Promise,
      true,
    )
  })

  it('knows by what somebody was let in whose file was replaced meanwhile', async () => {
    const before = { authorization: authorizationConfig({ users: [ADA, BOB] }), accounts: ACCOUNTS }
    const accounts = await createAccounts(accountsConfig(before), dependencies())
    const { authenticator } = accounts
    for (const users of [[ADA], [ADA, { ...BOB, password: '$2b$04$x9' }], [ADA, BOB]]) {
      await accounts.update(accountsConfig(before))
      const asked = authenticator.authenticate({ user: 'bob', password: 'x2' })
      await accounts.update(
        accountsConfig({ ...before, authorization: authorizationConfig({ users }) }),
      )
      const now = current(authenticator, await asked)
      assert.equal(now?.user, users[1]?.password === BOB.password ? 'bob' : undefined)
    }
  })

  it('spends on unknown users what known ones cost', async () => {
    const passwords = new FakeHashes()
    const users = [BOB, userConfig({ user: 'cleo', password: '$2b$04$x3' })]
    const { authenticator } = await fileOf({ users }, passwords)
    assert.equal(await who(authenticator, { user: 'eve', password: 'x2' }), undefined)
    assert.equal(await who(authenticator, { user: 'mallory', password: 'x3' }), undefined)
    assert.equal(passwords.asked, 2)
  })

  it('takes a token, plain or bcrypt', async () => {
    for (const token of ['t', '$2b$04$t']) {
      const { authenticator } = await fileOf({ token })
      assert.equal(await who(authenticator, { token: 't' }), '$G ')
      for (const wrong of [{}, { token: '' }, { token: 'T' }, { user: 't', password: 't' }]) {
        assert.equal(await who(authenticator, wrong), undefined, JSON.stringify(wrong))
      }
    }
  })

  it('takes who presents nothing for no_auth_user, but not who presents what is wrong', async () => {
    const { authenticator } = await fileOf({ users: [ADA], no_auth_user: 'ada' })
    assert.equal(authenticator.isRequired, false)
    assert.equal(await who(authenticator, {}), 'RED ada')
    assert.equal(await who(authenticator, { user: 'ada', password: 'no' }), undefined)
    assert.equal(await who(authenticator, { token: 'x1' }), undefined)
  })

  it('leaves everybody else alone when only the system account has users', async () => {
    const users = [userConfig({ user: 'sys', password: 's', account: '$SYS' })]
    const accounts = [accountConfig('$G'), accountConfig('$SYS')]
    const { authenticator } = await createAccounts(
      accountsConfig({ accounts, authorization: authorizationConfig({ users }) }),
      dependencies(),
    )
    assert.equal(await who(authenticator, {}), '$G ')
    assert.equal(await who(authenticator, { user: 'sys', password: 's' }), '$SYS sys')
    assert.equal(await who(authenticator, { user: 'sys', password: 'x' }), undefined)
    const { authenticator: closed } = await createAccounts(
      accountsConfig({ accounts: ACCOUNTS, authorization: authorizationConfig({ users }) }),
      dependencies(),
    )
    assert.equal(await who(closed, {}), undefined)
  })

  it('lets nkeys in by their signature of the nonce', async () => {
    const pair = createUser()
    const nkey = pair.getPublicKey()
    const { authenticator } = await fileOf({ users: [userConfig({ nkey, account: 'RED' }), ADA] })
    assert.equal(authenticator.needsNonce, true)
    const signature = sign(pair, NONCE)
    const plain = Buffer.from(signature, 'base64url').toString('base64')
    const cases: [Credentials, boolean][] = [
      [{ nkey, nonce: NONCE, signature }, true],
      [{ nkey, nonce: NONCE, signature: plain }, true],
      [{ nkey, nonce: `${NONCE}x`, signature }, false],
      [{ nkey, signature }, false],
      [{ nkey, nonce: '', signature: sign(pair, '') }, false],
      [{ nkey, nonce: NONCE, signature: `${signature}A` }, false],
      [{ nkey, nonce: NONCE, signature: '' }, false],
      [{ nkey, nonce: NONCE }, false],
      [{ nkey: createUser().getPublicKey(), nonce: NONCE, signature }, false],
      [{ nkey: 'U', nonce: NONCE, signature }, false],
      [{ user: nkey, password: '' }, false],
    ]
    for (const [credentials, isRight] of cases) {
      const expected = isRight ? `RED ${nkey}` : undefined
      assert.equal(await who(authenticator, credentials), expected, JSON.stringify(credentials))
    }
  })

  it('holds users to their connection types', async () => {
    const users = [userConfig({ ...ADA, connection_types: ['WEBSOCKET', 'MQTT'] })]
    const { authenticator } = await fileOf({ users })
    const as = { user: 'ada', password: 'x1' }
    assert.equal(await who(authenticator, as), undefined)
    assert.equal(await who(authenticator, { ...as, connectionType: 'LEAFNODE' }), undefined)
    assert.equal(await who(authenticator, { ...as, connectionType: 'MQTT' }), 'RED ada')
    assert.equal(await who(authenticator, { ...as, connectionType: 'WEBSOCKET' }), 'RED ada')
  })

  it('asks for a trusted proxy where one is required, and believes none that it does not trust', async () => {
    const proxy = createUser()
    const key = proxy.getPublicKey()
    const users = [userConfig({ ...ADA, proxy_required: true }), BOB]
    const { authenticator } = await fileOf({ users, trusted_proxies: [key] })
    assert.equal(authenticator.needsNonce, true)
    const vouched = { nonce: NONCE, proxySignature: sign(proxy, NONCE) }
    const false_ = { nonce: NONCE, proxySignature: sign(createUser(), NONCE) }
    const ada = { user: 'ada', password: 'x1' }
    const bob = { user: 'bob', password: 'x2' }
    assert.equal(await who(authenticator, ada), undefined)
    assert.equal(await who(authenticator, { ...bob, ...false_ }), undefined)
    assert.equal(await who(authenticator, bob), '$G bob')
    const identity = await authenticator.authenticate({ ...ada, ...vouched })
    assert.equal(identity?.proxyKey, key)
  })

  it('gives users the permissions of their own, of their account, or of the block', async () => {
    const [own, ofAccount, ofBlock] = ['own', 'account', 'block'].map((pub) =>
      permissionsConfig({ pub: [pub] }),
    )
    const users = [
      userConfig({ user: 'a', password: 'p', permissions: own! }),
      userConfig({ user: 'b', password: 'p', account: 'RED' }),
      userConfig({ user: 'c', password: 'p' }),
    ]
    const { authenticator } = await createAccounts(
      accountsConfig({
        accounts: [
          ...ACCOUNTS.slice(0, 2),
          accountConfig('RED', { default_permissions: ofAccount }),
        ],
        authorization: authorizationConfig({ users, default_permissions: ofBlock }),
      }),
      dependencies(),
    )
    for (const [user, config] of [
      ['a', own],
      ['b', ofAccount],
      ['c', ofBlock],
    ] as const) {
      const identity = await authenticator.authenticate({ user, password: 'p' })
      assert.deepEqual(identity?.permissions?.config, config)
    }
  })
})

describe('users of certificates', () => {
  const subject = 'CN=press 7,OU=hall\\, east,O=Acme,DC=example,DC=com'
  const users = [
    'ada@example.com',
    'press-7.example.com',
    'spiffe://example.com/press-7',
    'O=Acme, CN=press 7, ou=hall\\2c east, DC=example, DC=com',
    'CN=other,O=Acme',
  ].map((user) => userConfig({ user }))

  it('are looked for by address, name, URI and subject, in that order', async () => {
    const all = {
      emails: ['ada@example.com'],
      dnsNames: ['press-7.example.com'],
      uris: ['spiffe://example.com/press-7'],
    }
    const none = { emails: [], dnsNames: [], uris: [] }
    const cases: [Partial<NonNullable<TlsFacts['certificate']>>, number][] = [
      [all, 0],
      [{ ...all, emails: ['eve@example.com'] }, 1],
      [{ ...none, uris: all.uris }, 2],
      [none, 3],
      [{ ...none, subject: 'CN=other,O=Acme' }, 4],
      [{ ...none, subject: 'CN=other,O=Acm' }, -1],
    ]
    const { authenticator } = await mapped()
    for (const [certificate, nth] of cases) {
      const tls = facts({ subject, ...none, pem: [], ...certificate })
      const expected = nth < 0 ? undefined : `$G ${users[nth]!.user}`
      assert.equal(await who(authenticator, { tls }), expected, JSON.stringify(certificate))
    }
  })

  it('need a certificate, and no password may stand in for it on another listener', async () => {
    const { authenticator } = await mapped()
    const { user } = users[0]!
    assert.equal(await who(authenticator, { user }), undefined)
    assert.equal(await who(authenticator, { user, password: '' }), undefined)
    assert.equal(
      await who(authenticator, { user, password: '', connectionType: 'WEBSOCKET' }),
      undefined,
    )
    assert.equal(await who(authenticator, { user, tls: facts(undefined) }), undefined)
  })

  function mapped() {
    return createAccounts(
      accountsConfig({ authorization: authorizationConfig({ users }), tls: MAPPING_TLS }),
      dependencies(),
    )
  }
})

describe('accounts after a reload', () => {
  it('tell which changed, came and went, and leave alone what is the same', async () => {
    const accounts = await fileOf({})
    const seen: string[] = []
    accounts.book.onChange((after, before) => seen.push(`${name(before)}>${name(after)}`))
    const green = accountConfig('GREEN')
    await accounts.update(accountsConfig({ accounts: [...ACCOUNTS, green] }))
    const limits = { ...RED.limits, max_connections: 2 }
    await accounts.update(
      accountsConfig({ accounts: [...ACCOUNTS.slice(0, 2), { ...RED, limits }, green] }),
    )
    await accounts.update(accountsConfig({ accounts: ACCOUNTS.slice(0, 2) }))
    assert.deepEqual(seen, ['->GREEN', 'RED>RED', 'RED>-', 'GREEN>-'])
  })

  it('expel whose password, account or existence changed, and nobody else', async () => {
    const permissions = permissionsConfig({ pub: ['a'] })
    const elsewhere = { ...ADA, connection_types: ['MQTT' as const] }
    const changes: [string, Parameters<typeof authorizationConfig>[0], Expulsion | undefined][] = [
      ['nothing', { users: [ADA, BOB] }, undefined],
      ['others', { users: [ADA] }, undefined],
      ['password', { users: [{ ...ADA, password: 'x9' }] }, 'authorization'],
      ['permissions', { users: [{ ...ADA, permissions }] }, undefined],
      ['account', { users: [{ ...ADA, account: '$G' }] }, 'moved'],
      ['existence', { users: [BOB] }, 'moved'],
      ['connection types', { users: [elsewhere] }, 'authorization'],
      ['a proxy', { users: [ADA], proxy_required: true }, 'authorization'],
    ]
    for (const [what, authorization, expected] of changes) {
      const accounts = await fileOf({ users: [ADA, BOB] })
      const ada = await accounts.authenticator.authenticate({ user: 'ada', password: 'x1' })
      assert.equal(accounts.authenticator.recheck(ada!), undefined)
      await accounts.update(
        accountsConfig({ accounts: ACCOUNTS, authorization: authorizationConfig(authorization) }),
      )
      assert.equal(accounts.authenticator.recheck(ada!), expected, what)
    }
  })

  it('tell who came past the proxy, or by one that nobody trusts', async () => {
    const proxied = { ...BOB, proxy_required: true }
    const trusted_proxies = [createUser().getPublicKey()]
    const { authenticator } = await fileOf({ users: [ADA, proxied], trusted_proxies })
    const cases: [Credentials, string | undefined][] = [
      [{ user: 'ada', password: 'wrong' }, undefined],
      [{ user: 'bob', password: 'x2' }, 'proxy_required'],
      [{ user: 'ada', password: 'x1', nonce: NONCE, proxySignature: 'x' }, 'proxy_not_trusted'],
    ]
    for (const [credentials, expected] of cases) {
      assert.equal(await who(authenticator, credentials), undefined)
      assert.equal(authenticator.refusalOf!(credentials), expected)
    }
  })

  it('renew whose permissions changed, as often as they do', async () => {
    const accounts = await fileOf({ users: [ADA] })
    const { authenticator } = accounts
    let ada = await authenticator.authenticate({ user: 'ada', password: 'x1' })
    for (const pub of [['a'], ['b'], undefined]) {
      assert.equal(authenticator.renewed!(ada!), undefined)
      const permissions = pub && permissionsConfig({ pub })
      const authorization = authorizationConfig({ users: [{ ...ADA, permissions }] })
      await accounts.update(accountsConfig({ accounts: ACCOUNTS, authorization }))
      ada = authenticator.renewed!(ada!)
      assert.deepEqual(ada?.permissions?.config.publish.allow, pub)
      assert.equal(ada?.account, 'RED')
    }
    await accounts.update(accountsConfig({ accounts: ACCOUNTS }))
    assert.equal(authenticator.recheck(ada!), 'moved')
  })

  it('expel who came in when the door was open', async () => {
    const accounts = await fileOf({})
    const eve = await accounts.authenticator.authenticate({})
    await accounts.update(
      accountsConfig({ accounts: ACCOUNTS, authorization: authorizationConfig({ token: 't' }) }),
    )
    assert.equal(accounts.authenticator.recheck(eve!), 'authorization')
  })
})

function fileOf(
  authorization: Parameters<typeof authorizationConfig>[0],
  passwords = new FakeHashes(),
) {
  return createAccounts(
    accountsConfig({ accounts: ACCOUNTS, authorization: authorizationConfig(authorization) }),
    dependencies({ passwords }),
  )
}

async function who(
  authenticator: Authenticator,
  credentials: Credentials,
): Promise<string | undefined> {
  const identity: Identity | undefined = await authenticator.authenticate(credentials)
  return identity === undefined ? undefined : `${identity.account} ${identity.user}`
}

function sign(pair: ReturnType<typeof createUser>, nonce: string): string {
  return Buffer.from(pair.sign(Buffer.from(nonce))).toString('base64url')
}

function facts(certificate: TlsFacts['certificate']): TlsFacts {
  return { version: '1.3', cipherSuite: 'TLS_AES_128_GCM_SHA256', certificate }
}

function name(account: Account | undefined): string {
  return account?.name ?? '-'
}
