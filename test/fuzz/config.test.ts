import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ConfigError, checkConfig, parseConfig } from '../../shared/config/index.ts'
import { parseText } from '../../shared/config/parser.ts'
import type { Disk } from '../../shared/runtime/index.ts'
import { CORPUS } from '../support/config-corpus.ts'
import { bareTree } from '../support/config-tree.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = 1_500

type Value = string | number | boolean | Value[] | { [key: string]: Value }

/** A key that needs no quotes, or does. */
const key = fc.oneof(
  fc.stringMatching(/^[a-z_$][a-z0-9_.-]{0,8}$/).filter((text) => text !== 'include'),
  fc.string({ maxLength: 6 }).map((text) => text.replaceAll(/["'\\\n\r]/g, 'q')),
)

const value: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

const tree = fc.dictionary(key, value, { maxKeys: 6, noNullPrototype: true })

/** Writes a value as one of the many spellings that the syntax has; `pick` chooses among them. */
function spell(it: Value, pick: (choices: number) => number): string {
  if (Array.isArray(it)) {
    const items = it.map((item) => spell(item, pick))
    return `[${pick(2) === 0 ? '\n' : ' '}${items.join([',', '\n', ' , ', ',\n# c\n'][pick(4)])} ]`
  }
  if (typeof it === 'object') return `{${gap(pick)}${spellBlock(it, pick, '\n')}${gap(pick)}}`
  if (typeof it === 'boolean')
    return (it ? ['true', 'yes', 'On'] : ['false', 'no', 'OFF'])[pick(3)]!
  if (typeof it === 'number') return String(it)
  return `"${it.replaceAll(/["\\]/g, (char) => `\\${char}`)}"`
}

function spellBlock(
  block: { [key: string]: Value },
  pick: (choices: number) => number,
  end: string,
): string {
  return Object.entries(block)
    .map(([name, inner]) => {
      const isBare = /^[a-z_$][a-z0-9_.-]*$/.test(name) && name !== 'include' && pick(2) === 0
      const separator = [': ', ' = ', ' ', ':', '='][pick(5)]!
      return `${isBare ? name : `"${name}"`}${separator}${spell(inner, pick)}`
    })
    .join([end, ',\n', ' ;\n', ' # comment\n', ' // comment\n'][pick(5)])
}

function gap(pick: (choices: number) => number): string {
  return ['', ' ', '\n', '\n\n # { [ "\n'][pick(4)]!
}

describe(`config parser, fuzzed (seed=${seed})`, () => {
  it('reads every spelling of a tree as that tree', () => {
    const property = fc.property(tree, fc.array(fc.nat(), { minLength: 50 }), (it, choices) => {
      let next = 0
      const pick = (count: number): number => choices[next++ % choices.length]! % count
      const text = gap(pick) + spellBlock(it, pick, '\n') + gap(pick)
      assert.deepEqual(bareTree(parseText(text, 'fuzz.conf')), it, text)
    })
    fc.assert(property, { seed, numRuns: RUNS })
  })

  it('answers anything with a tree or with an error that has a line of the text', () => {
    const noise = fc.array(
      fc.oneof(
        fc.constantFrom('{', '}', '[', ']', '(', ')', '"', "'", ':', '=', ',', ';', '\n', ' ', '#'),
        fc.constantFrom('//', '\\x4', '\\u12', '$A', 'include', 'port', '1kb', '\n)\n', '-', '9'),
        fc.string({ unit: 'binary', maxLength: 5 }),
      ),
      { maxLength: 60 },
    )
    const property = fc.property(noise, (parts) => {
      const text = parts.join('')
      const problem = problemOf(text)
      if (problem === undefined) return
      const line = problem.position?.line ?? 0
      assert(line >= 1 && line <= text.split('\n').length, `line ${line} of ${text}`)
      assert.notEqual(problem.message, '')
    })
    fc.assert(property, { seed, numRuns: RUNS * 4 })
  })

  it('a text cut anywhere is refused, or says a part of the whole', () => {
    const text = 'a: 1\nb {\n c: [x, "y z"]\n d = 512MB # e\n}\nf: (\ng\n)\nh: \'i\'\n'
    for (let end = 0; end <= text.length; end++) {
      const cut = text.slice(0, end)
      if (problemOf(cut) !== undefined) continue
      const keys = Object.keys(bareTree(parseText(cut, 'cut.conf')) as object)
      assert.deepEqual(keys, ['a', 'b', 'f', 'h'].slice(0, keys.length), cut)
    }
  })

  it('answers what is left of a real file with problems that have their lines', async () => {
    const word = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '""',
      '$A',
      '-1',
      'true',
      'a',
      '*',
      '\n',
      '{}',
      ',',
    )
    const edit = fc.record({ at: fc.nat(), length: fc.nat({ max: 12 }), word: fc.option(word) })
    const edits = fc.array(edit, { minLength: 1, maxLength: 6 })
    const property = fc.asyncProperty(fc.constantFrom(...CORPUS), edits, async (file, changes) => {
      const text = changes.reduce((before, { at, length, word: put }) => {
        const start = at % (before.length + 1)
        return before.slice(0, start) + (put ?? '') + before.slice(start + length)
      }, file.text)
      for (const role of ['hub', 'leaf'] as const) {
        const { problems } = await checkConfig(diskOf(text), MEMORY_FILE, role)
        for (const { message, position } of problems) {
          assert.notEqual(message, '')
          const line = position?.line ?? 1
          assert(line >= 0 && line <= text.split('\n').length, `line ${line} of ${text}`)
        }
      }
    })
    await fc.assert(property, { seed, numRuns: RUNS })
  })

  it('answers any object with a configuration or with a ConfigError', () => {
    const known = fc.constantFrom(
      ...['port', 'mqtt', 'leafnodes', 'accounts', 'authorization', 'users', 'permissions', 'tls'],
      ...['exports', 'imports', 'mappings', 'stream', 'cluster', 'gateway', 'resolver', 'headers'],
    )
    const names = fc.oneof(
      known,
      fc.constantFrom('buffers', 'jetstream', 'remotes', 'url', '__proto__'),
    )
    const input = fc.letrec<{ it: unknown }>((tie) => ({
      it: fc.oneof(
        { depthSize: 'small' },
        fc.anything({ maxDepth: 0 }),
        fc.array(tie('it'), { maxLength: 3 }),
        fc.dictionary(names, tie('it'), { maxKeys: 5 }),
      ),
    })).it
    const property = fc.property(fc.dictionary(names, input, { maxKeys: 6 }), (object) => {
      try {
        assert.equal(parseConfig(object, 'leaf').role, 'leaf')
      } catch (error) {
        assert(error instanceof ConfigError, String(error))
        assert(error.problems.length > 0)
      }
    })
    fc.assert(property, { seed, numRuns: RUNS })
  })
})

const MEMORY_FILE = '/fuzz.conf'

/** A disk with one file. */
function diskOf(text: string): Disk {
  const readFile = async (path: string): Promise<Uint8Array> => {
    if (path === MEMORY_FILE) return new TextEncoder().encode(text)
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' })
  }
  return { readFile } as unknown as Disk
}

function problemOf(text: string) {
  try {
    parseText(text, 'fuzz.conf')
    return undefined
  } catch (error) {
    assert(error instanceof ConfigError, `${String(error)} for ${JSON.stringify(text)}`)
    return error.problems[0]
  }
}
