import assert from 'node:assert/strict'
import { UserAuthenticator } from '../../../shared/account/index.ts'

const ADA = { user: 'ada', password: 'x1', account: 'RED' }
const BOB = { user: 'bob', password: 'x2' }

describe('UserAuthenticator', () => {
  it('lets everybody in when nobody is configured', () => {
    const open = new UserAuthenticator({ users: [] })
    assert.equal(open.isRequired, false)
    assert.deepEqual(open.authenticate({ user: 'eve', password: 'any' }), {
      user: 'eve',
      account: '$G',
    })
  })

  it('binds users to their accounts', () => {
    const authenticator = new UserAuthenticator({ users: [ADA, BOB] })
    assert.equal(authenticator.isRequired, true)
    assert.deepEqual(authenticator.authenticate(ADA), { user: 'ada', account: 'RED' })
    assert.deepEqual(authenticator.authenticate(BOB), { user: 'bob', account: '$G' })
  })

  it('refuses wrong, missing and misplaced credentials alike', () => {
    const authenticator = new UserAuthenticator({ users: [ADA], token: 't' })
    const refused = [
      {},
      { user: 'ada' },
      { user: 'ada', password: 'X1' },
      { user: 'ad', password: 'x1' },
      { user: '', password: '' },
      { token: 'x1' },
      { token: '' },
      { password: 'x1' },
    ]
    for (const credentials of refused) {
      assert.equal(authenticator.authenticate(credentials), undefined, JSON.stringify(credentials))
    }
    assert.deepEqual(authenticator.authenticate({ token: 't' }), { user: '', account: '$G' })
  })

  it('takes a connection without credentials for no_auth_user, but not one with wrong ones', () => {
    const authenticator = new UserAuthenticator({ users: [ADA], noAuthUser: 'ada' })
    assert.equal(authenticator.isRequired, false)
    assert.deepEqual(authenticator.authenticate({}), { user: 'ada', account: 'RED' })
    assert.equal(authenticator.authenticate({ user: 'ada', password: 'no' }), undefined)
  })

  it('refuses a configuration that would not mean what it says', () => {
    const code = 'PETIOLE_AUTHORIZATION_INVALID'
    assert.throws(() => new UserAuthenticator({ users: [ADA, ADA] }), { code })
    assert.throws(() => new UserAuthenticator({ users: [ADA], noAuthUser: 'eve' }), { code })
    const hashed = { user: 'x', password: '$2a$11$abcdefghijklmnopqrstuv' }
    assert.throws(() => new UserAuthenticator({ users: [hashed] }), { code })
  })
})
