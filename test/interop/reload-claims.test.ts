import assert from 'node:assert/strict'
import { RawClient } from '../support/broker-harness.ts'
import { ConfiguredBroker } from '../support/configured-broker.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'
import { createAccount, inSeconds, JwtWorld, UNLIMITED } from '../unit/account/jwt-world.ts'

type Body = Parameters<JwtWorld['accountJwt']>[0]

interface Server {
  readonly port: number
  reload(config: string): Promise<void>
}

/** Operator, system account and preload are the same for both servers. */
describe('what becomes of clients when their account’s JWT changes, beside nats-server', () => {
  const world = new JwtWorld()
  const signer = createAccount()
  const keys = { signing_keys: [signer.getPublicKey()] }

  const cases: [string, Body, Body, string?][] = [
    ['nothing that concerns it', keys, { ...keys, tags: ['new'] }],
    ['its signing key is gone', keys, {}],
    ['it is revoked', keys, { ...keys, revocations: { '*': inSeconds(10) } }],
    ['bearers may not come', keys, { ...keys, limits: { ...UNLIMITED, disallow_bearer: true } }],
    [
      'the account allows less by default',
      keys,
      { ...keys, default_permissions: { sub: { allow: ['a'] }, pub: { deny: ['b'] } } },
      'PUB b 0\r\n\r\n',
    ],
    [
      'the account allows all by default',
      { ...keys, default_permissions: { pub: { allow: ['b'] } } },
      keys,
      'PUB a 1\r\nx\r\n',
    ],
    ['there may be no connections', keys, { ...keys, limits: { ...UNLIMITED, conn: 0 } }],
  ]

  async function configOf(operator: string, system: string, body: Body): Promise<string> {
    const lines = [`${world.id}: ${await world.accountJwt(body)}`]
    lines.push(`${world.system.getPublicKey()}: ${system}`)
    return `operator: ${operator}\nresolver: MEMORY\nresolver_preload {\n${lines.join('\n')}\n}`
  }

  async function play(
    server: Server,
    jwt: string,
    after: string,
    afterwards: string,
  ): Promise<string[]> {
    const client = await RawClient.connect(server.port)
    const connect = { verbose: false, pedantic: false, jwt }
    await client.converse(`CONNECT ${JSON.stringify(connect)}\r\nSUB a 1\r\nSUB b 2\r\n`)
    const from = client.transcript.length
    await server.reload(after)
    client.send(`${afterwards}PING\r\n`)
    const isAnswered = (): boolean => client.transcript.includes('PONG', from) || client.isClosed
    await client.until(isAnswered, 'an answer')
    const lines = client.transcript
      .slice(from)
      .replace(/<INFO\+?>/g, '')
      .split('\r\n')
    client.close()
    return [...lines.filter((line) => line !== ''), client.isClosed ? 'closed' : 'open']
  }

  for (const [what, before, after, afterwards = ''] of cases) {
    it(what, async () => {
      const { jwts, resolver_preload } = await world.config('')
      const system = resolver_preload[world.system.getPublicKey()]!
      const jwt = await world.userJwt({ bearer_token: true }, { signer })
      const [first, second] = [
        await configOf(jwts[0]!, system, before),
        await configOf(jwts[0]!, system, after),
      ]
      const peer = await NatsServerPeer.start(first)
      const theirs = await play(peer, jwt, second, afterwards).finally(() => peer.stop())
      const broker = await ConfiguredBroker.start(first)
      const { port } = broker.harness
      const reload = (text: string): Promise<void> => broker.reload(text)
      const ours = await play({ port, reload }, jwt, second, afterwards).finally(() =>
        broker.stop(),
      )
      assert.deepEqual(ours, theirs)
    })
  }
})
