import assert from 'node:assert/strict'
import { compilePermissions, type Identity, StaticAccountBook } from '../../shared/account/index.ts'
import type { BrokerObserver } from '../../shared/broker/index.ts'
import type { AccountConfig } from '../../shared/config/index.ts'
import {
  BrokerHarness,
  type BrokerHarnessOptions,
  type RawClient,
} from '../support/broker-harness.ts'
import { eventually } from '../support/link-node.ts'
import { StubAuthenticator } from '../support/stub-authenticator.ts'

const login = (user: string): string =>
  `CONNECT {"verbose":false,"pedantic":false,"headers":true,"protocol":1,"user":"${user}","pass":"p"}\r\n`

const RED: AccountConfig = {
  name: 'red',
  nkey: '',
  exports: [],
  imports: [],
  mappings: [],
  default_permissions: undefined,
  limits: { max_connections: -1, max_subscriptions: -1, max_payload: -1, max_leafnodes: -1 },
  jetstream: false,
  msg_trace: undefined,
}

function limited(limits: Partial<AccountConfig['limits']>): AccountConfig {
  return { ...RED, limits: { ...RED.limits, ...limits } }
}

describe('who is let in, and for how long', () => {
  let harness: BrokerHarness
  let door: StubAuthenticator
  const events: string[] = []

  const observer: BrokerObserver = {
    connected: ({ user, account }) => void events.push(`connected ${user} ${account}`),
    disconnected: ({ user, reason }) => void events.push(`disconnected ${user} ${reason}`),
    authenticationFailed: ({ user }, reason) => void events.push(`failed ${user} ${reason}`),
  }

  async function start(options: BrokerHarnessOptions = {}): Promise<void> {
    door = new StubAuthenticator()
    for (const user of ['ada', 'bob', 'eve']) door.users.set(user, { user, account: 'red' })
    events.length = 0
    harness = await BrokerHarness.start({
      authenticator: door,
      ...options,
      dependencies: { observer, ...options.dependencies },
    })
  }

  afterEach(() => harness.stop())

  /** An authenticator that answers when it is told to. */
  function slowUser(user: string): (identity: Identity | undefined) => void {
    let answer: (identity: Identity | undefined) => void = () => {}
    const promise = new Promise<Identity | undefined>((resolve) => {
      answer = resolve
    })
    door.users.set(user, () => promise)
    return answer
  }

  it('tells monitoring of proxies what it does not tell the client', async () => {
    await start()
    door.refusalOf = () => 'proxy_required'
    const client = await harness.connect()
    client.send(login('mallory'))
    await client.closed()
    assert.equal(client.transcript, "<INFO>-ERR 'Authorization Violation'\r\n")
    assert.deepEqual(events, ['failed mallory Proxy Required'])
  })

  describe('1 authentication that takes its time', () => {
    it('1.1 what is pipelined behind CONNECT waits, and is answered in order', async () => {
      await start()
      const answer = slowUser('late')
      const client = await harness.connect()
      client.send(`${login('late')}SUB a 1\r\nPUB a 2\r\nhi\r\nPING\r\n`)
      await eventually(() => door.asked.length === 1, 'the authenticator is asked')
      assert.equal(client.transcript, '<INFO>')
      answer({ user: 'late', account: 'red' })
      await client.expect('PONG\r\n')
      assert.equal(client.transcript, '<INFO>MSG a 1 2\r\nhi\r\nPONG\r\n<INFO+>')
      assert.deepEqual(events, ['connected late red'])
    })

    it('who has said all and leaves is heard all the same, as nats-server reads it', async () => {
      await start()
      const answer = slowUser('late')
      const listener = await harness.connect()
      await listener.converse(`${login('ada')}SUB a 1\r\n`)
      const client = await harness.connect()
      client.send(`${login('late')}PUB a 2\r\nhi\r\n`).socket.end()
      await eventually(() => door.asked.length === 2, 'the authenticator is asked')
      answer({ user: 'late', account: 'red' })
      await listener.expect('MSG a 1 2\r\nhi\r\n')
      await client.closed()
      await eventually(() => harness.broker.connections.size === 1, 'it is gone')
    })

    it('1.2 more than one read fits behind it', async () => {
      await start()
      const answer = slowUser('late')
      const client = await harness.connect()
      const count = 20_000
      client.send(
        `${login('late')}SUB a 1\r\n${'PUB a 10\r\n0123456789\r\n'.repeat(count)}PING\r\n`,
      )
      await eventually(() => door.asked.length === 1, 'the authenticator is asked')
      answer({ user: 'late', account: 'red' })
      await client.expect('PONG\r\n')
      assert.equal(client.received.split('MSG a 1 10\r\n').length - 1, count)
    })

    it('1.3 a refusal leaves before any PONG', async () => {
      await start()
      const answer = slowUser('late')
      const client = await harness.connect()
      client.send(`${login('late')}PING\r\n`)
      await eventually(() => door.asked.length === 1, 'the authenticator is asked')
      answer(undefined)
      await client.closed()
      assert.equal(client.transcript, `<INFO>-ERR 'Authorization Violation'\r\n`)
      assert.deepEqual(events, ['failed late Authentication Failure'])
    })

    it('1.4 who has said who it is was in time, however long others take to find out', async () => {
      await start({ options: { authTimeoutMs: 500 } })
      const answer = slowUser('late')
      const client = await harness.connect()
      client.send(`${login('late')}PING\r\n`)
      await eventually(() => door.asked.length === 1, 'the authenticator is asked')
      const silent = await harness.connect()
      await silent.closed()
      assert.equal(silent.transcript, `<INFO>-ERR 'Authentication Timeout'\r\n`)
      answer({ user: 'late', account: 'red' })
      await client.expect('PONG\r\n')
      assert.equal(client.transcript, '<INFO>PONG\r\n<INFO+>')
    })

    it('1.5 who has left meanwhile is not let in', async () => {
      await start()
      const answer = slowUser('late')
      const client = await harness.connect()
      client.send(login('late'))
      await eventually(() => door.asked.length === 1, 'the authenticator is asked')
      client.close()
      await eventually(() => harness.broker.connections.size === 0, 'the client has left')
      answer({ user: 'late', account: 'red' })
      await Promise.resolve()
      assert.equal(harness.broker.connectionsOf('red').size, 0)
    })

    it('1.6 who logs in by signature gets another nonce each time', async () => {
      await start()
      door.needsNonce = true
      const clients = [await harness.connect(), await harness.connect()]
      const nonces: string[] = []
      for (const client of clients) {
        await client.expect('INFO')
        const nonce = String(client.info['nonce'])
        assert.match(nonce, /^[A-Za-z0-9_-]{15}$/)
        nonces.push(nonce)
        await client.converse(
          'CONNECT {"verbose":false,"protocol":1,"user":"ada","nkey":"U","sig":"s","jwt":"j","proxy_sig":"p","name":"n","lang":"l","version":"v"}\r\n',
        )
        assert.doesNotMatch(client.received.split('PONG')[1] ?? '', /nonce/)
      }
      assert.notEqual(nonces[0], nonces[1])
      const { client, applicant, ...asked } = door.asked[0] ?? {}
      assert.equal(applicant?.hasEnded, false)
      assert.deepEqual(asked, {
        user: 'ada',
        nkey: 'U',
        signature: 's',
        jwt: 'j',
        proxySignature: 'p',
        nonce: nonces[0],
        connectionType: 'STANDARD',
        remoteAddress: '127.0.0.1',
      })
      assert.deepEqual(
        { ...client, id: 0 },
        { id: 0, name: 'n', lang: 'l', version: 'v', protocol: 1 },
      )
    })
  })

  describe('2 the end of a stay', () => {
    it('2.1 a user whose time is up is told so', async () => {
      await start()
      door.users.set('ada', { user: 'ada', account: 'red', expiresMs: Date.now() + 30 })
      const client = await harness.connect()
      client.send(login('ada'))
      await client.closed()
      assert.equal(client.transcript, `<INFO>-ERR 'User Authentication Expired'\r\n`)
      assert.deepEqual(events.at(-1), 'disconnected ada Authentication Expired')
    })

    for (const [error, text, reason] of [
      ['user_revoked', 'User Authentication Revoked', 'Credentials Revoked'],
      ['account_expired', 'Account Authentication Expired', 'Authentication Expired'],
      ['authorization', 'Authorization Violation', 'Authentication Failure'],
    ] as const) {
      it(`2.2 ${text}, of those whom it concerns`, async () => {
        await start()
        const [ada, bob] = [await harness.connect(), await harness.connect()]
        await ada.converse(login('ada'))
        await bob.converse(login('bob'))
        door.expelled.set('ada', error)
        harness.broker.recheck()
        await ada.closed()
        assert.match(ada.received, new RegExp(`-ERR '${text}'\\r\\n$`))
        assert.deepEqual(events.at(-1), `disconnected ada ${reason}`)
        bob.received = ''
        await bob.converse('')
      })
    }

    it('2.6 whose permissions have changed stays, and loses what he may not have', async () => {
      await start()
      const client = await harness.connect()
      await client.converse(`${login('ada')}SUB a.> 1\r\nSUB b q 2\r\nSUB c 3\r\n`)
      client.received = ''
      const permissions = compilePermissions({
        publish: { allow: ['c'], deny: [] },
        subscribe: { allow: ['a.>', 'c'], deny: ['a.secret'] },
        allow_responses: undefined,
      })
      door.users.set('ada', { user: 'ada', account: 'red', permissions })
      harness.broker.recheck()
      client.send('PUB a.x 1\r\nx\r\nPUB c 1\r\ny\r\n')
      const honest = await harness.connect()
      await honest.converse(`${login('bob')}PUB a.secret 1\r\ns\r\nPUB a.open 1\r\no\r\n`)
      await client.expect('MSG a.open 1 1\r\no\r\n')
      await client.expect('MSG c 3 1\r\ny\r\n')
      assert.match(
        client.received,
        /^-ERR 'Permissions Violation for Subscription to "b" using queue "q" \(sid "2"\)'\r\n/,
      )
      assert.match(client.received, /-ERR 'Permissions Violation for Publish to "a.x"'\r\n/)
      assert.doesNotMatch(client.received, /secret/)
    })

    it('2.3 kicked by an operator, without a word', async () => {
      await start()
      const client = await harness.connect()
      await client.converse(login('ada'))
      const [id = -1] = harness.broker.connections.keys()
      assert.equal(harness.broker.kick(id), true)
      assert.equal(harness.broker.kick(99_999), false)
      await client.closed()
      assert.doesNotMatch(client.received, /-ERR/)
      assert.deepEqual(events.at(-1), 'disconnected ada Kicked')
    })

    it('2.4 told to go elsewhere, and not sent away', async () => {
      await start()
      const client = await harness.connect()
      await client.converse(login('ada'))
      const [id = -1] = harness.broker.connections.keys()
      assert.equal(harness.broker.sendAway(id), true)
      await client.expect('"ldm":true')
      client.received = ''
      await client.converse('')
    })

    it('2.5 a lame duck waits, and closes one after the other', async () => {
      await start()
      const clients: RawClient[] = []
      for (let i = 0; i < 5; i++) clients.push(await harness.connect())
      for (const client of clients) await client.converse(login('ada'))
      const done = harness.broker.lameDuck({ graceMs: 30, durationMs: 60 })
      for (const client of clients) await client.expect('"ldm":true')
      assert.equal(harness.broker.connections.size, 5)
      await done
      for (const client of clients) await client.closed()
      const late = await harness.connect()
      await late.closed()
      assert.equal(late.received, '')
    })
  })

  describe('3 limits of an account', () => {
    it('3.1 one connection too many', async () => {
      const book = new StaticAccountBook([limited({ max_connections: 1 })], '')
      await start({ dependencies: { accounts: book } })
      const first = await harness.connect()
      await first.converse(login('ada'))
      const second = await harness.connect()
      second.send(`${login('bob')}PING\r\n`)
      await second.closed()
      assert.equal(
        second.transcript,
        `<INFO>-ERR 'maximum account active connections exceeded'\r\n`,
      )
      assert.equal(
        harness.broker.closedConnections.at(-1)?.reason,
        'Maximum Account Connections Exceeded',
      )
      const seat = { expel: () => {} }
      assert.equal(harness.broker.takeSeat('red', seat), false)
      first.close()
      await eventually(() => harness.broker.connectionsOf('red').size === 0, 'the first has left')
      assert.equal(harness.broker.takeSeat('red', seat), true)
      assert.equal(harness.broker.accountTotals('red').connections, 1)
      harness.broker.leaveSeat('red', seat)
      harness.broker.leaveSeat('red', seat)
      assert.equal(harness.broker.accountTotals('red').connections, 0)
    })

    it('3.2 when there is less room than before, the oldest stay', async () => {
      const book = new StaticAccountBook([RED], '')
      await start({ dependencies: { accounts: book } })
      const clients: RawClient[] = []
      for (const user of ['ada', 'bob', 'eve']) {
        const client = await harness.connect()
        await client.converse(login(user))
        clients.push(client)
      }
      book.update([limited({ max_connections: 1 })], '', 0)
      await clients[1]?.closed()
      await clients[2]?.closed()
      for (const client of clients.slice(1)) {
        assert.match(client.received, /-ERR 'maximum account active connections exceeded'\r\n$/)
      }
      assert.deepEqual(
        [...harness.broker.connectionsOf('red')].map(({ identity }) => identity?.user),
        ['ada'],
      )
    })

    it('3.3 payload and subscriptions: the lowest of server, account and user', async () => {
      const book = new StaticAccountBook([limited({ max_payload: 20, max_subscriptions: 2 })], '')
      await start({ dependencies: { accounts: book }, options: { payloadBytesMax: 30 } })
      door.users.set('bob', {
        user: 'bob',
        account: 'red',
        limits: { payloadBytes: 5, subscriptions: 1 },
      })
      const ada = await harness.connect()
      await ada.converse(`${login('ada')}SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n`)
      assert.match(ada.received, /INFO [^\r]*"max_payload":30.*INFO [^\r]*"max_payload":20/s)
      assert.match(ada.received, /-ERR 'maximum subscriptions exceeded'\r\nPONG/)
      ada.send('PUB a 21\r\n')
      await ada.closed()
      assert.match(ada.received, /-ERR 'Maximum Payload Violation'\r\n$/)
      const bob = await harness.connect()
      await bob.converse(`${login('bob')}SUB a 1\r\nPUB a 5\r\n12345\r\nSUB b 2\r\n`)
      assert.match(
        bob.received,
        /MSG a 1 5\r\n12345\r\n-ERR 'maximum subscriptions exceeded'\r\nPONG/,
      )
    })

    it('3.4 a limit that sinks below what is there closes', async () => {
      const book = new StaticAccountBook([RED], '')
      await start({ dependencies: { accounts: book } })
      const client = await harness.connect()
      await client.converse(`${login('ada')}SUB a 1\r\nSUB b 2\r\n`)
      book.update([limited({ max_subscriptions: 1 })], '', 0)
      await client.closed()
      assert.match(client.received, /-ERR 'maximum subscriptions exceeded'\r\n$/)
      assert.equal(events.at(-1), 'disconnected ada Maximum Subscriptions Exceeded')
    })

    it('3.5 mappings come and go with the account', async () => {
      const mapped = [
        { subject: 'old', destinations: [{ subject: 'new', weight: 100, cluster: '' }] },
      ]
      const book = new StaticAccountBook([{ ...RED, mappings: mapped }], '')
      await start({ dependencies: { accounts: book } })
      const client = await harness.connect()
      await client.converse(
        `${login('ada')}SUB > 1\r\nPUB old 1\r\na\r\nPUB old 1\r\nb\r\nPUB older 1\r\nc\r\n`,
      )
      assert.match(
        client.received,
        /MSG new 1 1\r\na\r\nMSG new 1 1\r\nb\r\nMSG older 1 1\r\nc\r\nPONG/,
      )
      book.update([RED], '', 0)
      client.received = ''
      await client.converse('PUB old 1\r\nd\r\n')
      assert.match(client.received, /MSG old 1 1\r\nd\r\n/)
    })

    it('3.6 sums of an account outlive its connections, and do not mix', async () => {
      await start()
      door.users.set('eve', { user: 'eve', account: 'blue' })
      const client = await harness.connect()
      await client.converse(`${login('ada')}SUB a 1\r\nPUB a 2\r\nhi\r\n`)
      client.received = ''
      await client.converse(`${login('eve')}SUB a 1\r\nPUB a 3\r\nhey\r\n`)
      client.close()
      await eventually(() => harness.broker.connectionsOf('blue').size === 0, 'the client has left')
      const red = harness.broker.accountTotals('red')
      const blue = harness.broker.accountTotals('blue')
      assert.deepEqual([red.inMessages, red.inBytes, red.outMessages, red.outBytes], [1, 2, 1, 2])
      assert.deepEqual(
        [blue.inMessages, blue.inBytes, blue.outMessages, blue.outBytes],
        [1, 3, 1, 3],
      )
    })
  })
})
