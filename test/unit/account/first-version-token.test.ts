import assert from 'node:assert/strict'
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys'
import {
  accountOfUser,
  decodeAccount,
  decodeToken,
  decodeUser,
} from '../../../shared/account/claims/index.ts'

const [operator, account, signer, user] = [
  createOperator(),
  createAccount(),
  createAccount(),
  createUser(),
]

describe('tokens of the first version', () => {
  it('sign their claims alone, and have their type beside them', () => {
    const claims = decodeAccount(
      token(operator, {
        sub: account.getPublicKey(),
        type: 'account',
        nats: { signing_keys: [signer.getPublicKey()], limits: { subs: 7, conn: -1 } },
      }),
    )
    assert.equal(claims.version, 1)
    assert.equal(claims.issuer, operator.getPublicKey())
    assert.equal(claims.type, 'account')
  })

  it('name the account of a signing key beside the claims, and limit nothing unasked', () => {
    const claims = decodeUser(
      token(signer, {
        sub: user.getPublicKey(),
        type: 'user',
        issuer_account: account.getPublicKey(),
        nats: { pub: { allow: ['a'] }, issuer_account: 'ignored' },
      }),
    )
    assert.equal(accountOfUser(claims), account.getPublicKey())
    assert.equal(claims.terms.subscriptions, -1)
    assert.deepEqual(claims.terms.permissions.publishAllow, ['a'])
  })

  it('are refused under the other version’s algorithm, with other claims, and by other keys', () => {
    const fields = { sub: user.getPublicKey(), type: 'user', nats: {} }
    const whole = token(account, fields)
    const [header = '', body = '', signature = ''] = whole.split('.')
    const second = encoded({ typ: 'JWT', alg: 'ed25519-nkey' })
    const other = encoded({ ...fields, iss: account.getPublicKey(), name: 'eve' })
    const stranger = token(signer, fields).split('.')[2]
    for (const wrong of [
      `${second}.${body}.${signature}`,
      `${header}.${other}.${signature}`,
      `${header}.${body}.${stranger}`,
    ]) {
      assert.throws(() => decodeToken(wrong), { code: 'PETIOLE_TOKEN_INVALID' })
    }
    assert.equal(decodeToken(whole).subject, user.getPublicKey())
  })
})

function token(key: KeyPair, fields: object): string {
  const body = encoded({ iat: 1_600_000_000, iss: key.getPublicKey(), ...fields })
  const signature = Buffer.from(key.sign(Buffer.from(body))).toString('base64url')
  return `${encoded({ typ: 'jwt', alg: 'ed25519' })}.${body}.${signature}`
}

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
