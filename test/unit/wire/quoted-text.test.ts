import assert from 'node:assert/strict'
import { PERMISSION_ERRORS, quoted } from '../../../shared/wire/index.ts'

describe('quoted text', () => {
  it("is written as Go's %q writes it", () => {
    const cases: readonly (readonly [string, string])[] = [
      ['a.b', '"a.b"'],
      ['', '""'],
      ['say "x" \\', '"say \\"x\\" \\\\"'],
      ['\u0001\u0007\b\t\n\v\f\r\u007f', '"\\x01\\a\\b\\t\\n\\v\\f\\r\\x7f"'],
      ['über.日本', '"über.日本"'],
      ['\u0085\u00a0\u200b\ufeff', '"\\u0085\\u00a0\\u200b\\ufeff"'],
      ['\u{1f600}\u{e0001}', '"\u{1f600}\\U000e0001"'],
    ]
    for (const [text, expected] of cases) assert.equal(quoted(text), expected)
  })

  it('keeps what a client sends from ending the line of an error', () => {
    const error = PERMISSION_ERRORS.subscription("a'\r\n+OK", 'q"')
    assert.equal(
      error,
      `Permissions Violation for Subscription to "a'\\r\\n+OK" using queue "q\\""`,
    )
  })
})
