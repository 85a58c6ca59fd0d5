import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  appendHeaders,
  ControlLine,
  decodeConnect,
  decodeHeaders,
  decodeInfo,
  EMPTY_HEADERS,
  encodeHeaders,
  encodeInfo,
  filledHeaderValue,
  formatDecimal,
  hasSampledParent,
  headerStatus,
  headerValue,
  leadingHeaders,
  parseSize,
  withoutHeader,
} from '../../../shared/wire/index.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

describe('header block', () => {
  it('is written as NATS does, and read back', () => {
    const block = encodeHeaders(
      { 'Nats-Msg-Id': 'x 1', Unit: '°C' },
      { code: 503, description: 'Oh no' },
    )
    assert.equal(text(block), 'NATS/1.0 503 Oh no\r\nNats-Msg-Id: x 1\r\nUnit: °C\r\n\r\n')
    assert.deepEqual(decodeHeaders(block), {
      status: 503,
      description: 'Oh no',
      fields: [
        ['Nats-Msg-Id', 'x 1'],
        ['Unit', '°C'],
      ],
    })
    assert.equal(headerStatus(block), 503)
  })

  it('gives a value without decoding the rest: exact name, first of many, trimmed', () => {
    const block = Buffer.from(
      'NATS/1.0\r\nA:1\r\na:   two words  \r\nAB: 3\r\nA: 4\r\nEmpty:\r\n\r\n',
    )
    assert.deepEqual(
      ['A', 'a', 'AB', 'Empty', 'B', 'NATS/1.0'].map((name) => headerValue(block, name)),
      ['1', 'two words', '3', '', undefined, undefined],
    )
    assert.equal(headerValue(EMPTY_HEADERS, 'A'), undefined)
    assert.equal(headerStatus(block), 0)
  })

  it('keeps the order and repetition of fields, and takes more', () => {
    const block = encodeHeaders([
      ['A', '1'],
      ['A', '2'],
    ])
    assert.equal(text(appendHeaders(block, { B: '3' })), 'NATS/1.0\r\nA: 1\r\nA: 2\r\nB: 3\r\n\r\n')
    assert.equal(text(appendHeaders(EMPTY_HEADERS, { B: '3' })), 'NATS/1.0\r\nB: 3\r\n\r\n')
  })

  it('refuses what could be read as another line', () => {
    for (const fields of [{ A: 'x\r\nB: y' }, { 'A\n': 'x' }, { 'A:': 'x' }, { '': 'x' }]) {
      assert.throws(() => encodeHeaders(fields), { code: 'PETIOLE_HEADER_INVALID' })
    }
  })

  it('is searched and edited as a plain walk over its lines would', () => {
    const seed = 5
    const random = new SeededRandom(seed)
    const parts = [
      'A: 1',
      'A:',
      'AB: 2',
      'x A: 3',
      'a: 4',
      ' A: 5',
      'A :6',
      'B: A: 7',
      'A:  8 ',
      '',
    ]
    for (let i = 0; i < 20_000; i++) {
      const lines = Array.from({ length: random.below(6) }, () => parts[random.below(10)] ?? '')
      const block = Buffer.from(['NATS/1.0', ...lines, '', ''].join('\r\n'))
      const told = `seed ${seed}: ${JSON.stringify(text(block))}`
      const values = lines.filter((line) => line.startsWith('A:')).map((it) => it.slice(2).trim())
      assert.equal(headerValue(block, 'A'), values[0], told)
      assert.equal(filledHeaderValue(block, 'A', 9), values.find((it) => it !== '') ?? '', told)
      const kept = lines.filter((line) => !line.startsWith('A:'))
      assert.equal(
        text(withoutHeader(block, 'A')),
        ['NATS/1.0', ...kept, '', ''].join('\r\n'),
        told,
      )
    }
  })

  it('of a long one the lines are given that end within a bound', () => {
    const block = Buffer.from('NATS/1.0\r\nA: 1\r\nB: 2\r\n\r\n')
    const leading = (bytesMax: number): string => text(leadingHeaders(block, bytesMax))
    assert.deepEqual([9, 10, 15, 16, 1_000].map(leading), [
      '',
      'NATS/1.0\r\n',
      'NATS/1.0\r\n',
      'NATS/1.0\r\nA: 1\r\n',
      text(block),
    ])
    assert.equal(filledHeaderValue(Buffer.from('X\nA:\nA:\nA: 1\n'), 'A', 2), '')
  })

  it('tells a sampled traceparent in any case, and not without end', () => {
    const sampled = (...lines: string[]): boolean =>
      hasSampledParent(Buffer.from(['NATS/1.0', ...lines, '', ''].join('\r\n')))
    assert.equal(sampled('TraceParent:  00-1-1-00', 'traceparent: 00-1-1-01 '), true)
    assert.equal(sampled('x-traceparent: 00-1-1-01', 'traceparent: 00-1-1-02'), false)
    assert.equal(sampled(...Array<string>(64).fill('traceparent:'), 'traceparent: 0-1-1-01'), false)
  })

  it('is not made of other bytes', () => {
    assert.equal(decodeHeaders(Buffer.from('HTTP/1.1 200 OK\r\n\r\n')), undefined)
    assert.deepEqual(decodeHeaders(EMPTY_HEADERS)?.fields, [])
    for (const bytes of ['', 'NATS', 'NATS/1.0', 'A:1', '\r\n', 'A: 1\r']) {
      assert.equal(headerValue(Buffer.from(bytes), 'A') ?? '', '', bytes)
    }
  })
})

describe('control line parts', () => {
  it('sizes are decimal digits, at most nine', () => {
    for (const [digits, size] of [
      ['0', 0],
      ['007', 7],
      ['123456789', 123456789],
      ['', -1],
      ['-1', -1],
      ['1x', -1],
      ['1234567890', -1],
    ] as const) {
      assert.equal(parseSize(Buffer.from(digits), 0, digits.length), size, digits)
    }
    const bytes = Buffer.alloc(16)
    for (const value of [0, 9, 10, 1_048_576, 999_999_999]) {
      assert.equal(bytes.toString('latin1', 0, formatDecimal(bytes, 0, value)), String(value))
    }
  })

  it('arguments are split at blanks, and not more than there is room for', () => {
    const line = new ControlLine()
    const bytes = Buffer.from(' a\t bb  ccc ')
    assert.equal(line.split(bytes, 0, bytes.length), 3)
    assert.deepEqual(
      [0, 1, 2, 3].map((i) => line.text(i)),
      ['a', 'bb', 'ccc', ''],
    )
    const many = Buffer.from('x '.repeat(300))
    assert.equal(line.split(many, 0, many.length), -1)
  })

  it('CONNECT and INFO are checked where they come in', () => {
    assert.equal(decodeConnect('[]'), undefined)
    assert.equal(decodeConnect('{"user":1}'), undefined)
    assert.deepEqual(
      [decodeConnect('{}')?.verbose, decodeConnect('{"verbose":false}')?.verbose],
      [true, false],
    )
    assert.equal(decodeInfo('{"server_id":"N"}'), undefined)
    const info = {
      server_id: 'N',
      server_name: 'n',
      version: '2.15.2',
      proto: 1,
      host: 'h',
      port: 1,
      headers: true,
      max_payload: 9,
    }
    assert.deepEqual(decodeInfo(text(encodeInfo(info)).slice(5)), info)
  })
})
