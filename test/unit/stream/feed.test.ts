import assert from 'node:assert/strict'
import { parseDelivered } from '../../../shared/stream/sourcing/delivered.ts'
import { parseFeedAnswer } from '../../../shared/stream/sourcing/feed-answer.ts'
import {
  type FeedOwner,
  feedConsumerName,
  feedRequest,
} from '../../../shared/stream/sourcing/feed-request.ts'
import { FeedRun } from '../../../shared/stream/sourcing/feed-run.ts'
import { sourcedHeaders, sourceIndex } from '../../../shared/stream/sourcing/source-index.ts'

const TAIL = '1.7.5.1893456000123456789.3'
const SHORT = `$JS.ACK.S.C.${TAIL}`
const OWNER: FeedOwner = { stream: 'D', account: 'A', domain: '' }
const NOWHERE = { seq: 0, identity: '' }

describe('feed', () => {
  it('reads what a reply says of its message, in all its forms', () => {
    const expected = {
      consumer: 'C',
      deliveries: 1,
      streamSeq: 7,
      consumerSeq: 5,
      timeMs: 1_893_456_000_123.4568,
      pending: 3,
    }
    const forms = [SHORT, `$JS.ACK.hub.hash.S.C.${TAIL}`, `$JS.ACK._.hash.S.C.${TAIL}.more.tokens`]
    for (const form of forms) {
      const found = parseDelivered(form)
      assert.ok(found)
      assert.equal(Math.abs(found.timeMs - expected.timeMs) < 0.001, true)
      assert.deepEqual({ ...found, timeMs: 0 }, { ...expected, timeMs: 0 }, form)
    }
  })

  it('takes nothing for a reply that is none, cut anywhere and with any token spoilt', () => {
    for (let i = 0; i < SHORT.length - 1; i++) {
      const found = parseDelivered(SHORT.slice(0, i))
      assert.equal(found === undefined || found.pending === 0, true, SHORT.slice(0, i))
    }
    const tokens = SHORT.split('.')
    for (let i = 4; i < tokens.length; i++) {
      for (const bad of ['x', '-1', '1e3', '9'.repeat(40), '1 ']) {
        const spoilt = tokens.with(i, bad).join('.')
        assert.equal(parseDelivered(spoilt), undefined, spoilt)
      }
    }
    assert.equal(parseDelivered('_INBOX.a.b.c.1.2.3.4.5'), undefined)
    assert.equal(parseDelivered(`${SHORT}.10`), undefined, 'ten tokens are neither form')
    assert.equal(parseDelivered('$JS.ACK.S.C.1.0.1.1.0'), undefined, 'no sequence is 0')
  })

  const message = (streamSeq: number, consumerSeq: number, consumer = 'C') => ({
    subject: 'a',
    reply: `$JS.ACK.S.${consumer}.1.${streamSeq}.${consumerSeq}.1893456000000000000.0`,
    headers: new Uint8Array(0),
    payload: Buffer.from('x'),
  })
  const control = (headers: string, reply = '') => ({
    subject: 'to',
    reply,
    headers: Buffer.from(`NATS/1.0 100 ${headers}\r\n\r\n`),
    payload: new Uint8Array(0),
  })

  it('tells the next message from those before, those of others, and one that is missing', () => {
    for (const kind of ['mirror', 'source'] as const) {
      const run = new FeedRun(kind, 'C', 10)
      const look = (...facts: Parameters<typeof message>) => run.look(message(...facts)).type
      assert.equal(look(11, 1), 'next')
      assert.equal(look(15, 2), 'next', 'the origin has lost what is between')
      assert.equal(look(16, 3, 'other'), 'nothing')
      assert.equal(look(15, 3), 'nothing', 'known, but counted')
      assert.equal(look(16, 4), 'next')
      assert.equal(look(18, 6), 'gap')
      assert.deepEqual([run.streamSeq, run.consumerSeq], [16, 4], kind)
    }
  })

  it('hears from heartbeats that the last ones are missing, and is asked on subjects of flow only', () => {
    const run = new FeedRun('source', 'C', 0)
    run.look(message(1, 1))
    const beat = (headers: string) => run.look(control(`Idle Heartbeat\r\n${headers}`))
    assert.equal(beat('Nats-Last-Consumer: 1').type, 'nothing')
    assert.equal(beat('Nats-Last-Consumer: 2').type, 'gap')
    const stalled = 'Nats-Last-Consumer: 1\r\nNats-Consumer-Stalled: $JS.FC.S.C.x'
    assert.deepEqual(beat(stalled), { type: 'question', question: '$JS.FC.S.C.x' })
    run.question = '$JS.FC.S.C.x'
    assert.equal(beat(stalled).type, 'nothing', 'the answer waits for the disk')
    const asked = (reply: string) => run.look(control('FlowControl Request', reply)).type
    assert.equal(asked('$JS.FC.S.C.y'), 'question')
    assert.equal(asked('$SYS.REQ.SERVER.PING'), 'nothing')
  })

  it('asks where the origin is, for what it says, from where it is', () => {
    const external = { api: '$JS.hub.API', deliver: 'deliver.me.' }
    const source = { name: 'O', external, opt_start_seq: 5, filter_subject: 'o.a' }
    const ask = (seq: number) =>
      feedRequest('source', source, OWNER, {
        name: 'N',
        place: { seq, identity: '' },
        token: 'T',
        isPlain: false,
      })
    const first = ask(0)
    assert.equal(first.subject, '$JS.hub.API.CONSUMER.CREATE.O.N.o.a')
    assert.equal(first.deliverSubject, 'deliver.me.S.T')
    const { stream_name, config } = JSON.parse(first.payload)
    assert.equal(stream_name, 'O')
    assert.deepEqual([config.deliver_policy, config.opt_start_seq], ['by_start_sequence', 5])
    assert.equal(JSON.parse(ask(8).payload).config.opt_start_seq, 9)
    const consumer = { name: 'made', deliver_subject: 'here' }
    const reset = feedRequest('mirror', { name: 'O', consumer }, OWNER, {
      name: 'N',
      place: NOWHERE,
      token: 'T',
      isPlain: false,
    })
    assert.deepEqual(reset, {
      subject: '$JS.API.CONSUMER.RESET.O.made',
      payload: '',
      deliverSubject: 'here',
    })
  })

  it('has one name for its consumer, and others for several sources of one stream', () => {
    const a = { name: 'O', filter_subject: 'a' }
    const b = { name: 'O', filter_subject: 'b' }
    const alone = feedConsumerName('source', a, false, OWNER)
    assert.match(alone, /^JS_SRC_\w{8}$/)
    const names = [a, b].map((source) => feedConsumerName('source', source, true, OWNER))
    assert.equal(new Set([alone, ...names]).size, 3)
  })

  it('believes of an answer only what makes sense', () => {
    const answer = (body: unknown) =>
      parseFeedAnswer({
        subject: '',
        reply: '',
        headers: new Uint8Array(0),
        payload: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
      })
    assert.equal(answer('{').type, 'none')
    assert.equal(answer('[]').type, 'none')
    assert.equal(answer({}).type, 'error')
    assert.equal(answer({ name: 'C', config: [] }).type, 'error')
    for (const stream_seq of [-1, 1.5, 2 ** 60, 'x', null]) {
      const found = answer({ name: 'C', config: {}, delivered: { stream_seq } })
      assert.equal(found.type === 'consumer' && found.delivered, 0, String(stream_seq))
    }
  })

  it('says in a header where a message comes from, and drops what was asked of the origin', () => {
    const index = sourceIndex({ name: 'O', external: { api: 'x.API', deliver: '' } })
    const headers = Buffer.from(
      'NATS/1.0\r\nNats-Stream-Source: P 1 > > x\r\nNats-Expected-Stream: O\r\nNats-Batch-Id: b\r\nA: b\r\n\r\n',
    )
    const made = Buffer.from(sourcedHeaders(headers, index, 12, 'o.a', 'ident')).toString()
    assert.match(
      made,
      /^NATS\/1\.0\r\nA: b\r\nNats-Stream-Source: O:\w{8} 12 > > o\.a ident\r\n\r\n$/,
    )
    const several = sourceIndex({
      name: 'O',
      subject_transforms: [
        { src: 'a', dest: '' },
        { src: 'b', dest: 'c' },
      ],
    })
    assert.equal(several.name, 'O a\fb >\fc')
  })
})
