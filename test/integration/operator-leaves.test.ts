import assert from 'node:assert/strict'
import { OperatorHub } from '../support/operator-hub.ts'
import { createAccount } from '../unit/account/jwt-world.ts'

/** Leaf links of a server that an operator runs end as soon as what let them in no longer does. */
describe('leaves of an operator’s server', () => {
  let hub: OperatorHub

  beforeEach(() => {
    hub = new OperatorHub()
  })

  afterEach(() => hub.stop())

  const UP = '"connect_info":true'
  const VIOLATION = "-ERR 'Authorization Violation'\r\n"

  describe('with users of their own, after a reload', () => {
    const other = createAccount()
    const block = (authorization = ''): string =>
      `leafnodes { listen: "127.0.0.1:-1"\n${authorization === '' ? '' : `authorization { ${authorization} }`} }`
    const user = (name: string, password = name, account = hub.world.id): string =>
      `user: ${name}, password: ${password}, account: ${account}`

    async function start(authorization = '') {
      const { world } = hub
      const preload = {
        [world.id]: await world.accountJwt(),
        [other.getPublicKey()]: await world.accountJwt({}, { account: other }),
      }
      const parts = { operator: await world.operatorJwt(), preload }
      await hub.start({ ...parts, more: block(authorization) })
      return parts
    }

    for (const [what, changed, isLetIn] of [
      ['whose user is gone', () => user('ada'), false],
      ['whose user has another password', () => user('bob', 'new'), false],
      [
        'whose user belongs to another account',
        () => user('bob', 'bob', other.getPublicKey()),
        true,
      ],
      ['that came by a block that is gone', () => '', false],
    ] as const) {
      it(`ends a link ${what}, and one that is the same stays until then`, async () => {
        const parts = await start(user('bob'))
        const bob = { user: 'bob', pass: 'bob' }
        const leaf = await hub.leaf('site', bob)
        await leaf.sees(UP)
        await hub.reload({ ...parts, more: `${block(user('bob'))}\nmax_payload: 1000` })
        leaf.send('PING')
        await leaf.sees('PONG')
        await hub.reload({ ...parts, more: `${block(changed())}\nmax_payload: 1000` })
        await leaf.closes()
        assert.ok(leaf.text.endsWith(VIOLATION), leaf.text)
        const again = await hub.leaf('site', bob)
        await again.sees(isLetIn ? UP : VIOLATION)
      })
    }

    it('ends the link of a JWT when users come before JWTs now', async () => {
      const parts = await start()
      const { world } = hub
      const leaf = await hub.leafOf('site', await world.userJwt())
      await leaf.sees(UP)
      await hub.reload({ ...parts, more: `${block()}\nmax_payload: 1000` })
      leaf.send('PING')
      await leaf.sees('PONG')
      await hub.reload({ ...parts, more: `${block(user('ada'))}\nmax_payload: 1000` })
      await leaf.closes()
      assert.ok(leaf.text.endsWith(VIOLATION), leaf.text)
    })
  })
})
