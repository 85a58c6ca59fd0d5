import assert from 'node:assert/strict'
import { AckSubjects, accountHash, parseAck } from '../../../shared/stream/consumer/ack-subject.ts'
import {
  decodeConsumerState,
  encodeConsumerState,
} from '../../../shared/stream/consumer/consumer-state.ts'
import { parsePullRequest } from '../../../shared/stream/consumer/pull/pull-request.ts'
import { ReplySubject } from '../../../shared/stream/consumer/reply-subject.ts'
import {
  headerValue,
  statusHeaders,
  withHeader,
  withHeaders,
  withoutHeaders,
  withoutStatus,
} from '../../../shared/stream/headers.ts'
import { parsePublishHeaders } from '../../../shared/stream/publish/publish-headers.ts'
import { formatTime, parseTime } from '../../../shared/stream/timestamp.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (written: Uint8Array): string => Buffer.from(written).toString()
const block = (...lines: readonly string[]): Uint8Array =>
  bytes(`NATS/1.0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)

describe('timestamp', () => {
  it('writes and reads what Date would', () => {
    for (let i = 0; i < 2_000; i++) {
      const ms = Math.floor(Math.random() * 4e12) - 1e11
      const expected = new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z')
      assert.equal(formatTime(ms), ms === 0 ? '0001-01-01T00:00:00Z' : expected)
      assert.equal(parseTime(expected), ms)
    }
  })

  it('keeps fractions of milliseconds', () => {
    assert.equal(formatTime(1_700_000_000_000.25), '2023-11-14T22:13:20.00025Z')
  })

  it('reads offsets and refuses what is no time', () => {
    assert.equal(parseTime('2024-02-29T12:00:00+02:00'), Date.UTC(2024, 1, 29, 10))
    assert.equal(parseTime('2024-02-29T12:00:00.5-00:30'), Date.UTC(2024, 1, 29, 12, 30, 0, 500))
    for (const text of ['', 'now', '2024-13-01T00:00:00Z', '2024-01-01 00:00:00Z', '2024-01-01']) {
      assert.equal(parseTime(text), undefined, text)
    }
  })
})

describe('ack subject', () => {
  const replyOf = (acks: AckSubjects): string =>
    text(new ReplySubject(acks.prefixOf('S', 'c')).write(2, 7, 9, 1_700_000_000_000, 4))
  const address = { stream: 'S', consumer: 'c', deliveries: 2, streamSeq: 7, consumerSeq: 9 }
  const hash = accountHash('$G')

  it('names domain and account, and is read back', () => {
    const acks = new AckSubjects('hub', '$G')
    const subject = replyOf(acks)
    assert.equal(subject, `$JS.ACK.hub.${hash}.S.c.2.7.9.1700000000000000000.4`)
    assert.equal(acks.filter, `$JS.ACK.hub.${hash}.>`)
    assert.deepEqual(acks.parse(bytes(subject)), address)
    assert.deepEqual(acks.parse(bytes(`${subject}.random`)), address)
  })

  it('is short without a domain', () => {
    const acks = new AckSubjects('', '$G')
    const subject = replyOf(acks)
    assert.equal(subject, '$JS.ACK.S.c.2.7.9.1700000000000000000.4')
    assert.equal(acks.filter, '$JS.ACK.*.*.*.*.*.*.*')
    assert.deepEqual(acks.parse(bytes(subject)), address)
  })

  it('is written with any numbers, one after the other into the same bytes', () => {
    const reply = new ReplySubject('p.')
    const numbers = [0, 9, 10, 999_999, 1_000_000, 2 ** 31, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER]
    for (const [i, number] of numbers.entries()) {
      const other = numbers[(i + 3) % numbers.length]!
      const ms = 1_700_000_000_000.25 + i
      const expected = `p.${number}.${other}.${i}.${1_700_000_000_000 + i}250000.${number}`
      assert.equal(text(reply.write(number, other, i, ms, number)), expected)
    }
    assert.equal(text(reply.write(1, 2, 3, 0, 4)), 'p.1.2.3.0000000.4')
  })

  it('of another domain, account or form is not ours', () => {
    const long = new AckSubjects('hub', '$G')
    for (const wrong of [
      '$JS.ACK.S.c.2.7.9.17.4',
      '$JS.ACK.hub.c.2.7.9.17.4',
      `$JS.ACK._.${hash}.S.c.2.7.9.17.4`,
      `$JS.ACK.leaf.${hash}.S.c.2.7.9.17.4`,
      `$JS.ACK.hub.${accountHash('plant')}.S.c.2.7.9.17.4`,
      `$JS.ACK.hub.${hash}.S.c.2.7.9.17`,
      `$JS.ACK.hub.${hash}.S.c.2.-1.9.17.4`,
    ]) {
      assert.equal(long.parse(bytes(wrong)), undefined, wrong)
    }
    const short = new AckSubjects('', '$G')
    for (const wrong of [
      '$JS.ACK.S.c.2.7.9.17',
      '$JS.ACK.S.c.2.-1.9.17.4',
      '$JS.ACK.S.c.2.x.9.1.4',
      `$JS.ACK.hub.${hash}.S.c.2.7.9.17.4`,
      `$JS.ACK._.${hash}.S.c.2.7.9.17.4`,
    ]) {
      assert.equal(short.parse(bytes(wrong)), undefined, wrong)
    }
  })

  it('is read whichever consumer the one before was for', () => {
    const acks = new AckSubjects('', '$G')
    for (const [stream, consumer] of ['S c', 'S cc', 'SS c', 'S c', 'ü c', 'c S'].map((it) =>
      it.split(' '),
    )) {
      for (const seq of [1, 10, Number.MAX_SAFE_INTEGER]) {
        const subject = `$JS.ACK.${stream}.${consumer}.1.${seq}.3.17.4`
        const expected = { stream, consumer, deliveries: 1, streamSeq: seq, consumerSeq: 3 }
        assert.deepEqual(acks.parse(bytes(subject)), expected, subject)
      }
      assert.equal(acks.parse(bytes(`$JS.ACK.${stream}.${consumer}`)), undefined)
      assert.equal(acks.parse(bytes(`$JS.ACK.${stream}.${consumer}.`)), undefined)
    }
  })

  it('has the account hash that nats-server computes', () => {
    assert.equal(accountHash('$G'), 'szMpdrwD')
  })

  it('takes every kind of acknowledgement', () => {
    const kinds = ['', '+ACK', '+OK', '-NAK', '+WPI', '+TERM', '+NXT'].map(
      (text) => parseAck(bytes(text)).type,
    )
    assert.deepEqual(kinds, ['ack', 'ack', 'ack', 'nak', 'progress', 'term', 'next'])
    assert.deepEqual(parseAck(bytes('-NAK {"delay": 1500000}')), { type: 'nak', delayMs: 1.5 })
    assert.deepEqual(parseAck(bytes('-NAK {"delay": "x"}')), { type: 'nak', delayMs: 0 })
    assert.deepEqual(parseAck(bytes('-NAK 1.5s')), { type: 'nak', delayMs: 1_500 })
    assert.deepEqual(parseAck(bytes('+TERM bad data')), { type: 'term', reason: 'bad data' })
    for (const text of ['hello', '+ack', '+ACK ', ' +OK', '+WPI 1']) {
      assert.deepEqual(parseAck(bytes(text)), { type: 'other' }, text)
    }
  })
})

describe('pull request', () => {
  const one = {
    batch: 1,
    expiresMs: 0,
    isNoWait: false,
    bytesMax: 0,
    heartbeatMs: 0,
    priority: undefined,
  }

  it('is empty, a number, or JSON with fields it may not know', () => {
    assert.deepEqual(parsePullRequest(bytes('')), one)
    assert.deepEqual(parsePullRequest(bytes('25')), { ...one, batch: 25 })
    assert.deepEqual(parsePullRequest(bytes('nonsense')), one)
    const request = { batch: 3, expires: 2e9, no_wait: true, max_bytes: 9, news: 1 }
    assert.deepEqual(parsePullRequest(bytes(JSON.stringify(request))), {
      batch: 3,
      expiresMs: 2_000,
      isNoWait: true,
      bytesMax: 9,
      heartbeatMs: 0,
      priority: { group: '', minPending: 0, minAckPending: 0, pinId: '', level: 0 },
    })
    const pinned = { group: 'g', id: 'p', min_pending: 1, min_ack_pending: 2, priority: 3 }
    assert.deepEqual(parsePullRequest(bytes(JSON.stringify(pinned))).priority, {
      group: 'g',
      minPending: 1,
      minAckPending: 2,
      pinId: 'p',
      level: 3,
    })
  })

  it('is refused when it makes no sense', () => {
    const refused = (request: object): void => {
      assert.throws(() => parsePullRequest(bytes(JSON.stringify(request))), { errCode: 10005 })
    }
    refused({ batch: 1, expires: 1e9, idle_heartbeat: 6e8 })
    assert.throws(() => parsePullRequest(bytes('{"batch"')), { errCode: 10025 })
  })
})

describe('header block', () => {
  it('is looked through by exact names', () => {
    const headers = block('Nats-Msg-Id:  one ', 'Other: x', 'Nats-Msg-Id: two')
    assert.equal(headerValue(headers, 'Nats-Msg-Id'), 'one')
    assert.equal(headerValue(headers, 'nats-msg-id'), undefined)
    assert.equal(headerValue(headers, 'Nats-Msg'), undefined)
    assert.equal(headerValue(new Uint8Array(0), 'Other'), undefined)
  })

  it('is extended, and made when there is none', () => {
    const text = (headers: Uint8Array): string => Buffer.from(headers).toString()
    assert.equal(text(withHeaders(block('A: 1'), [['B', '2']])), text(block('A: 1', 'B: 2')))
    assert.equal(text(withHeaders(new Uint8Array(0), [['B', '2']])), text(block('B: 2')))
    assert.equal(text(statusHeaders('404 No Messages')), 'NATS/1.0 404 No Messages\r\n\r\n')
  })

  it('says what a publisher expects, cut off anywhere without harm', () => {
    const headers = block(
      'Key: value',
      'Nats-Msg-Id: id',
      'Nats-Expected-Stream: S',
      'Nats-Expected-Last-Sequence: 4',
      'Nats-Expected-Last-Subject-Sequence: 0',
      'Nats-Rollup: sub',
    )
    const parsed = parsePublishHeaders(headers)
    assert.deepEqual(
      [parsed.msgId, parsed.expectedStream, parsed.expectedLastSeq, parsed.expectedLastSubjectSeq],
      ['id', 'S', 4, 0],
    )
    assert.equal(parsed.rollup, 'sub')
    for (let end = 0; end < headers.length; end++) parsePublishHeaders(headers.subarray(0, end))
    const { batch } = parsePublishHeaders(block('Nats-Batch-Id: b', 'Nats-Batch-Sequence: 7'))
    assert.deepEqual(batch, { id: 'b', seq: 7, commit: 'no' })
  })

  it('has spaces before a value, and keeps those behind it', () => {
    const { msgId, rollup, expectedLastSeq } = parsePublishHeaders(
      block('Nats-Msg-Id:   one  ', 'Nats-Rollup:ALL', 'Nats-Expected-Last-Sequence: x'),
    )
    assert.deepEqual([msgId, rollup, expectedLastSeq], ['one  ', 'all', -1])
  })

  it('loses headers, gets others, and is nothing when none is left', () => {
    const text = (headers: Uint8Array): string => Buffer.from(headers).toString()
    const both = block('A: 1', 'B: 2', 'AB: 3', 'A: 4')
    assert.equal(text(withoutHeaders(both, (name) => name === 'A')), text(block('B: 2', 'AB: 3')))
    assert.equal(withoutHeaders(both, () => true).length, 0)
    assert.equal(
      withoutHeaders(both, () => false),
      both,
    )
    assert.equal(text(withHeader(block('A: 1', 'B: 2'), 'A', '9')), text(block('A: 9', 'B: 2')))
    assert.equal(text(withHeader(block('A: 1'), 'B', '9')), text(block('A: 1', 'B: 9')))
    const status = Buffer.from('NATS/1.0 503 gone\r\nA: 1\r\n\r\n')
    assert.equal(text(withoutStatus(status)), text(block('A: 1')))
    assert.equal(withoutStatus(Buffer.from('NATS/1.0 503\r\n\r\n')).length, 0)
    assert.equal(withoutStatus(both), both)
  })
})

describe('consumer state', () => {
  it('comes back as it was written, and never from half of it', () => {
    const pending = new Map([
      [3, { consumerSeq: 2, deliveries: 1, deadlineMs: 150, isDue: false }],
      [2 ** 40, { consumerSeq: 2 ** 33, deliveries: 300, deadlineMs: 90_100, isDue: false }],
    ])
    const state = {
      delivered: { consumerSeq: 2 ** 34, streamSeq: 2 ** 41 },
      pending,
      sinceSeq: 2 ** 35,
      exhausted: [
        [7, 9],
        [2 ** 39, 2 ** 39],
      ] as const,
    }
    const encoded = encodeConsumerState(state, 100)
    assert.deepEqual(decodeConsumerState(encoded, 100), state)
    for (let end = 0; end < encoded.length; end++) {
      const cut = encoded.subarray(0, end)
      assert.throws(() => decodeConsumerState(cut, 0), { code: 'PETIOLE_CONSUMER_STATE' })
    }
  })
})
