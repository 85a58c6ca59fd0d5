import assert from 'node:assert/strict'
import { once } from 'node:events'
import { BrokerHarness, type BrokerHarnessOptions } from '../support/broker-harness.ts'

/** What happens at the limits of a connection: credentials, time, room, and readers that do not read. */
const PLAIN = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
const LOGIN = { users: [{ user: 'ada', password: 'x1' }] }

describe('core protocol limits', () => {
  let harness: BrokerHarness

  async function start(options: BrokerHarnessOptions): Promise<void> {
    harness = await BrokerHarness.start(options)
  }
  afterEach(() => harness.stop())

  describe('1 credentials', () => {
    it('1.1 INFO asks for them, and the first word must be CONNECT', async () => {
      await start({ authorization: LOGIN })
      for (const input of ['PING\r\n', 'SUB a 1\r\n', 'CONNECT {}\r\nPING\r\n']) {
        const client = await harness.connect()
        client.send(input)
        await client.closed()
        assert.equal(client.info['auth_required'], true)
        assert.equal(client.transcript, `<INFO>-ERR 'Authorization Violation'\r\n`)
      }
    })

    it('1.2 the right ones let in, the wrong ones get no PONG', async () => {
      await start({ authorization: LOGIN })
      const right = await harness.connect()
      const login = 'CONNECT {"verbose":false,"user":"ada","pass":"x1"}\r\n'
      assert.equal(await right.converse(login), '<INFO>PONG\r\n')
      const wrong = await harness.connect()
      wrong.send('CONNECT {"verbose":false,"user":"ada","pass":"x2"}\r\nPING\r\n')
      await wrong.closed()
      assert.equal(wrong.transcript, `<INFO>-ERR 'Authorization Violation'\r\n`)
    })

    it('1.3 who says nothing is sent away', async () => {
      await start({ authorization: LOGIN, options: { authTimeoutMs: 30 } })
      const client = await harness.connect()
      await client.closed()
      assert.equal(client.transcript, `<INFO>-ERR 'Authentication Timeout'\r\n`)
      assert.equal(harness.broker.closedConnections.at(-1)?.reason, 'Authentication Timeout')
    })

    it('1.4 CONNECT as somebody else leaves the subscriptions behind', async () => {
      const users = ['red', 'blue'].map((user) => ({ user, password: 'p', account: user }))
      await start({ authorization: { users, noAuthUser: 'red' } })
      const client = await harness.connect()
      const login = 'CONNECT {"verbose":false,"pedantic":false,"user":"blue","pass":"p"}\r\n'
      await client.converse(`${PLAIN}SUB a 1\r\n${login}`)
      assert.equal(harness.broker.space('red').hasInterest('a'), false)
      assert.equal(harness.broker.space('blue').hasInterest('a'), false)
      client.received = ''
      await client.converse('SUB a 1\r\nPUB a 2\r\nhi\r\n')
      assert.match(client.received, /MSG a 1 2\r\nhi\r\n/)
    })
  })

  describe('2 liveness', () => {
    it('2.1 a client that answers no PING is stale', async () => {
      await start({ options: { firstPingMs: 10, pingIntervalMs: 20, pingsOutMax: 2 } })
      const client = await harness.connect()
      await client.closed()
      assert.equal(client.transcript, `<INFO>PING\r\nPING\r\n-ERR 'Stale Connection'\r\n`)
    })

    it('2.2 one that answers, or talks, is not', async () => {
      await start({ options: { firstPingMs: 5, pingIntervalMs: 100, pingsOutMax: 1 } })
      const client = await harness.connect()
      client.socket.on('data', (bytes) => {
        if (bytes.includes('PING')) client.send('PONG\r\n')
      })
      await client.until(() => client.received.split('PING').length > 6, '6 PINGs')
      assert.equal(client.isClosed, false)
      const [connection] = harness.broker.connections.values()
      assert.ok((connection?.roundTripMs ?? -1) >= 0)
    })
  })

  describe('3 room', () => {
    it('3.1 one connection too many is told so behind INFO', async () => {
      await start({ options: { connectionsMax: 1 } })
      const first = await harness.connect()
      await first.converse(PLAIN)
      const second = await harness.connect()
      await second.closed()
      assert.equal(second.transcript, `<INFO>-ERR 'maximum connections exceeded'\r\n`)
      await first.converse('')
    })

    it('3.2 one subscription too many is refused, and a known sid as well', async () => {
      await start({ options: { subscriptionsMax: 2 } })
      const client = await harness.connect()
      const output = await client.converse(`${PLAIN}SUB a 1\r\nSUB b 2\r\nSUB b 2\r\nSUB c 3\r\n`)
      const refusal = `-ERR 'maximum subscriptions exceeded'\r\n`
      assert.equal(output, `<INFO>${refusal}${refusal}PONG\r\n`)
    })

    it('3.3 limits of payload and control line are those of the options', async () => {
      await start({ options: { payloadBytesMax: 10, controlLineBytesMax: 50 } })
      for (const [input, error] of [
        ['PUB a 11\r\n', 'Maximum Payload Violation'],
        [`SUB ${'a'.repeat(60)} 1\r\n`, 'maximum control line exceeded'],
      ]) {
        const client = await harness.connect()
        client.send(`${PLAIN}${input}`)
        await client.closed()
        assert.equal(client.transcript, `<INFO>-ERR '${error}'\r\n`)
      }
    })
  })

  describe('4 slow consumers', () => {
    const PENDING_MAX = 8 * 1024 * 1024

    it('4.1 one that reads nothing is cut off, the publisher and the others go on', async () => {
      await start({ options: { pendingBytesMax: PENDING_MAX } })
      const frozen = await harness.connect()
      await frozen.converse(`${PLAIN}SUB a 1\r\n`)
      const reader = await harness.connect()
      await reader.converse(`${PLAIN}SUB a 1\r\n`)
      const connection = [...harness.broker.connections.values()][0]
      frozen.socket.pause()
      const publisher = await harness.connect()
      await publisher.converse(PLAIN)
      const block = `PUB a 1000\r\n${'x'.repeat(1000)}\r\n`.repeat(1000)
      let sent = 0
      for (; harness.broker.totals.slowConsumers === 0; sent += 1000) {
        assert.ok(sent < 200_000, 'cut off within 200 MB')
        publisher.send(block)
        await publisher.converse('')
        publisher.received = ''
      }
      assert.equal(connection?.closeReason, 'Slow Consumer (Pending Bytes)')
      assert.ok((connection?.outlet.stalls ?? 0) > 0, 'the publisher was held up first')
      const each = 'MSG a 1 1000\r\n'.length + 1002
      await reader.until(() => reader.received.length >= sent * each, `${sent} messages`)
      assert.equal(harness.broker.space('$G').hasInterest('a'), true)
      frozen.socket.resume()
      await frozen.closed()
    })

    it('4.2 one that sends PINGs and reads no PONGs is cut off too', async () => {
      await start({ options: { pendingBytesMax: 256 * 1024 } })
      const client = await harness.connect()
      client.socket.pause()
      const block = 'PING\r\n'.repeat(50_000)
      while (harness.broker.totals.slowConsumers === 0) {
        if (!client.socket.write(block)) {
          await Promise.race([once(client.socket, 'drain'), client.closed()]).catch(() => {})
        }
      }
      assert.equal(harness.broker.connections.size, 0)
    })
  })

  describe('5 the end', () => {
    it('5.1 a lame duck says so before it goes', async () => {
      await start({})
      const client = await harness.connect()
      await client.converse('CONNECT {"verbose":false,"protocol":1}\r\n')
      await harness.broker.drain(20)
      await client.closed()
      assert.match(client.received, /"ldm":true/)
      assert.equal(harness.broker.closedConnections.at(-1)?.reason, 'Server Shutdown')
    })

    it('5.2 what was on its way is delivered before the end', async () => {
      await start({})
      const client = await harness.connect()
      await client.converse(`${PLAIN}SUB a 1\r\n`)
      const publisher = await harness.connect()
      await publisher.converse(`${PLAIN}${'PUB a 1\r\nx\r\n'.repeat(5000)}`)
      await harness.broker.drain()
      await client.closed()
      assert.equal(client.received.split('MSG a 1 1\r\nx\r\n').length - 1, 5000)
    })

    it('5.3 the sums outlive the connections', async () => {
      await start({})
      const client = await harness.connect()
      await client.converse(
        `${PLAIN}SUB a 1\r\nPUB a 3\r\nabc\r\nPUB a 70000\r\n${'x'.repeat(70_000)}\r\n`,
      )
      const before = harness.broker.totals
      await harness.broker.drain()
      const { inMessages, inBytes, outMessages, outBytes } = harness.broker.totals
      assert.deepEqual([inMessages, inBytes, outMessages, outBytes], [2, 70_003, 2, 70_003])
      assert.deepEqual([before.inMessages, before.outBytes, before.subscriptions], [2, 70_003, 1])
    })
  })
})
