import assert from 'node:assert/strict'
import { Frame, fixedHeaderSize, writeFixedHeader } from '../../../../bridge-mqtt/codec/frame.ts'

/** Remaining lengths at the edges of each size, MQTT 3.1.1 table 2.4. */
const LENGTHS: readonly (readonly [number, string])[] = [
  [0, '3000'],
  [127, '307f'],
  [128, '308001'],
  [16_383, '30ff7f'],
  [16_384, '30808001'],
  [2_097_151, '30ffff7f'],
  [2_097_152, '3080808001'],
  [268_435_455, '30ffffff7f'],
]

describe('frame', () => {
  for (const [length, hex] of LENGTHS) {
    it(`reads and writes a remaining length of ${length}`, () => {
      const bytes = Buffer.alloc(8)
      const end = writeFixedHeader(bytes, 0, 0x30, length)
      assert.equal(bytes.toString('hex', 0, end), hex)
      assert.equal(fixedHeaderSize(length), end)
      const frame = new Frame()
      assert.equal(frame.read(bytes, 0, end), length === 0 ? 'whole' : 'partial')
      assert.deepEqual(
        [frame.isSized, frame.bodyStart, frame.bodyEnd, frame.size],
        [true, end, end + length, end + length],
      )
    })
  }

  it('waits for the rest of a remaining length', () => {
    const frame = new Frame()
    for (const hex of ['30', '3080', '308080', '30808080']) {
      const bytes = Buffer.from(hex, 'hex')
      assert.equal(frame.read(bytes, 0, bytes.length), 'partial')
      assert.equal(frame.isSized, false)
    }
  })

  it('refuses a remaining length of five bytes', () => {
    assert.equal(new Frame().read(Buffer.from('308080808001', 'hex'), 0, 6), 'malformed')
  })

  it('knows the reserved flags of each type [MQTT-2.2.2-1]', () => {
    const frame = new Frame()
    const legal: string[] = []
    for (let first = 0; first < 256; first++) {
      frame.read(Buffer.of(first, 0), 0, 2)
      if (first >> 4 !== 3 && !frame.hasReservedFlags) legal.push(first.toString(16))
    }
    assert.equal(legal.join(' '), '0 10 20 40 50 62 70 82 90 a2 b0 c0 d0 e0 f0')
  })
})
