import assert from 'node:assert/strict'
import { LinkTranscript } from '../../support/link-transcript.ts'

const HEADERS = 'NATS/1.0\r\nA: b\r\n\r\n'

/** One of each operation, in the forms that nats-server sends. */
const STREAM = Buffer.from(
  [
    'INFO {"server_id":"N"}\r\n',
    'CONNECT {"name":"x"}\r\n',
    'PING\r\nPONG\r\n+OK\r\n',
    "-ERR 'Authorization Violation'\r\n",
    'LS+ a.b\r\nLS+ a.> workers 3\r\nls- a.b\r\nLS- a.> workers\r\n',
    'LMSG a 5\r\nhello\r\n',
    'LMSG a r 0\r\n\r\n',
    'LMSG a + r q1 q2 2\r\nhi\r\n',
    'LMSG a | q1 2\r\n\r\n\r\n',
    `HMSG a ${HEADERS.length} ${HEADERS.length + 3}\r\n${HEADERS}abc\r\n`,
    `HMSG a r ${HEADERS.length} ${HEADERS.length}\r\n${HEADERS}\r\n`,
    `hmsg a + r q ${HEADERS.length} ${HEADERS.length + 1}\r\n${HEADERS}z\r\n`,
    `HMSG a | q ${HEADERS.length} ${HEADERS.length + 1}\r\n${HEADERS}z\r\n`,
    'LMSG a\tr  3\nabc\r\n',
    'PING\r\n',
  ].join(''),
  'latin1',
)

const FACTS = [
  'info {"server_id":"N"}',
  'connect {"name":"x"}',
  'ping',
  'pong',
  'error Authorization Violation',
  'interest a.b [] 1',
  'interest a.> [workers] 3',
  'gone a.b []',
  'gone a.> [workers]',
  'message ["a","","","hello",[]]',
  'message ["a","r","","",[]]',
  'message ["a","r","","hi",["q1","q2"]]',
  'message ["a","","","\\r\\n",["q1"]]',
  `message ${JSON.stringify(['a', '', HEADERS, 'abc', []])}`,
  `message ${JSON.stringify(['a', 'r', HEADERS, '', []])}`,
  `message ${JSON.stringify(['a', 'r', HEADERS, 'z', ['q']])}`,
  `message ${JSON.stringify(['a', '', HEADERS, 'z', ['q']])}`,
  'message ["a","r","","abc",[]]',
  'ping',
]

describe('link parser', () => {
  it('gives the facts of every operation', () => {
    const transcript = new LinkTranscript()
    assert.equal(transcript.take(STREAM), undefined)
    assert.deepEqual(transcript.facts, FACTS)
  })

  it('gives the same facts wherever the bytes are cut in two', () => {
    for (let cut = 1; cut < STREAM.length; cut++) {
      const transcript = new LinkTranscript()
      const violation = transcript.take(STREAM.subarray(0, cut), STREAM.subarray(cut))
      assert.equal(violation, undefined, `cut at ${cut}`)
      assert.deepEqual(transcript.facts, FACTS, `cut at ${cut}`)
    }
  })

  it('gives the same facts byte by byte', () => {
    const transcript = new LinkTranscript()
    transcript.take(...Array.from(STREAM, (_, i) => STREAM.subarray(i, i + 1)))
    assert.deepEqual(transcript.facts, FACTS)
  })

  it('gives the same facts when it is held behind each of them', () => {
    const transcript = new LinkTranscript()
    const { parser, facts } = transcript
    const interest = transcript.interest.bind(transcript)
    transcript.interest = (...words) => {
      interest(...words)
      parser.isHeld = true
    }
    let rest = STREAM
    for (let holds = 0; ; holds++) {
      assert.equal(parser.push(rest, 0, rest.length), undefined)
      if (!parser.isHeld) {
        assert.equal(holds, facts.filter((fact) => fact.startsWith('interest')).length)
        break
      }
      assert.equal(facts.at(-1)?.startsWith('interest'), true)
      const { leftBytes } = parser
      rest = rest.subarray(rest.length - leftBytes)
      assert.equal(parser.push(rest, 0, rest.length), undefined)
      assert.equal(parser.leftBytes, leftBytes, 'nothing is taken while it is held')
      parser.isHeld = false
    }
    assert.equal(parser.leftBytes, 0)
    assert.deepEqual(facts, FACTS)
  })

  const refused: readonly [string, string][] = [
    ['an unknown operation', 'PUB a 1\r\n'],
    ['an HTTP request', 'GET / HTTP/1.1\r\n'],
    ['an empty line', '\r\n'],
    ['a message without a size', 'LMSG a\r\n'],
    ['a size that is no number', 'LMSG a 1x\r\n'],
    ['a negative size', 'LMSG a -1\r\n'],
    ['a size of more digits than any has', 'LMSG a 99999999999999999999\r\n'],
    ['queues without an indicator', 'LMSG a r q 1\r\n'],
    ['headers longer than the message', 'HMSG a 10 5\r\n'],
    ['headers without a total', 'HMSG a 10\r\n'],
    ['a payload longer than its size', 'LMSG a 1\r\nabc\r\n'],
    ['interest without a weight', 'LS+ a q\r\n'],
    ['interest in nothing', 'LS+\r\n'],
    ['too many arguments of LS-', 'LS- a q 1\r\n'],
  ]
  for (const [what, text] of refused) {
    it(`refuses ${what}, cut anywhere`, () => {
      const bytes = Buffer.from(text)
      for (let cut = 1; cut <= bytes.length; cut++) {
        const transcript = new LinkTranscript()
        const violation = transcript.take(bytes.subarray(0, cut), bytes.subarray(cut))
        assert.equal(violation, 'Unknown Protocol Operation')
        assert.deepEqual(transcript.facts, [])
      }
    })
  }

  it('takes a malformed or missing weight for one member', () => {
    const transcript = new LinkTranscript()
    transcript.take(Buffer.from('LS+ a q x\r\nLS+ a q 0\r\n'))
    assert.deepEqual(transcript.facts, ['interest a [q] 1', 'interest a [q] 1'])
  })

  it('refuses a control line that does not end', () => {
    const transcript = new LinkTranscript({ controlLineBytesMax: 100, payloadBytesMax: 100 })
    const pieces = Array.from({ length: 11 }, () => Buffer.from('LS+ aaaaaa'))
    assert.equal(transcript.take(...pieces.slice(0, 10)), undefined)
    assert.equal(transcript.take(...pieces.slice(10)), 'maximum control line exceeded')
  })

  it('refuses a payload above the limit before it comes', () => {
    const transcript = new LinkTranscript({ controlLineBytesMax: 100, payloadBytesMax: 100 })
    assert.equal(transcript.take(Buffer.from('LMSG a 100\r\n')), undefined)
    const other = new LinkTranscript({ controlLineBytesMax: 100, payloadBytesMax: 100 })
    assert.equal(other.take(Buffer.from('LMSG a 101\r\n')), 'Maximum Payload Violation')
  })

  it('takes nothing more after a violation', () => {
    const transcript = new LinkTranscript()
    assert.equal(transcript.take(Buffer.from('BAD\r\nPING\r\n')), 'Unknown Protocol Operation')
    assert.equal(transcript.take(Buffer.from('PING\r\n')), 'Unknown Protocol Operation')
    assert.deepEqual(transcript.facts, [])
  })
})
