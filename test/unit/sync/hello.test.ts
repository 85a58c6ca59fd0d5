import assert from 'node:assert/strict'
import {
  asToken,
  batchSubject,
  decodeBatchReply,
  decodeHello,
  decodeHelloReply,
  decodeReport,
  helloSubject,
} from '../../../shared/sync/index.ts'

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const hello = {
  v: 1,
  name: 'press-7',
  id: 'NABC',
  boot: 'b1',
  version: '0.1.0',
  region: '',
  home: '',
  buffers: [{ name: 't', incarnation: 'i', first_seq: 1, last_seq: 2, synced_seq: 0 }],
}

describe('sync messages', () => {
  it('are read, and unknown keys of newer peers passed over', () => {
    assert.deepEqual(decodeHello(json({ ...hello, colour: 'green' })), hello)
    const reply = { v: 1, incarnation: 'a1', status: 'stored', watermark: 3 }
    assert.deepEqual(decodeBatchReply(json(reply)), {
      ...reply,
      retry_ms: 0,
      subject: '',
      reason: '',
    })
  })

  const wrong: readonly (readonly [string, () => unknown, RegExp])[] = [
    ['no JSON', () => decodeHello(Buffer.from('{')), /no JSON/],
    ['nothing', () => decodeHello(Buffer.alloc(0)), /no JSON/],
    ['another version', () => decodeHello(json({ ...hello, v: 2 })), /: v:/],
    ['a line end in a name', () => decodeHello(json({ ...hello, name: 'a\r\nb' })), /: name:/],
    ['an empty name', () => decodeHello(json({ ...hello, name: '' })), /: name:/],
    [
      'a sequence that is none',
      () => decodeHello(json({ ...hello, buffers: [{ ...hello.buffers[0], last_seq: 1.5 }] })),
      /buffers\.0\.last_seq/,
    ],
    [
      'too many buffers',
      () => decodeHello(json({ ...hello, buffers: Array(257).fill(hello.buffers[0]) })),
      /buffers/,
    ],
    ['an unknown status', () => decodeHelloReply(json({ v: 1, status: 'what' })), /status/],
    [
      'a reply without a watermark',
      () => decodeBatchReply(json({ v: 1, incarnation: 'a1', status: 'stored' })),
      /watermark/,
    ],
    ['a list', () => decodeReport(json([])), /not a report/],
  ]
  for (const [what, read, message] of wrong) {
    it(`refuse ${what}, and say where`, () => {
      assert.throws(read, { code: 'PETIOLE_SYNC_MESSAGE_INVALID', message })
    })
  }

  it('go to subjects that any name fits into', () => {
    assert.equal(helloSubject(''), '$FLEET.SYNC.HELLO')
    assert.equal(helloSubject('hub-eu'), '$FLEET.SYNC.hub-eu.HELLO')
    assert.equal(batchSubject('hub.eu *'), '$FLEET.SYNC.hub%2eeu%20%2a.BATCH')
    assert.notEqual(asToken('a%2e'), asToken('a.'))
    assert.match(asToken('grün\n>'), /^grün%0a%3e$/)
  })
})
