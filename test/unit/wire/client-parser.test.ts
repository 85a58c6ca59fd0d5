import assert from 'node:assert/strict'
import { type ParserSetup, ParserTranscript } from '../../support/parser-transcript.ts'

const HEADERS = 'NATS/1.0\r\nA: b\r\n\r\n'

/** Every operation in its usual and its odd spellings, and what they mean. */
const TALK = [
  'CONNECT {"verbose":false, "name":"a b"}\r\n',
  'PING\r\nping\nPONG \r\n',
  'SUB a.b 1\r\nSUB a.* q 22\r\nsub\ta.>\t \t333  \r\n',
  'PUB a 5\r\nhello\r\nPUB a.b.c.d r.1 0\r\n\r\nPUB a 007 002\r\nhi\r\n',
  `HPUB a ${HEADERS.length} ${HEADERS.length + 2}\r\n${HEADERS}hi\r\n`,
  `HPUB a re.ply ${HEADERS.length} ${HEADERS.length}\r\n${HEADERS}\r\nHPUB a 0 2\r\nhi\r\n`,
  'PUB  a   r  3 \r\n\r\n\0\r\npub\ta\t1\nx\r\nUNSUB 1\r\nUNSUB 22 7\r\nUNSUB 3 x\r\n',
  'INFO {}\r\n+OK\r\nPUB PUB 4\r\nPUB \r\nPING\r\n',
].join('')

const FACTS = [
  'CONNECT {"verbose":false, "name":"a b"}',
  'PING',
  'PING',
  'PONG',
  'SUB ["a.b","","1"]',
  'SUB ["a.*","q","22"]',
  'SUB ["a.>","","333"]',
  'PUB ["a","","","hello"]',
  'PUB ["a.b.c.d","r.1","",""]',
  'PUB ["a","007","","hi"]',
  `PUB ${JSON.stringify(['a', '', HEADERS, 'hi'])}`,
  `PUB ${JSON.stringify(['a', 're.ply', HEADERS, ''])}`,
  'PUB ["a","","","hi"]',
  'PUB ["a","r","","\\r\\n\\u0000"]',
  'PUB ["a","","","x"]',
  'UNSUB ["1",0]',
  'UNSUB ["22",7]',
  'UNSUB ["3",0]',
  'PUB ["PUB","","","PUB "]',
  'PING',
]

function factsOf(setup: ParserSetup, ...chunks: readonly string[]): string[] {
  const transcript = new ParserTranscript(setup)
  for (const chunk of chunks) transcript.feed(Buffer.from(chunk, 'latin1'))
  return transcript.facts
}

describe('ClientParser', () => {
  it('understands every operation in every spelling', () => {
    assert.deepEqual(factsOf({}, TALK), FACTS)
  })

  it('tells the same wherever input is cut in two', () => {
    for (let cut = 0; cut <= TALK.length; cut++) {
      assert.deepEqual(factsOf({}, TALK.slice(0, cut), TALK.slice(cut)), FACTS, `cut at ${cut}`)
    }
  })

  it('tells the same byte by byte', () => {
    assert.deepEqual(factsOf({}, ...TALK), FACTS)
  })

  it('collects what is too large to wait for in place, wherever it is cut', () => {
    const body = Array.from({ length: 300 }, (_, i) => String.fromCharCode(i % 256)).join('')
    const talk = `PUB a r 300\r\n${body}\r\nHPUB b 18 300\r\n${body}\r\npub\tc 300\n${body}\r\nPING\r\n`
    const whole = factsOf({ carryBytesMax: 4096 }, talk)
    assert.equal(whole.length, 4)
    for (let cut = 0; cut <= talk.length; cut++) {
      const facts = factsOf({ carryBytesMax: 64 }, talk.slice(0, cut), talk.slice(cut))
      assert.deepEqual(facts, whole, `cut at ${cut}`)
    }
    assert.deepEqual(factsOf({ carryBytesMax: 64 }, ...talk), whole)
  })

  it('stops at the same violation wherever input is cut', () => {
    const violations: readonly (readonly [string, string])[] = [
      ['PING\r\nHELLO\r\nPING\r\n', 'unknown_operation'],
      ['PING\r\nPUB a 2\r\nhixx\r\n', 'unknown_operation'],
      ['PING\r\nPUB a 101\r\n', 'payload'],
      ['PING\r\nHPUB a 9 101\r\n', 'payload'],
      ['PING\r\nHPUB a 9 8\r\n', 'malformed'],
      ['PING\r\nSUB a\r\n', 'malformed'],
      ['PING\r\nPUB a x\r\n', 'malformed'],
      ['PING\r\nSUB\r\n', 'unknown_operation'],
      ['PING\r\nINFO x\r\n', 'malformed'],
      [`PING\r\nSUB ${'a'.repeat(4200)}`, 'control_line'],
      [`PING\r\nPUB ${'a'.repeat(4200)} 1\r\n`, 'control_line'],
      [`PING\r\nPUB a ${'r'.repeat(4200)} 1\r\n`, 'control_line'],
    ]
    for (const [talk, violation] of violations) {
      const expected = ['PING', `violated ${violation}`]
      for (let cut = 0; cut <= talk.length; cut += talk.length > 1000 ? 97 : 1) {
        const facts = factsOf({ payloadBytesMax: 100 }, talk.slice(0, cut), talk.slice(cut))
        assert.deepEqual(facts, expected, `${JSON.stringify(talk.slice(0, 40))} cut at ${cut}`)
      }
    }
  })

  it('understands nothing but CONNECT before the client is let in', () => {
    for (const talk of [
      'PING\r\n',
      'PUB a 1\r\nx\r\n',
      'SUB a 1\r\n',
      'P',
      'INFO {}\r\n',
      '\r\n',
    ]) {
      assert.deepEqual(factsOf({ expectsConnect: true }, talk), ['uninvited'])
    }
    assert.deepEqual(factsOf({ expectsConnect: true }, 'connect {}\r\nPING\r\n'), [
      'CONNECT {}',
      'PING',
    ])
  })
})
