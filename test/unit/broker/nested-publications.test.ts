import assert from 'node:assert/strict'
import { AccountSpace, forwardAs, handOver, type Message } from '../../../shared/broker/index.ts'
import { NESTED_PUBLICATIONS_MAX } from '../../../shared/broker/limits.ts'
import { codeOf, SeededRandom } from '../../../shared/runtime/index.ts'
import { BrokerHarness } from '../../support/broker-harness.ts'
import { RecordingLink, RecordingPeer, recorded } from '../../support/recording-peer.ts'

function parts(subject: string, payload = 'hello', reply = '') {
  return {
    subject: Buffer.from(subject),
    reply: Buffer.from(reply),
    headers: new Uint8Array(0),
    payload: Buffer.from(payload),
  }
}

describe('publications from within a delivery', () => {
  let space: AccountSpace
  const publisher = new RecordingPeer('local')

  beforeEach(() => {
    space = new AccountSpace(new SeededRandom(1), '$G')
  })

  it('are routed at once, and leave the outer message as it is', () => {
    const echo = new RecordingPeer('local')
    const seen: string[] = []
    echo.onDeliver = (_subscription, message) => {
      seen.push(`before ${message.subject} ${Buffer.from(message.payload)}`)
      space.publish(echo, parts('b', 'inner'))
      seen.push(`after ${message.subject} ${Buffer.from(message.payload)} ${message.reply}`)
    }
    space.subscribe(echo, { subject: 'a' })
    const inner = new RecordingPeer('local')
    inner.onDeliver = (_subscription, { subject }) => void seen.push(`inner ${subject}`)
    space.subscribe(inner, { subject: 'b' })
    const last = new RecordingPeer('local')
    space.subscribe(last, { subject: '*' })
    space.publish(publisher, parts('a', 'outer', 'back'))
    assert.deepEqual(seen, ['before a outer', 'inner b', 'after a outer back'])
    assert.deepEqual(last.got.map(({ subject, payload }) => `${subject} ${payload}`).toSorted(), [
      'a outer',
      'b inner',
    ])
  })

  it('end when they are nested too deep, and routing goes on', () => {
    const circle = new RecordingPeer('local')
    const errors: string[] = []
    circle.onDeliver = () => {
      space.publish(circle, parts('a'), {
        committed: (error) => {
          if (error !== undefined) errors.push(codeOf(error))
        },
      })
    }
    space.subscribe(circle, { subject: 'a' })
    for (let i = 1; i <= 3; i++) {
      assert.equal(space.publish(publisher, parts('a')), 1)
      assert.equal(circle.got.length, i * NESTED_PUBLICATIONS_MAX)
    }
    assert.deepEqual(errors, Array(3).fill('PETIOLE_PUBLICATION_TOO_DEEP'))
  })

  it('are not fewer after a peer has thrown, which it should not', () => {
    const faulty = new RecordingPeer('local')
    faulty.onDeliver = (_subscription, { subject }) => {
      if (subject === 'a') space.publish(faulty, parts('a.nested'))
      throw new Error('no peer does this')
    }
    space.subscribe(faulty, { subject: 'a.>' })
    space.subscribe(faulty, { subject: 'a' })
    for (let i = 0; i < 2 * NESTED_PUBLICATIONS_MAX; i++) {
      assert.throws(() => space.publish(publisher, parts('a')), /no peer does this/)
    }
    const peer = new RecordingPeer('local')
    space.subscribe(peer, { subject: 'b' })
    assert.equal(space.publish(publisher, parts('b')), 1)
  })

  it('reach clients beside the frame that caused them', async () => {
    const harness = await BrokerHarness.start()
    try {
      const relay = new RecordingPeer('local')
      const main = harness.broker.space('$G')
      relay.onDeliver = (_subscription, message) => {
        main.publish(
          relay,
          parts(`copy.${message.subject}`, `copy of ${Buffer.from(message.payload)}`),
        )
      }
      main.subscribe(relay, { subject: 'x.*', queue: 'first' })
      const client = await harness.connect()
      client.send('CONNECT {"verbose":false}\r\nSUB > 1\r\n')
      const text = await client.converse('PUB x.1 3\r\none\r\nPUB x.2 3\r\ntwo\r\n')
      const lines = text.match(/MSG .*\r\n.*\r\n/g)
      assert.deepEqual(lines?.toSorted(), [
        'MSG copy.x.1 1 11\r\ncopy of one\r\n',
        'MSG copy.x.2 1 11\r\ncopy of two\r\n',
        'MSG x.1 1 3\r\none\r\n',
        'MSG x.2 1 3\r\ntwo\r\n',
      ])
    } finally {
      await harness.stop()
    }
  })

  it('may be another form of the message for one subscription', () => {
    const other = new AccountSpace(new SeededRandom(1), 'OTHER')
    const receiver = new RecordingPeer('local')
    const silent = new RecordingPeer('mqtt', false)
    const subscription = other.subscribe(receiver, { subject: 'renamed', sid: '5' })
    const own = other.subscribe(silent, { subject: 'renamed' })
    const link = new RecordingLink('leaf')
    const shadow = new RecordingPeer('local')
    const outer: string[] = []
    shadow.onDeliver = (_subscription, message: Message) => {
      assert.equal(handOver(subscription, message, parts('renamed')), true)
      assert.equal(handOver(own, message, parts('renamed')), false)
      assert.equal(forwardAs(link, message, parts('renamed'), true, ['q'], false), true)
      outer.push(recorded(message, '').subject)
    }
    space.subscribe(shadow, { subject: 'a' })
    space.publish(silent, parts('a'))
    assert.deepEqual(
      receiver.got.map(({ subject, sid }) => [subject, sid]),
      [['renamed', '5']],
    )
    assert.deepEqual(silent.got, [])
    assert.deepEqual(
      link.got.map(({ subject, plain, queues }) => [subject, plain, queues]),
      [['renamed', true, ['q']]],
    )
    assert.deepEqual(outer, ['a'])
  })
})
