import assert from 'node:assert/strict'
import { TextDecoder } from 'node:util'
import { checkUtf8, VIOLATIONS } from '../../../../bridge-mqtt/codec/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

const BAD: readonly (readonly [string, string])[] = [
  ['lone continuation', '80'],
  ['overlong slash', 'c0af'],
  ['overlong NUL', 'c080'],
  ['overlong in three bytes', 'e080af'],
  ['overlong in four bytes', 'f08080af'],
  ['surrogate U+D800', 'eda080'],
  ['surrogate U+DFFF', 'edbfbf'],
  ['above U+10FFFF', 'f4908080'],
  ['lead byte f5', 'f5808080'],
  ['byte fe', 'fe'],
  ['cut after the lead', '61c3'],
  ['cut in three bytes', 'e282'],
  ['bad third byte', 'e28261'],
]

describe('utf-8 check', () => {
  for (const [name, hex] of BAD) {
    it(`refuses ${name} [MQTT-1.5.3-1]`, () => {
      const bytes = Buffer.from(hex, 'hex')
      assert.equal(checkUtf8(bytes, 0, bytes.length), VIOLATIONS.malformedString)
    })
  }

  it('refuses U+0000 [MQTT-1.5.3-2]', () => {
    assert.equal(checkUtf8(Buffer.from('a\0b'), 0, 3), VIOLATIONS.nulInString)
  })

  it('takes every other character, U+FEFF too [MQTT-1.5.3-3]', () => {
    for (let point = 1; point <= 0x10ffff; point += point < 0x3000 ? 1 : 37) {
      if (point >= 0xd800 && point <= 0xdfff) continue
      const bytes = Buffer.from(String.fromCodePoint(point))
      assert.equal(checkUtf8(bytes, 0, bytes.length), undefined, point.toString(16))
    }
    assert.equal(checkUtf8(Buffer.from('\ufeffa'), 0, 4), undefined)
  })

  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)
  it(`agrees with the platform's decoder on random bytes (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
    const interesting = [
      0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4,
    ]
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from(
        { length: random.below(6) + 1 },
        () => interesting[random.below(interesting.length)]!,
      )
      assert.equal(checkUtf8(bytes, 0, bytes.length) === undefined, decodes(decoder, bytes))
    }
  })
})

function decodes(decoder: TextDecoder, bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes)
    return true
  } catch {
    return false
  }
}
