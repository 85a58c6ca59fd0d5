import assert from 'node:assert/strict'
import { parseText } from '../../../shared/config/parser.ts'
import { ConfigError, formatProblem } from '../../../shared/config/problem.ts'
import { bareTree } from '../../support/config-tree.ts'

/** What a text says, without places. */
function read(text: string): unknown {
  return bareTree(parseText(text, 'test.conf'))
}

function faultOf(text: string): string {
  try {
    parseText(text, 'test.conf')
  } catch (error) {
    assert(error instanceof ConfigError)
    return error.problems.map(formatProblem).join('\n')
  }
  return 'parsed'
}

describe('config parser: values', () => {
  const values: readonly (readonly [written: string, value: unknown])[] = [
    ['4222', 4222],
    ['-1', -1],
    ['1.5', 1.5],
    ['-1.5', -1.5],
    ['true', true],
    ['Yes', true],
    ['ON', true],
    ['false', false],
    ['no', false],
    ['off', false],
    ['"true"', 'true'],
    ["'yes'", 'yes'],
    ['1k', 1_000],
    ['1K', 1_000],
    ['1kb', 1_024],
    ['1KB', 1_024],
    ['1ki', 1_024],
    ['1KiB', 1_024],
    ['2m', 2_000_000],
    ['2mb', 2 * 1024 ** 2],
    ['2Mi', 2 * 1024 ** 2],
    ['3g', 3_000_000_000],
    ['3GiB', 3 * 1024 ** 3],
    ['4t', 4_000_000_000_000],
    ['4TB', 4 * 1024 ** 4],
    ['1p', 1e15],
    ['-8kb', -8 * 1024],
    ['512MB', 512 * 1024 ** 2],
    ['7d', '7d'],
    ['1h30m', '1h30m'],
    ['30s', '30s'],
    ['20%', '20%'],
    ['1kbb', '1kbb'],
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1:4222', '127.0.0.1:4222'],
    ['nats-leaf://hub:7422', 'nats-leaf://hub:7422'],
    ['ws://hub/a#b', 'ws://hub/a#b'],
    ['plant.*.>', 'plant.*.>'],
    ['2026-11-21T06:00:00Z', '2026-11-21T06:00:00Z'],
    ['a\\tb', 'a\tb'],
    ['\\x31', '1'],
    ['"a \\"b\\" \\\\ \\n \\t \\r"', 'a "b" \\ \n \t \r'],
    ['"\\xc3\\xa9\\u00e9"', 'éé'],
    ['\'a \\n "b"\'', 'a \\n "b"'],
    ['""', ''],
    ['"a # b // c; d, e"', 'a # b // c; d, e'],
    ['$2a$11$abc.def', '$2a$11$abc.def'],
    ['(\n  a {\n b\n)', '\n  a {\n b\n'],
    ['[]', []],
    ['{}', {}],
    ['[1, 2,\n 3\n 4, # five\n 5]', [1, 2, 3, 4, 5]],
    ['[a, "b", [c], {d: e}]', ['a', 'b', ['c'], { d: 'e' }]],
    ['{a: 1, b: {c = 2; d 3}}', { a: 1, b: { c: 2, d: 3 } }],
  ]
  for (const [written, value] of values) {
    it(`reads ${JSON.stringify(written)}`, () =>
      assert.deepEqual(read(`key: ${written}`), { key: value }))
  }
})

describe('config parser: structure', () => {
  const texts: readonly (readonly [title: string, text: string, tree: unknown])[] = [
    ['nothing at all', '', {}],
    ['comments alone', '# one\n// two', {}],
    ['three separators', 'a: 1\nb = 2\nc 3', { a: 1, b: 2, c: 3 }],
    ['several on a line', 'a: 1, b: 2; c: 3', { a: 1, b: 2, c: 3 }],
    ['no space behind the separator', 'a:1\nb=x', { a: 1, b: 'x' }],
    ['keys in quotes', '"a b": 1\n\'c:d\' 2', { 'a b': 1, 'c:d': 2 }],
    ['a brace on the next line', 'a\n{\n b: 1\n}', { a: { b: 1 } }],
    ['a block without separator', 'a { b { c: 1 } }', { a: { b: { c: 1 } } }],
    ['a brace that touches its key', 'a{b: 1}', { a: { b: 1 } }],
    ['a value on the next line in a block', 'a { b:\n 1 }', { a: { b: 1 } }],
    [
      'comments behind values',
      'a: 1 # x\nb: 2 // y\nc { # z\n d: 3 }',
      { a: 1, b: 2, c: { d: 3 } },
    ],
    [
      'JSON',
      '{"a": [1, "b"], "c": {"d": null}, "e": true}',
      { a: [1, 'b'], c: { d: 'null' }, e: true },
    ],
    ['JSON with line breaks', '{\n "a": 1,\n "b": [\n 2,\n 3\n ]\n}\n', { a: 1, b: [2, 3] }],
    ['Windows line ends', 'a: 1\r\nb {\r\n c: 2\r\n}\r\n', { a: 1, b: { c: 2 } }],
    ['a byte order mark', '\ufeffa: 1', { a: 1 }],
    ['a comment that touches a block', 'a {b: 1}# c', { a: { b: 1 } }],
    ['include as a key', 'include: x', { include: 'x' }],
  ]
  for (const [title, text, tree] of texts) {
    it(title, () => assert.deepEqual(read(text), tree))
  }

  it('gives every key and value its line', () => {
    const tree = parseText(
      '\n# c\na: 1\nb {\n  c: [\n    x\n    "y\nz"\n    w ] }\nd: (\nq\n)\ne: 1',
      'f.conf',
    )
    const lines = tree.statements.map((statement) => statement.position.line)
    assert.deepEqual(lines, [3, 4, 10, 13])
    const block = tree.statements[1]
    assert(block?.kind === 'entry' && block.value.kind === 'block')
    const list = block.value.statements[0]
    assert(list?.kind === 'entry' && list.value.kind === 'list')
    assert.deepEqual(
      list.value.items.map((item) => item.position),
      [6, 7, 9].map((line) => ({ file: 'f.conf', line })),
    )
  })
})

describe('config parser: mistakes', () => {
  const faults: readonly (readonly [text: string, fault: string])[] = [
    ['a {\n b: 1\n', 'test.conf:1: the "{" that opens here is never closed'],
    ['x: 1\na: [\n 1', 'test.conf:2: the "[" that opens here is never closed'],
    ['a: 1\n}', 'test.conf:2: unexpected "}": no block is open here'],
    ['a: "b\nc', 'test.conf:1: the string that begins here is never closed (")'],
    ['a: (\nb )\n', 'test.conf:1: the "(" that opens here needs a ")" alone on its line'],
    ['a: 1\n: 2', 'test.conf:2: expected a key before ":"'],
    ['a: b c', 'test.conf:1: expected a new line, "," or ";" before "c"'],
    ['a {\n b: "x" y }', 'test.conf:2: expected a new line, "," or ";" before "y"'],
    ['a: [1 2]', 'test.conf:1: expected "," or "]" before "2"'],
    ['a: [1,,2]', 'test.conf:1: expected a value before ","'],
    ['a:\nb: 1', 'test.conf:1: "a" has no value'],
    ['a { b: }', 'test.conf:1: "b" has no value'],
    ['\na', 'test.conf:2: "a" has no value'],
    ['a: "\\q"', 'test.conf:1: "\\q" is no escape: use \\t \\n \\r \\" \\\\ or \\xXX'],
    ['a: "\\x4"', 'test.conf:1: \\x needs 2 hexadecimal digits, not "4""'],
    ['a: 99999999999999999999', 'test.conf:1: the number 99999999999999999999 is out of range'],
    ['a { ] }', 'test.conf:1: expected a key, not "]"'],
    ['include', 'test.conf:1: "include" has no value'],
    ['include [', 'test.conf:1: include needs the name of a file'],
    [`a: ${'['.repeat(200)}`, 'test.conf:1: nested more than 100 deep'],
    [`${'a {'.repeat(200)}`, 'test.conf:1: nested more than 100 deep'],
  ]
  for (const [text, fault] of faults) {
    it(JSON.stringify(text.slice(0, 40)), () => assert.equal(faultOf(text), fault))
  }
})
