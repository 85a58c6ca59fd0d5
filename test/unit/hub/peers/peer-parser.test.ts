import assert from 'node:assert/strict'
import { type PeerFacts, PeerParser } from '../../../../hub/peers/peer-parser.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

/** Facts as lines of text. */
class Transcript implements PeerFacts {
  readonly lines: string[] = []
  info = (json: string): unknown => this.lines.push(`info ${json.trim()}`)
  connect = (json: string): unknown => this.lines.push(`connect ${json.trim()}`)
  peer = (json: string): unknown => this.lines.push(`peer ${json.trim()}`)
  leaf = (json: string): unknown => this.lines.push(`leaf ${json.trim()}`)
  ping = (): unknown => this.lines.push('ping')
  pong = (): unknown => this.lines.push('pong')
  error = (text: string): unknown => this.lines.push(`error ${text}`)
  interest = (...args: unknown[]): unknown => this.lines.push(`interest ${args.join()}`)
  interestGone = (...args: unknown[]): unknown => this.lines.push(`gone ${args.join()}`)
  capture = (...args: unknown[]): unknown => this.lines.push(`capture ${args.join()}`)
  message: PeerFacts['message'] = (account, message, demand) => {
    const { subject, reply, headers, payload, shownSubject } = message
    const parts = [subject, reply, shownSubject ?? new Uint8Array(0), headers, payload]
    const { queues, isToStore, isForGroupsOnly } = demand
    this.lines.push(
      `message ${account}|${parts.map((it) => Buffer.from(it).toString()).join('|')}|${queues.join()}|${isToStore}|${isForGroupsOnly}`,
    )
  }
}

const STREAM = [
  'INFO {"a":1}\r\n',
  'PING\r\nPONG\r\n+OK\r\n',
  "-ERR 'some text'\r\n",
  'PEER {"b":2}\r\nLEAF {"c":3}\r\n',
  'RS+ $G plant.*\r\nRS+ two%20words job q 17\r\nRS- $G plant.*\r\nRS- $G job q\r\n',
  'RC+ $G plant.>\r\nRC- $G plant.>\r\n',
  'RMSG $G - a.b 5\r\nhello\r\n',
  'RMSG $G r a.b back 0\r\n\r\n',
  'RMSG other h a.b 12 17\r\nNATS/1.0\r\n\r\nhello\r\n',
  'RMSG $G rshc inbox $JS.ACK.x stored q1 q2 12 12\r\nNATS/1.0\r\n\r\n\r\n',
  'RMSG $G cq a q1 3\r\na\r\n\r\n',
].join('')

const FACTS = [
  'info {"a":1}',
  'ping',
  'pong',
  'error some text',
  'peer {"b":2}',
  'leaf {"c":3}',
  'interest $G,plant.*,,1',
  'interest two words,job,q,17',
  'gone $G,plant.*,',
  'gone $G,job,q',
  'capture $G,plant.>,true',
  'capture $G,plant.>,false',
  'message $G|a.b||||hello||false|false',
  'message $G|a.b|back|||||false|false',
  'message other|a.b|||NATS/1.0\r\n\r\n|hello||false|false',
  'message $G|inbox|$JS.ACK.x|stored|NATS/1.0\r\n\r\n||q1,q2|true|false',
  'message $G|a||||a\r\n|q1|true|true',
]

function parse(chunks: readonly Buffer[], isTrusted = true): [readonly string[], string] {
  const transcript = new Transcript()
  const parser = new PeerParser(transcript as PeerFacts, 1_000)
  if (isTrusted) parser.trust()
  let violation = ''
  for (const chunk of chunks) violation = parser.push(chunk, 0, chunk.length) ?? ''
  return [transcript.lines, violation]
}

describe(`the parser of hub links (SEED=${SEED})`, () => {
  it('gives the same facts wherever its input is cut', () => {
    const bytes = Buffer.from(STREAM)
    assert.deepEqual(parse([bytes]), [FACTS, ''])
    for (let cut = 1; cut < bytes.length; cut++) {
      const chunks = [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))]
      assert.deepEqual(parse(chunks), [FACTS, ''], `cut at ${cut}`)
    }
    const single = [...bytes].map((byte) => Buffer.from([byte]))
    assert.deepEqual(parse(single), [FACTS, ''])
  })

  const refused: readonly (readonly [string, string])[] = [
    ['RMSG $G - a 5\r\nhello, longer\r\n', 'Unknown Protocol Operation'],
    ['RMSG $G - a -1\r\n', 'Unknown Protocol Operation'],
    ['RMSG $G - a 1001\r\n', 'Maximum Payload Violation'],
    ['RMSG $G h a 12 5\r\n', 'Unknown Protocol Operation'],
    ['RMSG $G x a 5\r\nhello\r\n', 'Unknown Protocol Operation'],
    ['RMSG $G r a 5\r\nhello\r\n', 'Unknown Protocol Operation'],
    ['RMSG $G - 5\r\nhello\r\n', 'Unknown Protocol Operation'],
    ['RMSG %zz - a 5\r\nhello\r\n', 'Unknown Protocol Operation'],
    ['RS+ $G\r\n', 'Unknown Protocol Operation'],
    ['RS+ $G a q\r\n', 'Unknown Protocol Operation'],
    ['RC+ $G a q\r\n', 'Unknown Protocol Operation'],
    ['LS+ a\r\n', 'Unknown Protocol Operation'],
    ['\r\n', 'Unknown Protocol Operation'],
    [`RS+ $G ${'a'.repeat(1_100_000)}`, 'maximum control line exceeded'],
  ]
  for (const [input, violation] of refused) {
    it(`refuses ${JSON.stringify(input.slice(0, 40))}`, () => {
      const [lines, found] = parse([Buffer.from(`${input}PING\r\n`)])
      assert.equal(found, violation)
      assert.deepEqual(lines, [], 'nothing after it is taken')
    })
  }

  it('takes nothing but hellos and heartbeats before the peer is trusted', () => {
    for (const line of STREAM.split('\r\n').filter((it) => /^(R|PEER|LEAF)/.test(it))) {
      assert.deepEqual(parse([Buffer.from(`${line}\r\n`)], false), [
        [],
        'Unknown Protocol Operation',
      ])
    }
  })

  it('survives any bytes', () => {
    const random = new SeededRandom(SEED)
    const bytes = Buffer.from(STREAM)
    for (let run = 0; run < 3_000; run++) {
      const mutated = Buffer.from(bytes)
      for (let i = 0; i < 1 + random.below(4); i++) {
        mutated[random.below(mutated.length)] = random.below(256)
      }
      const cut = random.below(mutated.length)
      const whole = parse([mutated])
      const parts = parse([
        Buffer.from(mutated.subarray(0, cut)),
        Buffer.from(mutated.subarray(cut)),
      ])
      assert.deepEqual(parts, whole, `run ${run}`)
    }
  })
})
