import assert from 'node:assert/strict'
import { encodeProperties, PLACE } from '../../../../bridge-mqtt/codec/index.ts'
import {
  hasPassed,
  passing,
  viaOfHeaders,
  viaOfProperties,
} from '../../../../bridge-mqtt/remotes/via.ts'

describe('mqtt remotes: where a message has been', () => {
  function ofProperties(...userProperties: { name: string; value: string }[]): string {
    const encoded = encodeProperties({ contentType: 'x', userProperties }, PLACE.publishOfServer)
    const section = Buffer.concat([Buffer.from([encoded.length]), encoded])
    return viaOfProperties(section, 0, section.length)
  }

  it('stands in a header', () => {
    const of = (text: string): string => viaOfHeaders(Buffer.from(text))
    assert.equal(of(''), '')
    assert.equal(of('NATS/1.0\r\na: b\r\n\r\n'), '')
    assert.equal(of('NATS/1.0\r\na: b\r\nPetiole-Via: x, y\r\n\r\n'), 'x, y')
    assert.equal(of('NATS/1.0\r\nPetiole-Via:x'), 'x')
    assert.equal(of('NATS/1.0\r\nnot-Petiole-Via: x\r\n\r\n'), '')
  })

  it("stands in a user property, which may be anybody's word", () => {
    assert.equal(ofProperties({ name: 'a', value: 'b' }, { name: 'Petiole-Via', value: 'x' }), 'x')
    assert.equal(ofProperties({ name: 'petiole-via', value: 'x' }), '')
    assert.equal(ofProperties({ name: 'Petiole-Via', value: 'x\r\nNats-Rollup: all' }), '')
    assert.equal(viaOfProperties(Buffer.alloc(0), 0, 0), '')
  })

  it('is a list, in which a name is found as a whole', () => {
    assert.equal(hasPassed('', 'a'), false)
    assert.equal(hasPassed('ab, a/b', 'a'), false)
    assert.equal(hasPassed('ab,a , c', 'a'), true)
  })

  it('grows by one at the front, until it is full', () => {
    assert.equal(passing('', 'a'), 'a')
    assert.equal(passing('b, c', 'a'), 'a, b, c')
    assert.equal(passing(Array(15).fill('x').join(', '), 'a')?.split(',').length, 16)
    assert.equal(passing(Array(16).fill('x').join(', '), 'a'), undefined)
    assert.equal(passing('x'.repeat(2_048), 'a'), undefined)
  })
})
