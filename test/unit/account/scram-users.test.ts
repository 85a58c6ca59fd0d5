import assert from 'node:assert/strict'
import {
  type Accounts,
  createAccounts,
  type Identity,
  type ScramChallenge,
} from '../../../shared/account/index.ts'
import { parseConfig, type UserConfig } from '../../../shared/config/index.ts'
import { BcryptThread, SystemClock } from '../../../shared/runtime/index.ts'
import { ScramClient, verifierText } from '../../support/scram-client.ts'
import {
  accountConfig,
  accountsConfig,
  authorizationConfig,
  dependencies,
  FakeHashes,
  SERVER,
  userConfig,
} from './setup.ts'

const SALT = Buffer.from('0123456789abcdef')
const VERIFIER = verifierText('pencil', SALT, 5_000)
const ADA = userConfig({ user: 'ada', password: 'x1', account: 'RED' })
const KIM = userConfig({ user: 'kim', password: VERIFIER, account: 'RED' })
const BOB = userConfig({ user: 'bob', password: '$2b$04$x2' })

function configOf(users: readonly UserConfig[], parts = {}) {
  const accounts = ['$G', '$SYS', 'AUTH', 'RED'].map((name) => accountConfig(name))
  return accountsConfig({ accounts, authorization: authorizationConfig({ users, ...parts }) })
}

async function accountsOf(...users: UserConfig[]): Promise<Accounts> {
  return createAccounts(configOf(users), dependencies())
}

/** Goes through an exchange as far as the authenticator: who it says this is. */
async function prove(
  accounts: Accounts,
  user: string,
  password: string,
  between: () => Promise<void> | void = () => {},
): Promise<Identity | undefined> {
  const { authenticator } = accounts
  const credentials = { user, connectionType: 'MQTT', remoteAddress: '192.0.2.7' } as const
  const challenge = authenticator.challenge?.(credentials)
  assert.ok(challenge !== undefined)
  if (signed(challenge, user, password) === undefined) return undefined
  await between()
  return authenticator.authenticate({ ...credentials, scram: challenge })
}

function signed(challenge: ScramChallenge, user: string, password: string) {
  const client = new ScramClient(user, password, 'nonce')
  const salt = Buffer.from(challenge.salt).toString('base64')
  const serverFirst = `r=nonce+more,s=${salt},i=${challenge.iterations}`
  const final = client.final(Buffer.from(serverFirst)).toString()
  const [, bare = '', proof = ''] = /^(.+),p=(.+)$/.exec(final) ?? []
  const message = `n=${user},r=nonce,${serverFirst},${bare}`
  const signature = challenge.prove(message, Buffer.from(proof, 'base64'))
  if (signature !== undefined) {
    assert.equal(`v=${Buffer.from(signature).toString('base64')}`, client.serverFinal)
  }
  return signature
}

describe('users who log in by SCRAM', () => {
  it('are those with a password in plain or a verifier', async () => {
    const accounts = await accountsOf(ADA, KIM, BOB)
    const cases: [string, string, string | undefined][] = [
      ['ada', 'x1', 'RED ada'],
      ['kim', 'pencil', 'RED kim'],
      ['ada', 'x2', undefined],
      ['kim', VERIFIER, undefined],
      ['kim', '', undefined],
      ['bob', 'x2', undefined],
      ['bob', '$2b$04$x2', undefined],
      ['eve', 'x1', undefined],
      ['eve', 'pencil', undefined],
    ]
    for (const [user, password, expected] of cases) {
      const identity = await prove(accounts, user, password)
      const who = identity && `${identity.account} ${identity.user}`
      assert.equal(who, expected, `${user} ${password}`)
    }
  })

  it('nobody is told who exists: a name has one salt, and what some user has', async () => {
    const accounts = await accountsOf(ADA, KIM, BOB)
    const { authenticator } = accounts
    const told = (user: string): string => {
      const challenge = authenticator.challenge?.({ user, connectionType: 'MQTT' })
      assert.ok(challenge !== undefined)
      return `${Buffer.from(challenge.salt).toString('hex')} ${challenge.iterations}`
    }
    const names = ['ada', 'bob', ...Array.from({ length: 100 }, (_, i) => `unknown ${i}`)]
    const before = names.map(told)
    assert.equal(new Set(before).size, names.length, 'each has its own')
    assert.deepEqual(names.map(told), before, 'and keeps it')
    await accounts.update(configOf([ADA, KIM, BOB]))
    assert.deepEqual(names.map(told), before, 'over a reload too')
    assert.ok(
      before.every((text) => text.length === 32 + ' 4096'.length),
      before.join(),
    )
    const iterations = new Set(before.slice(2).map((text) => text.split(' ')[1]))
    assert.deepEqual([...iterations].toSorted(), ['4096', '5000'])
    assert.equal(told('kim'), `${SALT.toString('hex')} 5000`)
  })

  it('nobody can where no user has such a password', async () => {
    const credentials = { user: 'bob', connectionType: 'MQTT' } as const
    const nkey = userConfig({ nkey: 'UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4' })
    for (const users of [[], [BOB], [nkey], [{ ...ADA, password: '' }]]) {
      const { authenticator } = await accountsOf(...users)
      assert.equal(authenticator.challenge?.(credentials), undefined)
    }
  })

  it('are judged by their connection type as others are', async () => {
    const rule = { connection_types: ['WEBSOCKET'] } as const
    const accounts = await accountsOf({ ...ADA, ...rule }, KIM)
    assert.equal(await prove(accounts, 'ada', 'x1'), undefined)
    assert.equal((await prove(accounts, 'kim', 'pencil'))?.user, 'kim')
  })

  it('are out when their password changes, before the answer or after it', async () => {
    const accounts = await accountsOf(ADA, KIM)
    const changed = configOf([{ ...ADA, password: 'x9' }, KIM])
    const identity = await prove(accounts, 'ada', 'x1')
    assert.ok(identity !== undefined)
    assert.equal(accounts.authenticator.recheck(identity), undefined)
    const refused = await prove(accounts, 'ada', 'x1', () => accounts.update(changed))
    assert.equal(refused, undefined)
    assert.equal(accounts.authenticator.recheck(identity), 'authorization')
    assert.equal((await prove(accounts, 'ada', 'x9'))?.user, 'ada')
  })

  it('an exchange proves its own user only', async () => {
    const { authenticator } = await accountsOf(ADA, { ...ADA, user: 'amy' }, KIM)
    const scram = authenticator.challenge?.({ user: 'ada' })
    assert.ok(scram !== undefined)
    assert.equal(await authenticator.authenticate({ user: 'ada', scram }), undefined, 'unproven')
    assert.ok(signed(scram, 'ada', 'x1') !== undefined)
    assert.equal(await authenticator.authenticate({ user: 'amy', scram }), undefined)
    assert.equal(await authenticator.authenticate({ user: 'eve', scram }), undefined)
    assert.ok((await authenticator.authenticate({ user: 'ada', scram })) !== undefined)
  })

  it('a callout is asked about who has proven himself, and about nobody else', async () => {
    const asked: string[] = []
    const port = {
      request: (_account: string, subject: string) => {
        asked.push(subject)
        return Promise.reject(new Error('nobody answers'))
      },
    }
    const callout = { port, server: SERVER }
    const auth_callout = {
      issuer: 'AAAA',
      account: 'AUTH',
      auth_users: ['kim'],
      xkey: '',
      allowed_accounts: [],
    }
    const config = configOf([ADA, KIM], { auth_callout })
    const accounts = await createAccounts(config, dependencies({ callout }))
    assert.equal(await prove(accounts, 'ada', 'wrong'), undefined)
    assert.deepEqual(asked, [])
    assert.equal((await prove(accounts, 'kim', 'pencil'))?.user, 'kim', 'the service itself')
    assert.deepEqual(asked, [])
    assert.equal(await prove(accounts, 'ada', 'x1'), undefined)
    assert.deepEqual(asked, ['$SYS.REQ.USER.AUTH'])
    const others = configOf([{ ...ADA, password: 'x9' }, KIM], { auth_callout })
    const refused = await prove(accounts, 'ada', 'x1', () => accounts.update(others))
    assert.equal(refused, undefined)
    assert.equal(asked.length, 1, 'there is no proof any more that a service could take')
  })

  it('who has a verifier may still say his password', async () => {
    const passwords = new BcryptThread(new SystemClock())
    const accounts = await createAccounts(configOf([ADA, KIM]), dependencies({ passwords }))
    const cases: [string, boolean][] = [
      ['pencil', true],
      ['p\u00adencil', true],
      ['pencil2', false],
      [VERIFIER, false],
      ['', false],
    ]
    for (const [password, isRight] of cases) {
      const identity = await accounts.authenticator.authenticate({ user: 'kim', password })
      assert.equal(identity !== undefined, isRight, password)
    }
    accounts.close()
  })

  it('a verifier is not compared as a password', async () => {
    const hashes = new FakeHashes()
    const accounts = await createAccounts(configOf([KIM]), dependencies({ passwords: hashes }))
    await accounts.authenticator.authenticate({ user: 'kim', password: VERIFIER })
    assert.equal(hashes.asked, 1)
  })
})

describe('config: SCRAM verifiers', () => {
  const read = (password: string) =>
    parseConfig({ authorization: { users: [{ user: 'kim', password }] } }, 'hub')

  it('are passwords of their form', () => {
    assert.equal(read(VERIFIER).authorization.users[0]?.password, VERIFIER)
  })

  const [head = '', keys = ''] = VERIFIER.split(/(?<=:.+)\$/)
  const broken: readonly (readonly [string, string])[] = [
    ['too few iterations', VERIFIER.replace('5000', '4095')],
    ['too many iterations', VERIFIER.replace('5000', '1000001')],
    ['no salt', `SCRAM-SHA-256$5000:$${keys}`],
    ['a salt above its limit', `SCRAM-SHA-256$5000:${'A'.repeat(88)}$${keys}`],
    ['short keys', `${head}$AAAA:AAAA`],
    ['one key', `${head}$${keys.split(':')[0]}`],
    ['nothing', 'SCRAM-SHA-256$'],
  ]
  for (const [name, password] of broken) {
    it(`with ${name} are none`, () => {
      assert.throws(() => read(password), {
        message: /authorization\.users\[0\]\.password: is no SCRAM verifier/,
      })
    })
  }
})
