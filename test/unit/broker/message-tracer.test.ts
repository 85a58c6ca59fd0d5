import assert from 'node:assert/strict'
import type { MessageTracer, TracedIngress } from '../../../shared/broker/index.ts'
import { holdsTraceHeader } from '../../../shared/broker/message-tracer.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { allocate, arenaBytes } from '../../../shared/transport/index.ts'
import { BrokerHarness } from '../../support/broker-harness.ts'

const CONNECT =
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"name":"probe"}\r\n'

function headed(subject: string, ...lines: readonly string[]): string {
  const block = `NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`
  return `HPUB ${subject} ${block.length} ${block.length + 2}\r\n${block}hi\r\n`
}

describe('the search for headers that ask for a trace', () => {
  it('finds what a plain search finds, in whatever stands around it', () => {
    const seed = 11
    const random = new SeededRandom(seed)
    const parts =
      'Nats-Trace-Dest: |Nats-Trace-Dest|traceparent:|TraceParent:|\n|\r\n|:|N|a|x: 1\r\n|Nats-'.split(
        '|',
      )
    const start = allocate(1_024)
    let found = 0
    for (let i = 0; i < 50_000; i++) {
      let text = 'NATS/1.0\r\n'
      for (let n = random.below(8); n > 0; n--) text += parts[random.below(parts.length)] ?? ''
      const end = start + arenaBytes.write(text, start)
      const hasDest = text.includes('\nNats-Trace-Dest:')
      const hasParent = /\ntraceparent:/i.test(text)
      const told = `seed ${seed}: ${JSON.stringify(text)}`
      assert.equal(holdsTraceHeader(start, end, false), hasDest, told)
      assert.equal(holdsTraceHeader(start, end, true), hasDest || hasParent, told)
      if (hasDest) found++
    }
    assert.ok(found > 1_000, String(found))
  })
})

describe('message tracing at the door', () => {
  let harness: BrokerHarness
  let traced: string[]
  let followsParent = false

  const tracer: MessageTracer = {
    followsTraceParent: () => followsParent,
    publish(_space, { name, account, error }: TracedIngress, { subject, payload }) {
      traced.push(
        [name, account, Buffer.from(subject), Buffer.from(payload), error].join(' ').trim(),
      )
      return Buffer.from(subject).includes('declined') ? undefined : 1
    },
  }

  beforeEach(async () => {
    traced = []
    followsParent = false
    harness = await BrokerHarness.start({ dependencies: { tracer } })
  })
  afterEach(() => harness.stop())

  it('hands over what asks for a trace by its header, whole or in pieces, and nothing else', async () => {
    const client = await harness.connect()
    const large = 'x'.repeat(70_000)
    const block = `NATS/1.0\r\nNats-Trace-Dest: t\r\n\r\n`
    await client.converse(
      [
        `${CONNECT}SUB > 1\r\n`,
        headed('a', 'Nats-Trace-Dest: t'),
        headed('b', 'Other: x', 'Nats-Trace-Dest: t'),
        headed('c', 'Nats-Trace-Destination: t'),
        headed('d', 'X: Nats-Trace-Dest: t'),
        headed('e', 'nats-trace-dest: t'),
        headed('f', 'traceparent: 00-1-1-01'),
        headed('declined', 'Nats-Trace-Dest: t'),
        `HPUB g ${block.length} ${block.length + large.length}\r\n${block}${large}\r\n`,
        'PUB h 1\r\nx\r\n',
      ].join(''),
    )
    assert.deepEqual(
      traced.map((line) => line.slice(0, 24)),
      [
        'probe $G a hi',
        'probe $G b hi',
        'probe $G declined hi',
        `probe $G g ${large.slice(0, 13)}`,
      ],
    )
    // What the tracer takes it routes itself; what it declines goes the usual way.
    const delivered = [...client.received.matchAll(/H?MSG (\S+) 1 /g)].map(([, subject]) => subject)
    assert.deepEqual(delivered, ['c', 'd', 'e', 'f', 'declined', 'h'])
  })

  it('follows traceparent in any case, where the account wants that', async () => {
    followsParent = true
    const client = await harness.connect()
    await client.converse(
      `${CONNECT}${headed('a', 'traceparent: 00-1-1-01')}${headed('b', 'TraceParent: 00-1-1-01')}`,
    )
    assert.deepEqual(traced, ['probe $G a hi', 'probe $G b hi'])
  })

  it('tells of a refusal too', async () => {
    const client = await harness.connect()
    await client.converse(`${CONNECT}${headed('$NRG.x', 'Nats-Trace-Dest: t')}`)
    assert.deepEqual(traced, ['probe $G $NRG.x hi Permissions Violation for Publish to "$NRG.x"'])
    assert.equal(client.received.split('Permissions Violation').length - 1, 1)
  })
})
