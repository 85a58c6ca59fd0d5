import assert from 'node:assert/strict'
import {
  accountProblems,
  decodeAccount,
  decodeActivation,
  decodeOperator,
  decodeToken,
  decodeUser,
  userProblems,
} from '../../shared/account/claims/index.ts'
import type { Accounts } from '../../shared/account/index.ts'
import { codeOf, SeededRandom } from '../../shared/runtime/index.ts'
import {
  createAccount,
  createOperator,
  createUser,
  JwtWorld,
  NONCE,
  sign,
} from '../unit/account/jwt-world.ts'

const ROUNDS = 400
const DECODERS = [decodeToken, decodeUser, decodeAccount, decodeOperator, decodeActivation]

/** Values that a claim of whatever type may be replaced by. */
const ODDITIES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e300,
  0.5,
  '',
  '\0',
  'x'.repeat(10_000),
  [],
  [null],
  ['a', 1],
  {},
  { __proto__: null },
  { constructor: 1 },
  [[[[]]]],
]

describe('JWT fuzzing', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  const world = new JwtWorld()
  let accounts: Accounts
  let right: string

  before(async () => {
    accounts = await world.accounts(await world.accountJwt())
    right = await world.userJwt()
    assert.ok(await present(right))
  })

  const signature = sign(world.user, NONCE)
  const { account } = world

  async function present(jwt: string) {
    return accounts.authenticator.authenticate({ jwt, nonce: NONCE, signature })
  }

  it(`a token that was changed in any way lets nobody in (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    for (let round = 0; round < ROUNDS; round++) {
      const changed = mutate(right, random)
      if (changed === right || sameBytes(changed, right)) continue
      assert.equal(await present(changed), undefined, `seed=${seed} round=${round} ${changed}`)
    }
  })

  it('a token that is cut anywhere lets nobody in', async () => {
    for (let length = 0; length < right.length; length++) {
      assert.equal(await present(right.slice(0, length)), undefined, `cut at ${length}`)
    }
  })

  it(`claims of odd types are refused or read, and never break anything (seed ${seed})`, async () => {
    const random = new SeededRandom(seed)
    const corpus = [
      right,
      await world.accountJwt({
        exports: [{ name: 'x', subject: 'x.>', type: 'stream' }],
        imports: [{ name: 'y', subject: 'y', type: 'service', account: world.id }],
        mappings: { m: [{ subject: 'n', weight: 10 }] },
        revocations: { '*': 1 },
        signing_keys: [createAccount().getPublicKey()],
        default_permissions: { pub: { allow: ['a'] } },
        trace: { dest: 't' },
      }),
      await world.operatorJwt(),
    ]
    let accepted = 0
    for (let round = 0; round < ROUNDS; round++) {
      const jwt = corpus[random.below(corpus.length)]!
      const claims = claimsOf(jwt)
      const paths = pathsOf(claims)
      for (let n = random.below(3); n >= 0; n--) {
        put(claims, paths[random.below(paths.length)]!, ODDITIES[random.below(ODDITIES.length)])
      }
      const odd = signed(claims, account)
      for (const decode of DECODERS) {
        try {
          decode(odd)
          accepted++
        } catch (error) {
          const what = `seed=${seed} round=${round} ${JSON.stringify(claims)} ${error}`
          assert.equal(codeOf(error), 'PETIOLE_TOKEN_INVALID', what)
        }
      }
      validate(odd)
      await present(odd)
    }
    assert.ok(accepted > 0, 'nothing was accepted: the fuzzer does not reach far')
  })

  it('nobody is let in by a key of the wrong kind, whatever it signs', async () => {
    const keys = [createUser(), createOperator(), createAccount(), world.user, world.operator]
    for (const key of keys) {
      const claims = claimsOf(right)
      claims['iss'] = key.getPublicKey()
      assert.equal(await present(signed(claims, key)), undefined)
      claims['iss'] = world.id
      assert.equal(await present(signed(claims, key)), undefined)
      const { nats } = claims
      Object.assign(Object(nats), { issuer_account: world.id })
      claims['iss'] = key.getPublicKey()
      assert.equal(await present(signed(claims, key)), undefined)
    }
  })

  it('other algorithms, none among them, and older versions are refused', async () => {
    const [, body] = right.split('.')
    for (const alg of ['none', 'HS256', 'ed25519', 'EdDSA', '', 'ed25519-nkeys']) {
      const header = encode({ typ: 'JWT', alg })
      const whole = `${header}.${body}`
      const signature = Buffer.from(account.sign(Buffer.from(whole))).toString('base64url')
      const overBody = Buffer.from(account.sign(Buffer.from(body!))).toString('base64url')
      for (const each of [signature, overBody, '']) {
        assert.equal(await present(`${whole}.${each}`), undefined, alg)
      }
    }
    const claims = claimsOf(right)
    for (const version of [0, 1, 3, '2', undefined]) {
      Object.assign(Object(claims['nats']), { version })
      assert.equal(await present(signed(claims, account)), undefined, String(version))
    }
  })
})

function validate(jwt: string): void {
  try {
    userProblems(decodeUser(jwt), Date.now())
  } catch (error) {
    assert.equal(codeOf(error), 'PETIOLE_TOKEN_INVALID')
  }
  try {
    accountProblems(decodeAccount(jwt))
  } catch (error) {
    assert.equal(codeOf(error), 'PETIOLE_TOKEN_INVALID', String(error))
  }
}

function mutate(jwt: string, random: SeededRandom): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\0é'
  const at = random.below(jwt.length)
  const letter = letters[random.below(letters.length)]!
  switch (random.below(5)) {
    case 0:
      return jwt.slice(0, at) + letter + jwt.slice(at + 1)
    case 1:
      return jwt.slice(0, at) + letter + jwt.slice(at)
    case 2:
      return jwt.slice(0, at) + jwt.slice(at + 1 + random.below(20))
    case 3:
      return jwt + jwt.slice(at)
    default: {
      const other = random.below(jwt.length)
      return jwt.slice(0, at) + jwt.slice(Math.min(at, other), Math.max(at, other)) + jwt.slice(at)
    }
  }
}

/** The last letter of base64 holds bits that stand for nothing: another letter may mean the same. */
function sameBytes(left: string, right: string): boolean {
  const bytes = (jwt: string) =>
    jwt.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'))
  const [leftHead, rightHead] = [left, right].map((jwt) => jwt.split('.').slice(0, 2).join('.'))
  return leftHead === rightHead && bytes(left).join() === bytes(right).join()
}

type Json = Record<string, unknown>

function claimsOf(jwt: string): Json {
  return JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as Json
}

function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [[...path]]
  const below = Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...path, key]))
  return path.length === 0 ? below : [[...path], ...below]
}

function put(claims: Json, path: readonly string[], value: unknown): void {
  let at: Json = claims
  for (const key of path.slice(0, -1)) {
    const next = at[key]
    if (typeof next !== 'object' || next === null) return
    at = next as Json
  }
  at[path.at(-1)!] = value
}

function signed(claims: Json, key: { sign(bytes: Uint8Array): Uint8Array }): string {
  const text = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(claims)}`
  return `${text}.${Buffer.from(key.sign(Buffer.from(text))).toString('base64url')}`
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
