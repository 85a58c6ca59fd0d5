import assert from 'node:assert/strict'
import { isFromLeaf, OriginHeaders } from '../../../shared/sync/index.ts'
import { decodeHeaders, encodeHeaders } from '../../../shared/wire/index.ts'

describe('origin headers', () => {
  const origin = new OriginHeaders('press-7', 'telemetry')
  const time = Date.UTC(2026, 10, 21, 6, 20, 31, 120)
  const own = [
    ['Petiole-Leaf', 'press-7'],
    ['Petiole-Buffer', 'telemetry'],
    ['Petiole-Seq', '4711'],
    ['Petiole-Time', '2026-11-21T06:20:31.120Z'],
  ]
  const fields = (block: Uint8Array) => decodeHeaders(block)?.fields

  it('name where a record was born', () => {
    assert.deepEqual(fields(origin.block(4711, time, new Uint8Array(0))), own)
  })

  it('come before what the record had, whatever its size', () => {
    const had = [['Plant', 'x'.repeat(5_000)] as const, ['Plant', 'y'] as const]
    assert.deepEqual(fields(origin.block(4711, time, encodeHeaders(had))), [...own, ...had])
    assert.deepEqual(fields(origin.block(4711, time, encodeHeaders([]))), own)
  })

  it('cannot be claimed by a publisher', () => {
    const claimed = encodeHeaders([
      ['Petiole-Leaf', 'other'],
      ['A', 'b'],
      ['Petiole-Seq', '1'],
    ])
    assert.deepEqual(fields(origin.block(4711, time, claimed)), [...own, ['A', 'b']])
  })

  it('print every time as a Date does', () => {
    for (const ms of [0, 1, 999, 1_000, time + 0.7, time + 880, 253_402_300_799_999]) {
      const block = origin.block(1, ms, new Uint8Array(0))
      assert.equal(fields(block)?.[3]?.[1], new Date(Math.floor(ms)).toISOString())
    }
    assert.equal(
      fields(origin.block(1, -5, new Uint8Array(0)))?.[3]?.[1],
      new Date(0).toISOString(),
    )
  })

  it('tell a leaf its own records', () => {
    const block = origin.block(1, time, new Uint8Array(0))
    assert.equal(isFromLeaf(block, 'press-7'), true)
    assert.equal(isFromLeaf(block, 'press-70'), false)
    assert.equal(isFromLeaf(block, 'press'), false)
    assert.equal(isFromLeaf(encodeHeaders({ 'Petiole-Leak': 'press-7' }), 'press-7'), false)
    assert.equal(isFromLeaf(new Uint8Array(0), 'press-7'), false)
    assert.equal(isFromLeaf(Buffer.from('NATS/1.0\r\nPetiole-Leaf: '), ''), false)
  })
})
