import assert from 'node:assert/strict'
import { connectAsync } from 'mqtt'
import { WebSocket } from 'ws'
import { eventually } from '../support/link-node.ts'
import { type OperatorFile, OperatorHub } from '../support/operator-hub.ts'
import { RawLink } from '../support/raw-link.ts'
import { createAccount, inSeconds, JwtWorld } from '../unit/account/jwt-world.ts'

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

  describe('and whoever else is in an account', () => {
    const DOORS = `leafnodes { listen: "127.0.0.1:-1" }
websocket { listen: "127.0.0.1:-1", no_tls: true }
mqtt { listen: "127.0.0.1:-1" }`
    const BEARER = { bearer_token: true }

    /** A leaf, a client, a client over WebSocket and a device, all of one account. */
    async function everybody(accountJwt: string, more: Partial<OperatorFile> = {}) {
      const { world } = hub
      const preload = { [world.id]: accountJwt }
      const operator = await world.operatorJwt()
      const parts: OperatorFile = { operator, preload, resolver: 'full', more: DOORS, ...more }
      await hub.start(parts)
      const jwt = await world.userJwt(BEARER)
      const leaf = await hub.leafOf('site', jwt)
      await leaf.sees(UP)
      const { client, webSocket, frontDoors } = hub.running.ports
      const raw = await RawLink.dial(client.port)
      raw.send(`CONNECT ${JSON.stringify({ jwt, verbose: false })}`, 'PING')
      await raw.sees('PONG')
      const socket = new WebSocket(`ws://127.0.0.1:${webSocket?.port}`)
      let text = ''
      socket.on('message', (data) => {
        text += String(data)
      })
      socket.once('open', () => socket.send(`CONNECT ${JSON.stringify({ jwt })}\r\nPING\r\n`))
      await eventually(() => text.includes('PONG'), 'a WebSocket client')
      const login = { username: 'any', password: jwt, reconnectPeriod: 0 }
      const device = await connectAsync(`mqtt://127.0.0.1:${frontDoors['mqtt']}`, login)
      return {
        parts,
        jwt,
        /** All of them are closed; those whose protocol has words for it were told why. */
        async areTold(error: string): Promise<void> {
          const line = `-ERR '${error}'\r\n`
          await eventually(() => socket.readyState === WebSocket.CLOSED, 'the WebSocket closed')
          await eventually(() => !device.connected, 'the device gone')
          await leaf.closes()
          await raw.closes()
          for (const said of [leaf.text, raw.text, text]) assert.ok(said.endsWith(line), said)
          device.end(true)
          raw.destroy()
          const again = await hub.leafOf('site', jwt)
          await again.sees(VIOLATION)
        },
      }
    }

    it('end when the account’s JWT does', async () => {
      const { world } = hub
      const all = await everybody(await world.accountJwt())
      await hub.claims('UPDATE', await world.accountJwt({}, { exp: inSeconds(1) }))
      await all.areTold('Account Authentication Expired')
    })

    it('end when the account is deleted', async () => {
      const all = await everybody(await hub.world.accountJwt())
      await hub.deleteAccounts([hub.world.id])
      await all.areTold('Account Authentication Expired')
    })

    it('end when an operator who is trusted no more has signed the account', async () => {
      const { world } = hub
      const all = await everybody(await world.accountJwt(), { resolver: 'MEMORY' })
      const successor = new JwtWorld()
      const system = await successor.accountJwt({}, { account: world.system })
      const operator = await successor.operatorJwt({ system_account: world.system.getPublicKey() })
      await hub.reload({ ...all.parts, operator, system })
      await all.areTold('Authorization Violation')
    })

    it('end when the account is in the file no more', async () => {
      const all = await everybody(await hub.world.accountJwt(), { resolver: 'MEMORY' })
      await hub.reload({ ...all.parts, preload: {} })
      await all.areTold('Authorization Violation')
    })

    it('end when the user is revoked', async () => {
      const { world } = hub
      const all = await everybody(await world.accountJwt())
      const revocations = { [world.user.getPublicKey()]: inSeconds(10) }
      await hub.claims('UPDATE', await world.accountJwt({ revocations }))
      await all.areTold('User Authentication Revoked')
    })
  })
})
