import assert from 'node:assert/strict'
import { RawClient } from '../support/broker-harness.ts'
import { ConfiguredBroker } from '../support/configured-broker.ts'
import { NatsServerPeer } from '../support/nats-server-peer.ts'

interface Scenario {
  readonly name: string
  readonly before: string
  readonly after: string
  /** What CONNECT presents. */
  readonly login?: object
  /** Sent once the reload is done. */
  readonly afterwards?: string
}

const ADA = { user: 'ada', pass: 'x' }

function users(line: string, more = ''): string {
  return `authorization { users = [ { user: eve, password: y }, ${line} ] }\n${more}`
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'password changed',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: ada, password: z }'),
  },
  {
    name: 'user removed',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: bob, password: x }'),
  },
  {
    name: 'permissions narrowed',
    before: users('{ user: ada, password: x }'),
    after: users(
      '{ user: ada, password: x, permissions: { subscribe: ["a", "c q"], publish: "b.>" } }',
    ),
    afterwards: 'SUB e 9\r\nPUB b.c 0\r\n\r\nPUB a 1\r\nx\r\n',
  },
  {
    name: 'permissions widened',
    before: users('{ user: ada, password: x, permissions: { publish: "c", subscribe: ">" } }'),
    after: users('{ user: ada, password: x, permissions: { publish: ">", subscribe: ">" } }'),
    afterwards: 'PUB a 1\r\nx\r\n',
  },
  {
    name: 'permissions gone',
    before: users(
      '{ user: ada, password: x, permissions: { publish: "c", subscribe: { deny: "d.x" } } }',
    ),
    after: users('{ user: ada, password: x }'),
    afterwards: 'PUB a 1\r\nx\r\nPUB d.x 1\r\nx\r\n',
  },
  {
    name: 'deny within a wildcard',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: ada, password: x, permissions: { subscribe: { deny: "d.x" } } }'),
    afterwards: 'PUB d.x 1\r\nx\r\nPUB d.y 1\r\ny\r\n',
  },
  {
    name: 'connection types narrowed away',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: ada, password: x, allowed_connection_types: [WEBSOCKET] }'),
  },
  {
    name: 'connection types narrowed to this one',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: ada, password: x, allowed_connection_types: [STANDARD] }'),
  },
  {
    name: 'default permissions changed',
    before: `authorization { default_permissions: { subscribe: ">" }, users = [ { user: ada, password: x } ] }`,
    after: `authorization { default_permissions: { subscribe: "a" }, users = [ { user: ada, password: x } ] }`,
  },
  {
    name: 'default permissions of the account changed',
    before: `accounts { A { default_permissions: { subscribe: ">" }, users = [ { user: ada, password: x } ] } }`,
    after: `accounts { A { default_permissions: { subscribe: "a" }, users = [ { user: ada, password: x } ] } }`,
  },
  {
    name: 'account changed',
    before: `accounts { A { users = [ { user: ada, password: x } ] }, B {} }`,
    after: `accounts { A {}, B { users = [ { user: ada, password: x } ] } }`,
  },
  {
    name: 'account removed',
    before: `accounts { A { users = [ { user: ada, password: x } ] }, B { users = [ { user: b, password: b } ] } }`,
    after: `accounts { B { users = [ { user: b, password: b } ] } }`,
  },
  {
    name: 'another account',
    before: `accounts { A { users = [ { user: ada, password: x } ] }, B { users = [ { user: b, password: b } ] } }`,
    after: `accounts { A { users = [ { user: ada, password: x } ] }, C { users = [ { user: b, password: b } ] } }`,
  },
  {
    name: 'token changed',
    before: `authorization { token: t }`,
    after: `authorization { token: u }`,
    login: { auth_token: 't' },
  },
  {
    name: 'open server closed, with a name',
    before: '',
    after: `authorization { token: u }`,
  },
  {
    name: 'open server closed, without a name',
    before: '',
    after: `authorization { token: u }`,
    login: {},
  },
  {
    name: 'token to open',
    before: `authorization { token: t }`,
    after: '',
    login: { auth_token: 't' },
  },
  {
    name: 'users to open',
    before: users('{ user: ada, password: x }'),
    after: '',
  },
  {
    name: 'no_auth_user, its password',
    before: users('{ user: ada, password: x }', 'no_auth_user: ada'),
    after: users('{ user: ada, password: z }', 'no_auth_user: ada'),
    login: {},
  },
  {
    name: 'proxy required',
    before: users('{ user: ada, password: x }'),
    after: users('{ user: ada, password: x, proxy_required: true }'),
  },
]

const SUBSCRIPTIONS = 'SUB a 1\r\nSUB b 2\r\nSUB c q 3\r\nSUB d.* 4\r\n'

interface Server {
  readonly port: number
  reload(config: string): Promise<void>
}

async function play(server: Server, scenario: Scenario): Promise<string> {
  const { login = ADA, after } = scenario
  const client = await RawClient.connect(server.port)
  try {
    const connect = { verbose: false, pedantic: false, headers: true, protocol: 1, ...login }
    await client.converse(`CONNECT ${JSON.stringify(connect)}\r\n${SUBSCRIPTIONS}`)
    const from = client.transcript.length
    await server.reload(after)
    client.send(`${scenario.afterwards ?? ''}PING\r\n`)
    const isAnswered = (): boolean => client.transcript.includes('PONG', from) || client.isClosed
    await client.until(isAnswered, 'an answer')
    const lines = client.transcript
      .slice(from)
      .replace(/<INFO\+?>/g, '')
      .split('\r\n')
    // In which order subscriptions are gone through is chance.
    const removed = lines.filter((line) => line.includes('(sid')).sort()
    const others = lines.filter((line) => line !== '' && !line.includes('(sid'))
    return [...removed, ...others, ...(client.isClosed ? ['closed'] : [])].join(' | ')
  } finally {
    client.close()
  }
}

describe('what becomes of clients when a reload changes users, beside nats-server', () => {
  for (const scenario of SCENARIOS) {
    it(scenario.name, async () => {
      const peer = await NatsServerPeer.start(scenario.before)
      const theirs = await play(peer, scenario).finally(() => peer.stop())
      const broker = await ConfiguredBroker.start(scenario.before)
      const server = { port: broker.harness.port, reload: (text: string) => broker.reload(text) }
      const ours = await play(server, scenario).finally(() => broker.stop())
      assert.equal(ours, theirs)
    })
  }
})
