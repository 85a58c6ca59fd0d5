import assert from 'node:assert/strict'
import type { KnownSubject } from '../../../../hub/ingest/known-subjects.ts'
import { type Publisher, Publishers } from '../../../../hub/ingest/publishers.ts'
import type { Peer } from '../../../../shared/broker/index.ts'
import type { ClientMessage } from '../../../../shared/client/index.ts'
import { ImportedOrigin } from '../../../../shared/imports/index.ts'
import { STAMP_BYTES_MAX, withStamp } from '../../../../shared/sync/index.ts'

const RULES = { allow: ['plant.>'], deny: ['plant.secret'] }
const NO_HEADERS = new Uint8Array(0)

function peer(kind: Peer['kind'], publishRules?: Peer['publishRules']): Peer {
  return { kind, id: 1, echo: false, publishRules, deliver: () => {} }
}

function message(origin: Peer | undefined, headers: Uint8Array = NO_HEADERS): ClientMessage {
  return { subject: 's', reply: 'r', headers, payload: NO_HEADERS, origin }
}

function subject(text: string): KnownSubject {
  return { text, bytes: Buffer.from(text) }
}

function answers(publisher: Publisher | 'unknown'): unknown {
  if (typeof publisher !== 'object') return publisher ?? 'everything'
  return ['plant.1', 'plant.secret', 'ship.1'].map((it) => publisher.mayPublish(subject(it)))
}

const HELD = [true, false, false]

describe('publishers of batches', () => {
  const publishers = new Publishers()

  it('are held to the rules of the peer that published, whatever its message says', () => {
    const forged = withStamp(NO_HEADERS, undefined)
    for (const kind of ['leaf', 'uplink', 'client', 'mqtt'] as const) {
      assert.deepEqual(answers(publishers.of(message(peer(kind, RULES), forged))), HELD, kind)
      assert.equal(answers(publishers.of(message(peer(kind)))), 'everything')
    }
  })

  it('stay who they are when they come through an import', () => {
    const origin = new ImportedOrigin(peer('leaf', RULES), { service: {}, share: false })
    assert.deepEqual(answers(publishers.of(message(origin))), HELD)
  })

  it('at another hub are those of its stamp', () => {
    for (const kind of ['route', 'gateway'] as const) {
      const own = Buffer.from('NATS/1.0\r\nPetiole-May-Publish: *\r\nA: b\r\n\r\n')
      const stamped = withStamp(own, RULES)
      assert.deepEqual(answers(publishers.of(message(peer(kind), stamped))), HELD)
      const free = withStamp(NO_HEADERS, undefined)
      assert.equal(answers(publishers.of(message(peer(kind), free))), 'everything')
      const none = withStamp(NO_HEADERS, { allow: [], deny: [] })
      const nothing = answers(publishers.of(message(peer(kind), none)))
      assert.deepEqual(nothing, [false, false, false])
    }
  })

  it('of whom another hub tells nothing that can be read are unknown', () => {
    const long = { allow: undefined, deny: ['x'.repeat(STAMP_BYTES_MAX)] }
    const texts = ['', '{}', '[]', 'null', '{"deny":[1]}', '{"deny":[],"allow":"a"}', '{"deny":[']
    const blocks = [
      NO_HEADERS,
      Buffer.from('NATS/1.0\r\nA: b\r\nPetiole-May-Publish: *\r\n\r\n'),
      withStamp(NO_HEADERS, long),
      ...texts.map((text) => Buffer.from(`NATS/1.0\r\nPetiole-May-Publish: ${text}\r\n\r\n`)),
    ]
    for (const block of blocks) {
      const found = publishers.of(message(peer('route'), block))
      assert.equal(found, 'unknown', Buffer.from(block).toString('latin1', 0, 80))
    }
  })

  it('keep the lines of a header whole, whatever their rules are', () => {
    const rules = { allow: ['a\r\nB: c'], deny: [] }
    const text = Buffer.from(withStamp(NO_HEADERS, rules)).toString()
    assert.equal(text.split('\r\n').length, 4)
    assert.ok(text.endsWith('\r\n\r\n'))
  })
})
