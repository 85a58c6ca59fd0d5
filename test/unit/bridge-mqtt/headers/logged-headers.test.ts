import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  isFrom,
  type LoggedFacts,
  loggedHeaders,
  MessageFacts,
  NO_HEADERS,
  QOS1_HEADERS,
  QOS2_HEADERS,
} from '../../../../bridge-mqtt/headers/index.ts'

const PLAIN: LoggedFacts = { qos: 1, isRetain: false, from: '', replyTopic: undefined }

function logged(block: string | Uint8Array, facts: Partial<LoggedFacts> = {}): string {
  return Buffer.from(loggedHeaders(Buffer.from(block), { ...PLAIN, ...facts })).toString()
}

describe('headers of a logged message', () => {
  it('are those that came, when they say it all', () => {
    assert.equal(loggedHeaders(QOS1_HEADERS, PLAIN), QOS1_HEADERS)
    assert.equal(loggedHeaders(QOS2_HEADERS, { ...PLAIN, qos: 2 }), QOS2_HEADERS)
    const block = Buffer.from('NATS/1.0\r\nPetiole-Qos: 1\r\na: b\r\n\r\n')
    assert.equal(loggedHeaders(block, PLAIN), block)
  })

  it('are the same block for all messages without any', () => {
    assert.equal(loggedHeaders(NO_HEADERS, PLAIN), QOS1_HEADERS)
    assert.equal(loggedHeaders(NO_HEADERS, { ...PLAIN, qos: 2 }), QOS2_HEADERS)
  })

  it('are the same block for one message after the other to a group', () => {
    const facts = { ...PLAIN, group: 'g' }
    const block = loggedHeaders(NO_HEADERS, facts)
    assert.equal(
      Buffer.from(block).toString(),
      'NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Group: g\r\n\r\n',
    )
    assert.equal(loggedHeaders(QOS1_HEADERS, facts), block)
    assert.notDeepEqual(loggedHeaders(QOS1_HEADERS, { ...facts, qos: 2 }), block)
    assert.notDeepEqual(loggedHeaders(QOS1_HEADERS, { ...facts, group: 'h' }), block)
    assert.deepEqual(loggedHeaders(QOS1_HEADERS, facts), block)
    const whole = {
      ...facts,
      isRetain: true,
      from: 'device',
      replyTopic: Buffer.from('r'),
      expirySeconds: 4_294_967_295,
    }
    assert.equal(
      logged('NATS/1.0\r\na: b\r\n\r\n', whole),
      'NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Retain: 1\r\nPetiole-From: device\r\nPetiole-Group: g\r\n' +
        'Mqtt-Response-Topic: r\r\nMqtt-Message-Expiry: 4294967295\r\na: b\r\n\r\n',
    )
  })

  it('say what is known, in front of all else', () => {
    assert.equal(
      logged('NATS/1.0\r\na: b\r\n\r\n', {
        qos: 2,
        isRetain: true,
        from: 'dev\r\nice',
        replyTopic: Buffer.from('r/1'),
      }),
      'NATS/1.0\r\nPetiole-Qos: 2\r\nPetiole-Retain: 1\r\nPetiole-From: dev%0D%0Aice\r\n' +
        'Mqtt-Response-Topic: r/1\r\na: b\r\n\r\n',
    )
    assert.equal(
      logged('', { isRetain: true }),
      'NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-Retain: 1\r\n\r\n',
    )
  })

  it('say nothing that only the server may say and did not', () => {
    const forged =
      'NATS/1.0\r\nPetiole-From: x\r\na: b\r\nPetiole-Retain: 1\r\nPetiole-Qos: 2\r\nPetiole-Group: g\r\nNmqtt-Pub: 0\r\nc: d\r\n\r\n'
    assert.equal(logged(forged), 'NATS/1.0\r\nPetiole-Qos: 1\r\na: b\r\nc: d\r\n\r\n')
    for (const name of ['From', 'Group']) {
      assert.equal(
        logged(`NATS/1.0\r\nPetiole-Qos: 1\r\nPetiole-${name}: x\r\n\r\n`),
        'NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n',
      )
    }
  })

  it('keep the response topic, unless the reply subject names another', () => {
    const block = 'NATS/1.0\r\nMqtt-Response-Topic: a\r\n\r\n'
    assert.equal(logged(block), 'NATS/1.0\r\nPetiole-Qos: 1\r\nMqtt-Response-Topic: a\r\n\r\n')
    assert.equal(
      logged(block, { replyTopic: Buffer.from('b') }),
      'NATS/1.0\r\nPetiole-Qos: 1\r\nMqtt-Response-Topic: b\r\n\r\n',
    )
  })

  it('say whose the message is', () => {
    const clients = ['device', 'device-7', 'größe', 'a b', ' a\r\n%', '😀']
    for (const from of clients) {
      const block = loggedHeaders(Buffer.from('NATS/1.0\r\na: b\r\n\r\n'), { ...PLAIN, from })
      for (const client of clients) assert.equal(isFrom(block, client), client === from)
    }
    assert.equal(isFrom(NO_HEADERS, ''), false)
    assert.equal(isFrom(QOS1_HEADERS, ''), false)
    assert.equal(isFrom(Buffer.from('NATS/1.0\r\nX-Petiole-From: a\r\n\r\n'), 'a'), false)
    assert.equal(isFrom(Buffer.from('NATS/1.0\r\nPetiole-From: a'), 'a'), false)
  })

  it('are a block, whatever came', () => {
    assert.equal(logged('a: b'), 'NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n')
    assert.equal(logged('NATS/1.0\r\na: b'), 'NATS/1.0\r\nPetiole-Qos: 1\r\na: b\r\n\r\n')
    assert.equal(logged('NATS/1.0 100 x\na: b\n\n'), 'NATS/1.0\r\nPetiole-Qos: 1\r\na: b\n\n\r\n')
  })

  it('are read as they were meant, whatever came', () => {
    const facts = new MessageFacts()
    const piece = fc.constantFrom(
      'Petiole-From: x',
      'Petiole-Retain: 1',
      'Petiole-Group: y',
      'Petiole-Qos: 2',
      'Nmqtt-Pub: 1',
      '\r\n',
      '\r\n',
      '\n',
      'a: b',
      ': c',
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.record({
          qos: fc.constantFrom(1, 2),
          isRetain: fc.boolean(),
          from: fc.constantFrom('', 'c d', '%\n'),
          group: fc.constantFrom('', 'g', ' ö\r'),
        }),
        (pieces, said) => {
          const block = Buffer.from(`NATS/1.0\r\n${pieces.join('')}`)
          facts.read(loggedHeaders(block, { ...said, replyTopic: undefined }))
          const { qos, isRetain, from, group } = facts
          assert.deepEqual({ qos, isRetain, from, group }, { ...said })
        },
      ),
      { numRuns: 1_000 },
    )
  })
})
