import assert from 'node:assert/strict'
import fc from 'fast-check'
import { GoJsonError, GoNumber, goQuote, readGoJson } from '../../../shared/stream/go-json.ts'
import { decodeFields, decodeOne, parseJson } from '../../../shared/stream/json-fields.ts'
import { durationText, parseTime, timeProblem } from '../../../shared/stream/timestamp.ts'

const read = (text: string): readonly unknown[] => [...readGoJson(Buffer.from(text))]

describe('JSON as Go reads it', () => {
  it('is what JSON.parse makes of it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value)
        assert.deepEqual(plain(read(text)[0]), JSON.parse(text))
      }),
    )
  })

  it('is refused wherever it is cut, and never makes the reader fall over', () => {
    const text = '{"a":[1,-2.5e3,"x\\u00e9\\n",true,null],"b":{"":{}}}'
    for (let length = 1; length < text.length; length++) {
      assert.throws(() => read(text.slice(0, length)), /^Error: unexpected EOF$/, `${length}`)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          Array.from(readGoJson(bytes))
        } catch (error) {
          assert.ok(error instanceof GoJsonError, String(error))
        }
      }),
    )
  })

  it('keeps numbers that are no plain integers as they are written', () => {
    assert.deepEqual(read('[1,0,9007199254740991]'), [[1, 0, 9007199254740991]])
    const odd = ['-0', '1.0', '1e3', '9007199254740993', '-1.5E-7']
    assert.deepEqual(read(`[${odd}]`), [odd.map((text) => new GoNumber(text))])
  })

  it('looks at each of two members of one name, and takes the later one', () => {
    const fields = { a: 'int', b: 'string' } as const
    const decode = (text: string) => decodeFields(parseJson(Buffer.from(text)), fields, 'T')
    assert.deepEqual(decode('{"a":1,"b":"x","a":2}'), { a: 2, b: 'x' })
    assert.throws(() => decode('{"a":"one","a":2}'), /cannot unmarshal string/)
  })

  it('passes over what nobody knows where that is asked for, and nothing else', () => {
    const fields = { a: 'uint', inner: { object: { b: 'bool' }, type: 'Inner' } } as const
    const decode = (text: string) => decodeOne(Buffer.from(text), fields, 'T')
    assert.deepEqual(decode('{"x":[1],"A":3,"inner":{"b":true,"y":0}}'), {
      a: 3,
      inner: { b: true },
    })
    assert.throws(() => decode('{"a":-0}'), /cannot unmarshal number -0/)
    assert.throws(() => decode('{"a":1e'), /invalid character ' ' in exponent/)
    assert.throws(() => decode('{"a":1'), /unexpected end of JSON input/)
    assert.throws(() => decode('{} {}'), /after top-level value/)
    assert.deepEqual(decode('null'), {})
  })

  it('has a depth, and no prototype that somebody could set', () => {
    assert.throws(() => read('['.repeat(100_000)), /exceeded max depth/)
    const parsed = parseJson(Buffer.from('{"__proto__":{"x":1}}')) as { x?: number }
    assert.equal(parsed.x, undefined)
    assert.throws(() => decodeFields(parsed, { x: 'int' }, 'T'), /unknown field "__proto__"/)
    const twice = parseJson(Buffer.from('{"a":1}{"__proto__":{"x":1}}')) as { x?: number }
    assert.equal(twice.x, undefined)
  })

  it('says where a value is of the wrong kind, and in which of Go’s structs', () => {
    const fields = {
      list: { object: { n: 'uint' }, type: 'Item', isList: true },
      word: { choices: ['a', 'b'], problem: (json: string) => `not ${json}` },
    } as const
    const problemOf = (value: object): string => {
      try {
        decodeFields(value, fields, 'T')
        return ''
      } catch (error) {
        return (error as { description: string }).description
      }
    }
    const into = 'json: cannot unmarshal'
    assert.equal(problemOf({ list: [{ n: 3 }, null], word: 'b' }), '')
    assert.match(problemOf({ list: [{ n: -3 }] }), /number -3 into Go struct field Item.list.n of/)
    assert.match(problemOf({ list: {} }), new RegExp(`${into} object .* of type \\[\\]server.Item`))
    assert.equal(problemOf({ nope: 1, word: 'c' }), 'invalid JSON: not "c"')
    assert.equal(problemOf({ nope: 1, list: 5 }), 'invalid JSON: json: unknown field "nope"')
  })
})

describe('times and durations as Go writes them', () => {
  it('knows the days of a month, and says what is out of range', () => {
    assert.notEqual(parseTime('2024-02-29T00:00:00Z'), undefined)
    for (const text of ['2023-02-29T00:00:00Z', '2024-04-31T00:00:00Z', '2024-00-01T00:00:00Z']) {
      assert.equal(parseTime(text), undefined)
    }
    assert.match(timeProblem('2023-02-29T00:00:00Z'), /: day out of range$/)
    assert.match(timeProblem('2023-13-01T00:00:00Z'), /: month out of range$/)
    assert.match(timeProblem('2023-01-01'), /cannot parse "" as "T"$/)
  })

  it('writes durations', () => {
    const texts = [0, 1, 1_500, 2e6, 1.5e9, 60e9, 3_600e9, 5_400e9 + 5e8, -1e9].map(durationText)
    const expected = ['0s', '1ns', '1.5µs', '2ms', '1.5s', '1m0s', '1h0m0s', '1h30m0.5s', '-1s']
    assert.deepEqual(texts, expected)
  })

  it('quotes what cannot be seen', () => {
    assert.equal(goQuote('a"\n\u0007\u000b\u0001é'), '"a\\"\\n\\a\\v\\x01é"')
  })
})

function plain(value: unknown): unknown {
  if (value instanceof GoNumber) return Number(value.text)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}
