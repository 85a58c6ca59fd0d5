import assert from 'node:assert/strict'
import { type Credentials, createAuthenticator } from '../../../shared/account/index.ts'
import { authorizationConfig, FakeHashes, userConfig } from './setup.ts'

const ADA = userConfig({ user: 'ada', password: 'x1' })
const BOB = userConfig({ user: 'bob', password: '$2b$04$x2' })

describe('users of one block', () => {
  it('are known by passwords, plain and bcrypt, and by the token', async () => {
    const door = createAuthenticator(
      authorizationConfig({ users: [ADA, BOB], token: 't' }),
      new FakeHashes(),
    )
    assert.equal(door.isRequired, true)
    assert.equal(door.needsNonce, false)
    const cases: [Credentials, string | undefined][] = [
      [{ user: 'ada', password: 'x1' }, 'ada'],
      [{ user: 'bob', password: 'x2' }, 'bob'],
      [{ token: 't' }, ''],
      [{ user: 'bob', password: '$2b$04$x2' }, undefined],
      [{ user: 'ada', password: 'X1' }, undefined],
      [{ user: 'eve', password: 'x1' }, undefined],
      [{ token: 'T' }, undefined],
      [{}, undefined],
    ]
    for (const [credentials, expected] of cases) {
      const identity = await door.authenticate(credentials)
      assert.equal(identity?.user, expected, JSON.stringify(credentials))
    }
  })

  it('are everybody when there are none', () => {
    const door = createAuthenticator(authorizationConfig({}), new FakeHashes())
    assert.equal(door.isRequired, false)
    assert.deepEqual(door.authenticate({ user: 'eve' }), { user: 'eve', account: '$G' })
  })
})
