import assert from 'node:assert/strict'
import { saslprep } from '../../../shared/account/saslprep.ts'

describe('saslprep', () => {
  /** RFC 4013, 3, and what RFC 3454 says beside them. */
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007', undefined],
    ['\u0627\u0031', undefined],
    ['', ''],
    ['a\u00a0b\u3000c', 'a b c'],
    ['\ufeffa\u200db', 'ab'],
    ['u\u0308', 'ü'],
    ['\u0627\u0031\u0628', '\u0627\u0031\u0628'],
    ['\u0627a\u0628', undefined],
    ['\ud800', undefined],
    ['\ue000', undefined],
    ['\ufffe', undefined],
    ['a\u200eb', undefined],
    ['\u{e0041}', undefined],
    ['🔧', '🔧'],
  ]
  for (const [text, expected] of cases) {
    it(`${JSON.stringify(text)} is ${JSON.stringify(expected)}`, () => {
      assert.equal(saslprep(text), expected)
    })
  }
})
