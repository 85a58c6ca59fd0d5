import assert from 'node:assert/strict'
import { BrokerHarness } from '../support/broker-harness.ts'

/** Raw transcripts over real sockets, numbered by topic. The answers are nats-server's (2.15.2), from the same input. */
const CONNECT =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\n'
const PLAIN = 'CONNECT {"verbose":false,"pedantic":false}\r\n'
const UNKNOWN = `<INFO>-ERR 'Unknown Protocol Operation'\r\n`
/** Arguments that make no sense are not answered. */
const WORDLESS = '<INFO>'
const ALIVE = 'PONG\r\n<INFO+>'
const SILENT = 'PONG\r\n'
const NO_HEADERS = 'NATS/1.0\r\n\r\n'

interface Case {
  readonly name: string
  readonly input: string
  readonly output: string
}

/** What a conversation that ends with our own PING says. */
const ANSWERS: readonly Case[] = [
  // 1 Handshake
  { name: '1.1 CONNECT may be left out', input: '', output: `<INFO>${SILENT}` },
  {
    name: '1.2 the first PONG is followed by the account',
    input: CONNECT,
    output: `<INFO>${ALIVE}`,
  },
  {
    name: '1.3 it is told once',
    input: `${CONNECT}PING\r\n`,
    output: `<INFO>${ALIVE}${SILENT}`,
  },
  { name: '1.4 protocol 0 is told nothing', input: PLAIN, output: `<INFO>${SILENT}` },
  {
    name: '1.5 CONNECT may come again, and adds to what was said',
    input: `${CONNECT}CONNECT {"verbose":true}\r\n`,
    output: `<INFO>+OK\r\n${ALIVE}`,
  },
  {
    name: '1.6 INFO and +OK are passed over',
    input: `${CONNECT}INFO {}\r\n+OK\r\n`,
    output: `<INFO>${ALIVE}`,
  },
  {
    name: '1.7 of PING and +OK the name is enough',
    input: `${CONNECT}PINGxyz\r\n+OKxyz\r\n`,
    output: `<INFO>${ALIVE}${SILENT}`,
  },
  {
    name: '1.8 CONNECT may say nothing, in any case, and what nobody knows',
    input:
      'CONNECT null\r\nconnect{"VERBOSE":false,"Pedantic":false,"foo":[1],"user":null}\r\nSUB a 1\r\n',
    output: `<INFO>+OK\r\n${SILENT}`,
  },
  {
    name: '1.9 CONNECT again ends what was subscribed to',
    input: `${CONNECT}SUB a 1\r\n${CONNECT}PUB a 1\r\nx\r\n`,
    output: `<INFO>${ALIVE}`,
  },
  // 2 Verbose and pedantic
  {
    name: '2.1 both hold until CONNECT says otherwise',
    input: 'SUB a 1\r\nPUB a 1\r\nx\r\nPUB a.* 1\r\nx\r\n',
    output: `<INFO>+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\n${SILENT}`,
  },
  {
    name: '2.2 +OK after CONNECT, SUB (also of a known sid), PUB and UNSUB',
    input:
      'CONNECT {"verbose":true,"pedantic":false}\r\nSUB a 1\r\nSUB b 1\r\nPUB b 1\r\nx\r\nUNSUB 9\r\n',
    output: `<INFO>+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n${SILENT}`,
  },
  {
    name: '2.3 pedantic complains of subjects that nobody can receive',
    input:
      'CONNECT {"verbose":false,"pedantic":true}\r\nPUB a.* 1\r\nx\r\nPUB a..b 1\r\nx\r\nSUB a..b 2\r\n',
    output: `<INFO>-ERR 'Invalid Publish Subject'\r\n-ERR 'Invalid Publish Subject'\r\n-ERR 'Invalid Subject'\r\n${SILENT}`,
  },
  // 3 Spelling
  {
    name: '3.1 operations in lower case',
    input: `connect {"verbose":false}\r\nsub a 1\r\npub a 2\r\nhi\r\nping\r\n`,
    output: `<INFO>MSG a 1 2\r\nhi\r\n${SILENT}${SILENT}`,
  },
  {
    name: '3.2 tabs and runs of blanks',
    input: `${PLAIN}SUB\ta   1  \r\nPUB\ta\t\tr\t 2\r\nhi\r\nPUB   a  2 \r\nhi\r\n`,
    output: `<INFO>MSG a 1 r 2\r\nhi\r\nMSG a 1 2\r\nhi\r\n${SILENT}`,
  },
  {
    name: '3.3 a bare line feed ends a control line',
    input: `${PLAIN}SUB a 1\nPUB a 2\nhi\r\n`,
    output: `<INFO>MSG a 1 2\r\nhi\r\n${SILENT}`,
  },
  {
    name: '3.4 words behind PING',
    input: `${PLAIN}PING xx\r\n`,
    output: `<INFO>${SILENT}${SILENT}`,
  },
  {
    name: '3.5 a reply that is a number, and leading zeros of a size',
    input: `${PLAIN}SUB a 1\r\nPUB a 5 002\r\nhi\r\n`,
    output: `<INFO>MSG a 1 5 002\r\nhi\r\n${SILENT}`,
  },
  {
    name: '3.6 control bytes in a subject',
    input: `${PLAIN}SUB > 1\r\nPUB a\x00b 2\r\nhi\r\nPUB a\x7fb 1\r\nx\r\n`,
    output: `<INFO>MSG a\x00b 1 2\r\nhi\r\nMSG a\x7fb 1 1\r\nx\r\n${SILENT}`,
  },
  // 4 Subjects
  {
    name: '4.1 invalid subscriptions are refused, the connection stays',
    input: `${PLAIN}SUB a..b 1\r\nSUB foo. 1\r\nSUB a.>.b 1\r\n`,
    output: `<INFO>${"-ERR 'Invalid Subject'\r\n".repeat(3)}${SILENT}`,
  },
  {
    name: '4.2 wildcards match tokens, a published wildcard is a token',
    input: `${PLAIN}SUB a.* 1\r\nPUB a.b 1\r\n1\r\nPUB a.b.c 1\r\n2\r\nPUB a.* 1\r\n3\r\nPUB a.> 1\r\n4\r\nPUB > 1\r\n5\r\n`,
    output: `<INFO>MSG a.b 1 1\r\n1\r\nMSG a.* 1 1\r\n3\r\nMSG a.> 1 1\r\n4\r\n${SILENT}`,
  },
  {
    name: '4.3 a subject with an empty token reaches nobody',
    input: `${PLAIN}SUB > 1\r\nPUB a..b 1\r\nx\r\nPUB .a 1\r\nx\r\nPUB a. 1\r\nx\r\n`,
    output: `<INFO>${SILENT}`,
  },
  // 5 UNSUB
  {
    name: '5.1 a maximum counts from the SUB',
    input: `${PLAIN}SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n`,
    output: `<INFO>MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n${SILENT}`,
  },
  {
    name: '5.2 one that is reached already ends it at once, as do 0 and nonsense',
    input: `${PLAIN}SUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 1\r\nPUB a 1\r\n2\r\nSUB b 2\r\nUNSUB 2 0\r\nSUB b 3\r\nUNSUB 3 x\r\nPUB b 1\r\n3\r\n`,
    output: `<INFO>MSG a 1 1\r\n1\r\n${SILENT}`,
  },
  // 6 Headers
  {
    name: '6.1 a header block arrives as it was sent',
    input: `${CONNECT}SUB a 1\r\nHPUB a r 12 14\r\n${NO_HEADERS}hi\r\nHPUB a 5 7\r\nhellohi\r\n`,
    output: `<INFO>HMSG a 1 r 12 14\r\n${NO_HEADERS}hi\r\nHMSG a 1 5 7\r\nhellohi\r\n${ALIVE}`,
  },
  {
    name: '6.2 a block of no bytes is none',
    input: `${CONNECT}SUB a 1\r\nHPUB a 0 2\r\nhi\r\n`,
    output: `<INFO>MSG a 1 2\r\nhi\r\n${ALIVE}`,
  },
  // 7 No responders
  {
    name: '7.1 503 with the subject, to whoever listens for the reply',
    input: `${CONNECT}SUB r.* 7\r\nPUB q r.1 2\r\nhi\r\n`,
    output: `<INFO>HMSG r.1 7 33 33\r\nNATS/1.0 503\r\nNats-Subject: q\r\n\r\n\r\n${ALIVE}`,
  },
  {
    name: '7.2 not when only a queue group listens, nor when nobody asked for it',
    input: `${CONNECT}SUB r g 7\r\nPUB q r 2\r\nhi\r\nPUB q 2\r\nhi\r\nPUB q s 2\r\nhi\r\n`,
    output: `<INFO>${ALIVE}`,
  },
  {
    name: '7.3 own messages without echo count as unanswered',
    input: `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"echo":false}\r\nSUB a 1\r\nPUB a 1\r\nx\r\nPUB a a 1\r\nx\r\n`,
    output: `<INFO>HMSG a 1 33 33\r\nNATS/1.0 503\r\nNats-Subject: a\r\n\r\n\r\n${SILENT}`,
  },
  // 8 Reserved subjects
  {
    name: '8.1 subjects of servers are not for clients',
    input: `${CONNECT}PUB a _R_.x 1\r\nx\r\nPUB a $JS.ACK.x 1\r\nx\r\nPUB a _GR_.x 1\r\nx\r\nPUB _GR_.x 1\r\nx\r\nPUB $NRG.x 1\r\nx\r\nPUB _R_.x 1\r\nx\r\n`,
    output: `<INFO>${['_R_.x', '$JS.ACK.x', '_GR_.x'].map((r) => `-ERR 'Permissions Violation for Publish with Reply of "${r}"'\r\n`).join('')}${['_GR_.x', '$NRG.x'].map((s) => `-ERR 'Permissions Violation for Publish to "${s}"'\r\n`).join('')}${ALIVE}`,
  },
]

/** Input that ends the connection, and the last word. */
const ENDINGS: readonly Case[] = [
  { name: '9.1 garbage, at its first byte', input: 'XYZ', output: UNKNOWN },
  { name: '9.2 HTTP', input: 'GET / HTTP/1.1\r\n\r\n', output: UNKNOWN },
  { name: '9.3 TLS', input: '\x16\x03\x01\x02\x00\x01\x00', output: UNKNOWN },
  { name: '9.4 an empty line', input: '\r\n', output: UNKNOWN },
  ...['MSG a 1 1\r\nx\r\n', 'RS+ a b\r\n', 'LMSG a 1\r\nx\r\n', 'A+ x\r\n'].map((input) => ({
    name: `9.5 what only servers say: ${input.split('\r')[0]}`,
    input,
    output: UNKNOWN,
  })),
  ...['CONNECT {x\r\n', 'CONNECT\r\n', 'CONNECT []\r\n', 'CONNECT {"verbose":"x"}\r\n'].map(
    (input) => ({
      name: `9.6 ${input.trim()}`,
      input,
      output: WORDLESS,
    }),
  ),
  ...['a x', 'a', 'a -1', 'a b c 1', 'a 99999999999', ' 2', 'a 1 2 3 4'].map((args) => ({
    name: `9.7 PUB ${args}`,
    input: `${PLAIN}PUB ${args}\r\n`,
    output: WORDLESS,
  })),
  ...['SUB a', 'SUB a b c d', 'UNSUB 1 2 3', 'HPUB a 12', 'HPUB a 14 12'].map((line) => ({
    name: `9.8 ${line}`,
    input: `${CONNECT}${line}\r\n`,
    output: WORDLESS,
  })),
  ...['SUB', 'UNSUB', '-ERR', 'PUB', 'PUBx'].map((line) => ({
    name: `9.8 ${line} and no blank`,
    input: `${PLAIN}${line}\r\n`,
    output: UNKNOWN,
  })),
  {
    name: '9.9 a payload that does not end where it should',
    input: `${PLAIN}SUB a 1\r\nPUB a 2\r\nhixx\r\n`,
    output: UNKNOWN,
  },
  {
    name: '9.10 headers from a client that said it has none',
    input: `${PLAIN}HPUB a 12 12\r\n${NO_HEADERS}\r\n`,
    output: WORDLESS,
  },
  {
    name: '9.11 an unknown protocol level',
    input: 'CONNECT {"protocol":7}\r\n',
    output: `<INFO>-ERR 'invalid client protocol'\r\n`,
  },
  {
    name: '9.12 no responders without headers',
    input: 'CONNECT {"no_responders":true}\r\n',
    output: `<INFO>-ERR 'no responders requires headers support'\r\n`,
  },
  {
    name: '9.13 an account by name',
    input: 'CONNECT {"account":"x"}\r\n',
    output: `<INFO>-ERR 'Authorization Violation'\r\n`,
  },
  ...['\r\n', ''].map((end) => ({
    name: `9.14 a control line too long, ${end === '' ? 'unfinished' : 'whole'}`,
    input: `${PLAIN}SUB ${'a'.repeat(5000)} 1${end}`,
    output: `<INFO>-ERR 'maximum control line exceeded'\r\n`,
  })),
  {
    name: '9.15 a PUB line too long',
    input: `${PLAIN}PUB ${'a'.repeat(5000)} 1\r\n`,
    output: `<INFO>-ERR 'maximum control line exceeded'\r\n`,
  },
  {
    name: '9.16 a payload too large, before it comes',
    input: `${PLAIN}PUB a 1048577\r\n`,
    output: `<INFO>-ERR 'Maximum Payload Violation'\r\n`,
  },
  {
    name: '9.17 an error that the client reports',
    input: `${PLAIN}-ERR 'x'\r\n`,
    output: '<INFO>',
  },
]

describe('core protocol transcripts', () => {
  let harness: BrokerHarness

  before(async () => {
    harness = await BrokerHarness.start()
  })
  after(() => harness.stop())

  for (const { name, input, output } of ANSWERS) {
    it(name, async () => {
      const client = await harness.connect()
      assert.equal(await client.converse(input), output)
      client.close()
    })
  }

  for (const { name, input, output } of ENDINGS) {
    it(name, async () => {
      const client = await harness.connect()
      client.send(input)
      await client.closed()
      assert.equal(client.transcript, output)
    })
  }

  it('10.1 INFO says what clients rely on', async () => {
    const client = await harness.connect()
    await client.converse(CONNECT)
    const { info } = client
    assert.equal(info['server_id'], 'NTEST')
    assert.equal(info['max_payload'], 1_048_576)
    assert.equal(info['headers'], true)
    assert.equal(info['proto'], 1)
    assert.equal(info['client_ip'], '127.0.0.1')
    assert.equal(info['auth_required'], undefined)
    assert.match(String(info['version']), /^2\.\d+\.\d+$/)
    assert.match(client.received, /"connect_info":true,"remote_account":"\$G"/)
  })

  it('10.2 a client without headers gets the payload alone', async () => {
    const receiver = await harness.connect()
    await receiver.converse(`${PLAIN}SUB a 1\r\nSUB b 2\r\n`)
    const sender = await harness.connect()
    const large = 'x'.repeat(70_000)
    await sender.converse(
      `${CONNECT}HPUB a r 12 14\r\n${NO_HEADERS}hi\r\nHPUB b ${12} ${12 + large.length}\r\n${NO_HEADERS}${large}\r\n`,
    )
    await receiver.expect(`MSG a 1 r 2\r\nhi\r\nMSG b 2 70000\r\n${large}\r\n`)
  })

  it('10.3 payloads up to max_payload arrive, whatever their size', async () => {
    const client = await harness.connect()
    await client.converse(`${PLAIN}SUB a 1\r\n`)
    for (const size of [0, 1, 60_000, 65_536, 65_537, 262_144, 400_000, 1_048_576]) {
      const body = 'abcdefgh'.repeat(Math.ceil(size / 8)).slice(0, size)
      const expected = `MSG a 1 r ${size}\r\n${body}\r\n`
      client.received = ''
      client.send(`PUB a r ${size}\r\n${body}\r\n`)
      await client.until(() => client.received.length >= expected.length, `${size} bytes`)
      assert.ok(client.received === expected, `${size} bytes intact`)
    }
  })

  it('10.4 a client that leaves takes its subscriptions along', async () => {
    const space = harness.broker.space('$G')
    const watcher = await harness.connect()
    await watcher.converse(`${PLAIN}SUB leave 1\r\n`)
    assert.equal(space.hasInterest('leave'), true)
    const gone = new Promise<void>((resolve) => {
      const stop = space.observe({
        subscriptionAdded: () => {},
        subscriptionRemoved: ({ subject }) => {
          if (subject !== 'leave') return
          stop()
          resolve()
        },
      })
    })
    watcher.close()
    await gone
    assert.equal(space.hasInterest('leave'), false)
  })
})
