import assert from 'node:assert/strict'
import { RawClient } from '../support/broker-harness.ts'
import { ConfiguredBroker } from '../support/configured-broker.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

const CONFIG = `authorization { users = [
  { user: root, password: x }
  { user: star, password: x, permissions: { subscribe: "foo.*" } }
  { user: middle, password: x, permissions: { subscribe: "foo.*.bar" } }
  { user: one, password: x, permissions: { subscribe: "*" } }
  { user: denied, password: x, permissions: { subscribe: { allow: "foo.>", deny: "foo.*" } } }
  { user: deep, password: x, permissions: { publish: "foo.*", subscribe: "foo.*.>" } }
  { user: group, password: x, permissions: { subscribe: "foo.* q" } }
  { user: twice, password: x, permissions: { subscribe: "req", allow_responses: { max: 2, expires: "1m" } } }
  { user: once, password: x, permissions: { subscribe: "req", publish: "out", allow_responses: true } }
  { user: never, password: x, permissions: { subscribe: "req", publish: { deny: "reply.x" }, allow_responses: true } }
] }`

/** Who subscribes to what; `wider` is what nats-server lets in beyond what is allowed (decision 0008). */
const SUBSCRIPTIONS: readonly (readonly [user: string, subject: string, wider?: 'wider'])[] = [
  ['star', 'foo.>', 'wider'],
  ['star', 'foo.> q', 'wider'],
  ['one', '>', 'wider'],
  ['group', 'foo.> q', 'wider'],
  ['star', 'foo.*'],
  ['star', '>'],
  ['star', '*'],
  ['star', 'foo.*.>'],
  ['middle', 'foo.>.bar'],
  ['middle', 'foo.*.>'],
  ['middle', 'foo.>'],
  ['one', '*'],
  ['denied', 'foo.>'],
  ['denied', 'foo.*'],
  ['denied', 'foo.*.x'],
  ['deep', 'foo.>'],
  ['deep', 'foo.*.>'],
  ['deep', 'foo.x.>'],
  ['group', 'foo.>'],
]

const RESPONDERS = ['twice', 'once', 'never']

describe('what permissions let in, beside nats-server', () => {
  let peer: NatsServerPeer
  let broker: ConfiguredBroker

  before(async () => {
    peer = await NatsServerPeer.start(CONFIG)
    broker = await ConfiguredBroker.start(CONFIG)
  })

  after(async () => {
    await peer.stop()
    await broker.stop()
  })

  for (const [user, subject, wider] of SUBSCRIPTIONS) {
    it(`${user} subscribes to ${subject}`, async () => {
      const theirs = await subscribe(peer.port, user, subject)
      const ours = await subscribe(broker.harness.port, user, subject)
      if (wider === undefined) assert.deepEqual(ours, theirs)
      else {
        assert.ok(theirs.includes('MSG foo.x.y 1 1'), theirs.join())
        assert.equal(ours.length, 1)
        assert.match(ours[0]!, /^-ERR 'Permissions Violation for Subscription to /)
      }
    })
  }

  for (const user of RESPONDERS) {
    it(`${user} may answer`, async () => {
      const theirs = await respond(peer.port, user)
      assert.deepEqual(await respond(broker.harness.port, user), theirs)
    })
  }
})

async function login(port: number, user: string): Promise<RawClient> {
  const client = await RawClient.connect(port)
  const connect = { user, pass: 'x', verbose: false, pedantic: false }
  await client.converse(`CONNECT ${JSON.stringify(connect)}\r\n`)
  return client
}

/** Sends, and waits until the server has answered all that came before. */
async function fenced(client: RawClient, input: string): Promise<void> {
  const pongs = client.received.split('PONG').length
  client.send(`${input}PING\r\n`)
  await client.until(() => client.received.split('PONG').length > pongs, 'PONG')
}

function linesOf(client: RawClient): string[] {
  const lines = client.transcript.replace(/<INFO\+?>/g, '').split('\r\n')
  return lines.filter((line) => /^(MSG|-ERR)/.test(line))
}

async function subscribe(port: number, user: string, subject: string): Promise<string[]> {
  const [client, root] = [await login(port, user), await login(port, 'root')]
  await fenced(client, `SUB ${subject} 1\r\n`)
  const subjects = ['foo.x', 'foo.x.y', 'foo.x.bar', 'bar']
  await fenced(root, subjects.map((each) => `PUB ${each} 1\r\nx\r\n`).join(''))
  // nats-server may answer a PING before messages of others that came earlier.
  await fenced(client, '')
  await fenced(client, '')
  client.close()
  root.close()
  return linesOf(client)
}

async function respond(port: number, user: string): Promise<string[]> {
  const [client, root] = [await login(port, user), await login(port, 'root')]
  await fenced(root, 'SUB reply.> 1\r\nSUB other.> 2\r\n')
  await fenced(client, 'SUB req 1\r\n')
  root.send('PUB req reply.x 1\r\nr\r\n')
  await client.expect('MSG req')
  const answers = ['reply.x other.y', 'reply.x', 'reply.x', 'reply.y', 'out']
  await fenced(client, answers.map((each) => `PUB ${each} 1\r\na\r\n`).join(''))
  await fenced(root, '')
  await fenced(root, '')
  client.close()
  root.close()
  return [...linesOf(client), ...linesOf(root)]
}
